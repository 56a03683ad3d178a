"""Lateness of the failsafe in steady state, and a burst: many cases due in the same second."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from cad_bridge.app import Service, running
from cad_bridge.engine.requests import open_request
from cad_bridge.fhir.content import Request
from cad_bridge.store import embedded, migrate
from tests.service import configuration, request_body

STEADY, BURST = 100, 500


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as directory, embedded.running(Path(directory)) as server:
        migrate.upgrade(server.url)
        asyncio.run(_run(server.url))


async def _run(url: str) -> None:
    async with running(configuration(base_url="http://127.0.0.1:9"), url) as service:
        now = service.engine.now()
        for number in range(STEADY):
            await _open(service, now + timedelta(seconds=4, milliseconds=40 * number))
        late = await _watch(service, STEADY)
        print(f"steady, {STEADY} cases: median {statistics.median(late):.1f} ms, p99 {_p99(late):.1f} ms late")
        due = service.engine.now() + timedelta(seconds=BURST / 25)
        for _ in range(BURST):
            await _open(service, due)
        began = time.perf_counter()
        late = await _watch(service, BURST)
        print(f"burst, {BURST} cases in one instant: last one {max(late):.0f} ms late, p99 {_p99(late):.0f} ms")
        print(f"watched for {time.perf_counter() - began:.1f} s")


async def _open(service: Service, breach_at: object) -> None:
    body = request_body(breach_at=breach_at.isoformat())  # type: ignore[attr-defined]
    await open_request(service.engine, Request.model_validate(body), by="benchmark")


async def _watch(service: Service, count: int) -> list[float]:
    """Lateness of the breaches as they fire, in milliseconds."""
    query = text(
        "SELECT extract(epoch FROM fired_at - due_at) * 1000 FROM deadlines "
        "WHERE kind = 'breach' AND fired_at IS NOT NULL ORDER BY fired_at DESC LIMIT :n"
    )
    done = text("SELECT count(*) FROM cases WHERE breach_at IS NOT NULL AND state <> 'breached'")
    while True:
        async with service.engine.database.connect() as connection:
            if (await connection.execute(done)).scalar_one() == 0:
                return [float(v) for v in (await connection.execute(query, {"n": count})).scalars()]
        await asyncio.sleep(0.2)


def _p99(values: list[float]) -> float:
    return sorted(values)[max(0, int(len(values) * 0.99) - 1)]


if __name__ == "__main__":
    main()
