"""Boards under load: 500 open cases, 100 open boards, and how soon something new stands on every one of them.

The node is the command as an operator runs it, in a process of its own with an embedded PostgreSQL beside it. A board
is what the browser's script does, without the browser: it holds the stream of ticks open, fetches the changing part
whenever a tick names another version, and looks for the new case in what it got. Time runs from the answer to whoever
made the case, that is from its commit. What a node sends to all boards alike is unpacked here once only: boards have
computers of their own. Ratios are against a single open board in the same run.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson

from benchmarks.failsafe import COMMAND, _one_case
from cad_bridge.settings import key_digest
from cad_bridge.store import embedded, migrate
from tests.by_hand import copies, query
from tests.service import _HASH, CAD_KEY, EOC, PASSWORD, REMOTE_CAS, request_body

CASES, BOARDS, EVENTS = 500, int(os.environ.get("BOARDS", "100")), int(os.environ.get("EVENTS", "20"))
APART_SECONDS = 1.5
PATIENCE_SECONDS = 30.0
TARGETS = "targets: an event on every board within 1000 ms; the node under 400 MB"
CONFIG = f"""
[[service]]
id = "{EOC}"
ods_code = "RX8"
name = "Benchmark EOC"
role = "ast"
use_cases = ["a4t1"]

[[remote]]
id = "{REMOTE_CAS}"
ods_code = "RYE"
name = "Remote CAS"

[bars]
base_url = "http://127.0.0.1:9/FHIR/R4"

[[client]]
name = "cad"
key_sha256 = "{key_digest(CAD_KEY)}"
services = ["{EOC}"]
roles = ["cad"]

[[user]]
username = "dot"
name = "Dot Dispatcher"
password_hash = "{_HASH}"
services = ["{EOC}"]
roles = ["dispatcher"]

[[user]]
username = "ann"
name = "Ann Auditor"
password_hash = "{_HASH}"
services = ["{EOC}"]
roles = ["auditor"]
"""
"""Two kinds of people, who see two kinds of board: the node makes each of them once for all who have it open."""

_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_VERSION = re.compile(r'data-version="([^"]+)"')


def main() -> None:
    """Print the figures."""
    print(f"{TARGETS}; {os.cpu_count()} cores, load of the machine {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as directory, embedded.running(Path(directory)) as server:
        migrate.upgrade(server.url)
        copies(server.url, asyncio.run(_one_case(server.url)), count=CASES - 1)
        query(server.url, "ANALYZE")
        with _node(server.url, Path(directory)) as (node, address):
            asyncio.run(_measure(address, node))


@contextlib.contextmanager
def _node(url: str, directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    config = directory / "site.toml"
    config.write_text(CONFIG, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {
        "CAD_BRIDGE_DATABASE_URL": url,
        "CAD_BRIDGE_CONFIG": str(config),
        "CAD_BRIDGE_DATA_DIR": str(directory / "data"),
    }
    command = [sys.executable, *COMMAND[1:-2], "--port", str(port)]
    node = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield node, f"http://127.0.0.1:{port}"
    finally:
        node.terminate()
        node.wait()


@dataclass
class _Board:
    """One open board."""

    client: httpx.AsyncClient
    version: str = ""
    shown: str = ""
    seen: dict[str, float] = field(default_factory=dict)
    """When each case number that is looked for stood on the board."""
    wanted: str = ""
    fetches: int = 0

    async def watch(self) -> None:
        """Follow the ticks until the task is cancelled."""
        async with self.client.stream("GET", "/board/stream") as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    tick = orjson.loads(line[6:])
                    if tick.get("version", self.version) != self.version:
                        await self.fetch()

    async def fetch(self) -> None:
        """Fetch the changing part, as the page's script does."""
        async with self.client.stream("GET", "/board/live", headers={"Accept-Encoding": "gzip"}) as answer:
            answer.raise_for_status()
            packed = b"".join([chunk async for chunk in answer.aiter_raw()])
        self.fetches += 1
        self.shown = _unpacked(packed)
        found = _VERSION.search(self.shown)
        self.version = found.group(1) if found else ""
        if self.wanted and self.wanted in self.shown:
            self.seen.setdefault(self.wanted, time.perf_counter())


