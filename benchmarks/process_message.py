"""The whole path of `$process-message`: HTTP, checks, decision, durable commit; against raw commits on the same server.

A mixed load of new requests, updates and cancellations is offered at 50 a second, then at higher rates until the
99th centile passes the target or the queue grows. Everything runs on this machine, on loopback.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from cad_bridge.store import embedded, migrate
from tests import messages
from tests.service import OUR_CAS, configuration, serving

SECONDS = 6
RATES = (50, 100, 150, 200)
TARGET_P99_MS = 50.0


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as directory, embedded.running(Path(directory)) as server:
        migrate.upgrade(server.url)
        asyncio.run(_run(server.url))


async def _run(url: str) -> None:
    body = json.dumps(messages.validation_request(destination=OUR_CAS)).encode()
    raw = _raw_commits(url, body)
    print(f"message: {len(body)} bytes; raw commit of the same bytes: median {raw[0]:.2f} ms, p99 {raw[1]:.2f} ms")
    async with serving(configuration(base_url="http://127.0.0.1:9"), url, background=False) as running:
        await _offer(running.url, rate=20, seconds=2)  # warm up
        for rate in RATES:
            took, failed, lag = await _offer(running.url, rate=rate, seconds=SECONDS)
            p50, p99 = statistics.median(took), _p99(took)
            held = failed == 0 and lag < 1.0
            print(
                f"{rate:4d}/s: median {p50:6.1f} ms ({p50 / raw[0]:4.1f} raw commits), p99 {p99:6.1f} ms, "
                f"failed {failed}, {'held' if held else 'NOT held'}; target p99 {TARGET_P99_MS:.0f} ms at 50/s"
            )
            if not held:
                break


def _raw_commits(url: str, body: bytes) -> tuple[float, float]:
    took = []
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE bench_raw (body bytea)")
        for _ in range(300):
            started = time.perf_counter()
            connection.execute("INSERT INTO bench_raw VALUES (%s)", (body,))
            took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took), _p99(took)


async def _offer(url: str, *, rate: int, seconds: int) -> tuple[list[float], int, float]:
    """Send at a steady rate whatever the answers do; latency counts from the time a message was due."""
    took: list[float] = []
    failed = 0
    lag = 0.0
    async with httpx.AsyncClient(timeout=10, trust_env=False, limits=httpx.Limits(max_connections=200)) as client:
        begin = time.perf_counter()

        async def story(due: float) -> None:
            nonlocal failed
            correlation = str(uuid4())
            known = messages.validation_request(destination=OUR_CAS, case_number=str(uuid4()))
            answer = await post(due, known, correlation)
            if answer is None:
                return
            for offset, make in ((0.1, _update), (0.2, messages.cancellation)):
                await asyncio.sleep(max(0.0, due + offset - time.perf_counter()))
                await post(time.perf_counter(), make(known, answer), correlation)

        async def post(due: float, bundle: dict[str, Any], correlation: str) -> dict[str, Any] | None:
            nonlocal failed
            headers = {
                "X-Request-Id": str(uuid4()),
                "X-Correlation-Id": correlation,
                "Content-Type": "application/fhir+json",
            }
            try:
                response = await client.post(
                    f"{url}/FHIR/R4/$process-message", content=json.dumps(bundle), headers=headers
                )
            except httpx.HTTPError:
                failed += 1
                return None
            took.append((time.perf_counter() - due) * 1000)
            if response.status_code != 200:
                failed += 1
                return None
            said: dict[str, Any] = response.json()
            return said

        tasks = []
        for number in range(rate * seconds // 3):
            due = begin + number * 3 / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            lag = max(lag, time.perf_counter() - due)
            tasks.append(asyncio.create_task(story(due)))
        await asyncio.gather(*tasks)
    return took, failed, lag


def _update(known: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    return messages.update(known, answer, summary="More is known now")


def _p99(values: list[float]) -> float:
    return sorted(values)[max(0, int(len(values) * 0.99) - 1)]


if __name__ == "__main__":
    main()
