"""The whole path of `$process-message`: HTTP, checks, decision, durable commit; against raw commits on the same server.

    python -m benchmarks.process_message

The service is the command as an operator runs it, in a process of its own, with all its loops. A mixed load of new
requests, updates and cancellations is offered at 50 a second, then at higher rates as long as they are held. Beside
each rate: the same bytes, committed bare by the same number of transactions a second on the same server (two for each
message, as the service commits the bytes before it works on them). Ratios mean more than milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg

from benchmarks.http_load import Offered, Sender, Template, offer, template
from cad_bridge.store import embedded, migrate
from tests.service import OUR_CAS

SECONDS = float(os.environ.get("SECONDS", "8"))
RATES = tuple(map(int, os.environ.get("RATES", "50 75 100 125 150 200").split()))
TARGETS = "targets: p99 under 50 ms at 50/s, 150/s held, memory under 400 MB"
HELD_WITHIN_SECONDS = 1.0
"""A rate is held if nothing fails and the last answer comes so soon after the last message."""
RAW_CONNECTIONS = 10
COMMAND = [sys.executable, "-c", "from cad_bridge.cli import main; main()", "serve", "--port"]
CONFIG = f"""
[[service]]
id = "{OUR_CAS}"
ods_code = "RX8"
name = "Benchmark CAS"
role = "cas"
use_cases = ["a4t1"]

[bars]
base_url = "http://127.0.0.1:9/FHIR/R4"
"""


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as directory, embedded.running(Path(directory)) as server:
        migrate.upgrade(server.url)
        with _node(server.url, Path(directory)) as (node, port):
            asyncio.run(_measure(server.url, node, port))


@contextlib.contextmanager
def _node(url: str, directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    config, port = directory / "site.toml", _free_port()
    config.write_text(CONFIG, encoding="utf-8")
    environment = os.environ | {
        "CAD_BRIDGE_DATABASE_URL": url,
        "CAD_BRIDGE_CONFIG": str(config),
        "CAD_BRIDGE_DATA_DIR": str(directory / "data"),
    }
    node = subprocess.Popen([*COMMAND, str(port)], env=environment, stderr=subprocess.DEVNULL)
    try:
        _await_ready(f"http://127.0.0.1:{port}/health/ready")
        yield node, port
    finally:
        node.terminate()
        node.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_ready(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError("the service did not become ready")


async def _measure(url: str, node: subprocess.Popen[bytes], port: int) -> None:
    made, sender = template(), Sender(port)
    print(f"{TARGETS}; a request of {len(made.request):,} bytes, an update, a cancellation")
    await offer(sender, made, rate=20, seconds=2)
    for rate in RATES:
        load = os.getloadavg()[0]
        raw = await _raw_commits(url, made, per_second=2 * rate, seconds=min(SECONDS, 4))
        before = _cpu_seconds(node.pid)
        result = await offer(sender, made, rate=rate, seconds=SECONDS)
        spent = _cpu_seconds(node.pid) - before
        _report(rate, result, raw, cpu_ms=spent / max(1, len(result.took_ms)) * 1000, load=load)
        if not _is_held(result):
            break
    sender.close()
    now, most = _memory_mb(node.pid)
    print(f"memory of the node: {now:.0f} MB now, {most:.0f} MB at most")


def _is_held(result: Offered) -> bool:
    return result.failed == 0 and result.drained < HELD_WITHIN_SECONDS


def _report(rate: int, result: Offered, raw: list[float], *, cpu_ms: float, load: float) -> None:
    p50, p99 = statistics.median(result.took_ms), _p99(result.took_ms)
    print(
        f"{rate:4d}/s: median {p50:6.1f} ms ({p50 / statistics.median(raw):5.1f} raw commits), p99 {p99:6.1f} ms "
        f"({p99 / _p99(raw):4.1f}), CPU of the node {cpu_ms:.1f} ms a message, failed {result.failed}, "
        f"{'held' if _is_held(result) else 'NOT held'}"
    )
    print(
        f"        raw commits at {2 * rate}/s: median {statistics.median(raw):.1f} ms, p99 {_p99(raw):.1f} ms; "
        f"load of the machine before {load:.1f} on {os.cpu_count()} cores, sender late by {result.lag * 1000:.0f} ms"
    )


async def _raw_commits(url: str, made: Template, *, per_second: int, seconds: float) -> list[float]:
    """Milliseconds of each commit, from the time at which it was due."""
    address, took = url.replace("+psycopg", ""), list[float]()
    async with contextlib.AsyncExitStack() as stack:
        free: asyncio.Queue[psycopg.AsyncConnection] = asyncio.Queue()
        for _ in range(RAW_CONNECTIONS):
            connection = await psycopg.AsyncConnection.connect(address, autocommit=True)
            free.put_nowait(await stack.enter_async_context(connection))
        await connection.execute("CREATE TABLE IF NOT EXISTS bench_raw (body bytea)")

        async def commit(due: float) -> None:
            connection = await free.get()
            await connection.execute("INSERT INTO bench_raw VALUES (%s)", (made.request,))
            free.put_nowait(connection)
            took.append((time.perf_counter() - due) * 1000)

        begin, tasks = time.perf_counter(), []
        for number in range(int(per_second * seconds)):
            due = begin + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(commit(due)))
        await asyncio.gather(*tasks)
    return took


def _cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, from /proc."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> tuple[float, float]:
    """Resident memory of a process: now, and at most so far, from /proc."""
    said = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines())
    return int(said["VmRSS"].split()[0]) / 1024, int(said["VmHWM"].split()[0]) / 1024


def _p99(values: list[float]) -> float:
    return sorted(values)[max(0, int(len(values) * 0.99) - 1)]


if __name__ == "__main__":
    main()