@functools.lru_cache(maxsize=8)
def _unpacked(packed: bytes) -> str:
    return gzip.decompress(packed).decode()


@contextlib.asynccontextmanager
async def _boards(address: str, *, count: int) -> AsyncIterator[list[_Board]]:
    """So many boards that are open and show what there is."""
    boards = [_Board(httpx.AsyncClient(base_url=address, timeout=60, trust_env=False)) for _ in range(count)]
    try:
        for number, board in enumerate(boards):
            await _sign_in(board.client, "dot" if number % 2 else "ann")
        await asyncio.gather(*(board.fetch() for board in boards))
        watching = [asyncio.create_task(board.watch()) for board in boards]
        yield boards
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    finally:
        for board in boards:
            await board.client.aclose()


async def _sign_in(client: httpx.AsyncClient, username: str) -> None:
    found = _CSRF.search((await client.get("/board/sign-in")).text)
    assert found is not None, "the page to sign in has no token"
    form = {"username": username, "password": PASSWORD, "csrf": found.group(1)}
    answer = await client.post("/board/sign-in", data=form)
    assert answer.status_code == 303, answer.status_code


async def _measure(address: str, node: subprocess.Popen[bytes]) -> None:
    async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as cad:
        await _until_ready(cad)
        async with _boards(address, count=1) as one:
            size = len(one[0].shown.encode())
            alone = await _events(cad, one)
        print(f"{CASES} cases: {size / 1024:.0f} KB of page; one board: {_spelt(alone)}")
        async with _boards(address, count=BOARDS) as boards:
            ours, its = time.process_time(), _cpu_seconds(node.pid)
            many = await _events(cad, boards)
            ours, its = time.process_time() - ours, _cpu_seconds(node.pid) - its
            fetches = sum(board.fetches - 1 for board in boards)
        ratio = statistics.median(many) / statistics.median(alone)
        print(f"{BOARDS} boards, {EVENTS} events: {_spelt(many)}; {ratio:.1f} times one board")
        each = f"{its / EVENTS * 1000:.0f} ms of the node's, {ours / EVENTS * 1000:.0f} ms of these boards'"
        print(f"{fetches / EVENTS / BOARDS:.1f} fetches of a board, and processor time, for each event: {each}")
        print(f"memory of the node: {_memory_mb(node.pid)}")


async def _until_ready(cad: httpx.AsyncClient) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up:
        with contextlib.suppress(httpx.TransportError):
            if (await cad.get("/health/ready")).status_code == 200:
                return
        await asyncio.sleep(0.2)
    sys.exit("the node does not become ready")


async def _events(cad: httpx.AsyncClient, boards: list[_Board]) -> list[float]:
    """Milliseconds from the answer to the CAD until the case stands on a board, for every event and board."""
    found = []
    for _ in range(EVENTS):
        body = request_body()
        for board in boards:
            board.wanted = body["case_number"]
        answer = await cad.post(
            "/api/v1/validation-requests", json=body, headers={"Authorization": f"Bearer {CAD_KEY}"}
        )
        told = time.perf_counter()
        assert answer.status_code == 201, answer.text
        found += await _on_every(boards, body["case_number"], since=told)
        await asyncio.sleep(APART_SECONDS)
    return found


async def _on_every(boards: list[_Board], number: str, *, since: float) -> list[float]:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while any(number not in board.seen for board in boards):
        if time.monotonic() > give_up:
            sys.exit("a board never showed the case")
        await asyncio.sleep(0.005)
    return [max(0.0, (board.seen[number] - since) * 1000) for board in boards]


def _spelt(milliseconds: list[float]) -> str:
    ordered = sorted(milliseconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"median {statistics.median(ordered):.0f} ms, p99 {p99:.0f} ms, slowest {ordered[-1]:.0f} ms"


def _cpu_seconds(pid: int) -> float:
    parts = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    now, peak = (int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[index]
    return f"{now:.0f} MB, at most {peak:.0f} MB"


if __name__ == "__main__":
    main()
