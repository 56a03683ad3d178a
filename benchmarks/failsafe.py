"""The failsafe on three nodes: its lateness in steady state, and a burst of cases due in one instant one node killed.

Each node is the command as an operator runs it, in a process of its own; all share one embedded PostgreSQL. Every case
is checked afterwards: one escalation, one notice to the CAD. Ratios are against bare durable commits in the same run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from cad_bridge.app import running
from cad_bridge.engine.requests import open_request
from cad_bridge.fhir.content import Request
from cad_bridge.store import embedded, migrate
from tests.by_hand import copies, query
from tests.service import EOC, REMOTE_CAS, configuration, request_body

NODES = 3
STEADY, STEADY_SECONDS = 400, 20
BURST = int(os.environ.get("BURST", "10000"))
TARGETS = "targets: steady p99 under 25 ms; burst within 3000 ms, each once"
COMMAND = [sys.executable, "-c", "from cad_bridge.cli import main; main()", "serve", "--port", "0"]
CONFIG = f"""
[[service]]
id = "{EOC}"
ods_code = "RX8"
name = "Benchmark EOC"
role = "ast"
use_cases = ["a4t1"]

[service.policy]
acknowledge_seconds = 3600

[[remote]]
id = "{REMOTE_CAS}"
ods_code = "RYE"
name = "Remote CAS"

[bars]
base_url = "http://127.0.0.1:9/FHIR/R4"
"""


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as directory, embedded.running(Path(directory)) as server:
        migrate.upgrade(server.url)
        commit = _raw_commit_ms(server.url)
        print(f"{TARGETS}; a bare commit takes {commit:.2f} ms here")
        print(f"{os.cpu_count()} cores, load of the machine {os.getloadavg()[0]:.1f}")
        case = asyncio.run(_one_case(server.url))
        with _nodes(server.url, Path(directory)) as nodes:
            _steady(server.url, case, commit)
            _burst(server.url, case, commit, nodes)


@contextlib.contextmanager
def _nodes(url: str, directory: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    config = directory / "site.toml"
    config.write_text(CONFIG, encoding="utf-8")
    environment = os.environ | {
        "CAD_BRIDGE_DATABASE_URL": url,
        "CAD_BRIDGE_CONFIG": str(config),
        "CAD_BRIDGE_DATA_DIR": str(directory / "data"),
    }
    nodes = [subprocess.Popen(COMMAND, env=environment, stderr=subprocess.DEVNULL) for _ in range(NODES)]
    try:
        while query(url, "SELECT count(*) FROM nodes")[0][0] < NODES:
            time.sleep(0.1)
        yield nodes
    finally:
        for node in nodes:
            node.terminate()
        for node in nodes:
            node.wait()


async def _one_case(url: str) -> str:
    """The case that the others are copies of; its own breach time is far away, and its delivery in no doubt."""
    async with running(configuration(base_url="http://127.0.0.1:9"), url, background=False) as service:
        breach_at = service.engine.now() + timedelta(hours=12)
        body = Request.model_validate(request_body(breach_at=breach_at.isoformat()))
        opened = await open_request(service.engine, body, by="benchmark")
        query(url, "DELETE FROM deadlines WHERE kind = 'delivery'")
        return str(opened.stored.id)


def _copied(url: str, case: str, *, count: int, first: datetime, apart: timedelta) -> None:
    """So many more cases like it, due one after the other."""
    before = [row[0] for row in query(url, "SELECT id FROM cases")]
    copies(url, case, count=count)
    query(
        url,
        """
        WITH fresh AS (SELECT id, row_number() OVER () - 1 AS n FROM cases WHERE id <> ALL(%s)),
        moved AS (UPDATE cases SET breach_at = %s + %s * fresh.n FROM fresh WHERE cases.id = fresh.id)
        UPDATE deadlines SET due_at = %s + %s * fresh.n FROM fresh WHERE case_id = fresh.id AND kind = 'breach'
        """,
        *(before, first, apart, first, apart),
    )
    query(url, "ANALYZE")


def _steady(url: str, case: str, commit: float) -> None:
    began = _now(url)
    _copied(
        url, case, count=STEADY, first=began + timedelta(seconds=5), apart=timedelta(seconds=STEADY_SECONDS / STEADY)
    )
    _until_escalated(url, STEADY)
    late = _lateness(url, began)
    print(
        f"steady, {STEADY} cases in {STEADY_SECONDS} s on {NODES} nodes: median {statistics.median(late):.1f} ms, "
        f"p99 {_p99(late):.1f} ms, max {max(late):.1f} ms late ({statistics.median(late) / commit:.1f} bare commits)"
    )


def _burst(url: str, case: str, commit: float, nodes: list[subprocess.Popen[bytes]]) -> None:
    began = _now(url)
    due = began + timedelta(seconds=15 + BURST / 1000)
    _copied(url, case, count=BURST, first=due, apart=timedelta(0))
    assert _now(url) < due, "the copies took too long to make"
    cpu = _cpu_seconds(nodes[1:])
    _until_escalated(url, STEADY + BURST // 5)
    nodes[0].send_signal(signal.SIGKILL)
    killed = _now(url)
    done = _until_escalated(url, STEADY + BURST)
    cpu = _cpu_seconds(nodes[1:]) - cpu
    late = _lateness(url, began)
    took = _ms(done - due)
    print(f"burst, {BURST} cases in one instant on {NODES} nodes, one killed after {_ms(killed - due):.0f} ms:")
    print(
        f"  all committed after {took:.0f} ms; decided: median {statistics.median(late):.0f}, last {max(late):.0f} ms"
    )
    print(f"  {took / BURST:.3f} ms a case ({took / BURST / commit:.2f} bare commits), {_exactly_once(url)}")
    print(f"  the two nodes that lived used {cpu:.1f} s of processor time")


def _ms(time_: timedelta) -> float:
    return time_.total_seconds() * 1000


def _cpu_seconds(nodes: list[subprocess.Popen[bytes]]) -> float:
    ticks = 0
    for node in nodes:
        after_name = Path(f"/proc/{node.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _until_escalated(url: str, count: int) -> datetime:
    """When so many breaches are committed, by the database's clock."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        while True:
            row = connection.execute(
                "SELECT count(*), clock_timestamp() FROM escalations WHERE reason = 'breach'"
            ).fetchone()
            assert row is not None
            if row[0] >= count:
                now: datetime = row[1]
                return now
            time.sleep(0.05)


def _lateness(url: str, since: datetime) -> list[float]:
    """Lateness of the breaches as they were decided, in milliseconds."""
    statement = (
        "SELECT extract(epoch FROM fired_at - due_at) * 1000 FROM deadlines WHERE kind = 'breach' AND fired_at > %s"
    )
    return [float(row[0]) for row in query(url, statement, since)]


def _exactly_once(url: str) -> str:
    """Every breached case against its escalations and notices."""
    wrong = query(
        url,
        """
        SELECT count(*) FROM cases c WHERE state = 'breached' AND (
            (SELECT count(*) FROM escalations e WHERE e.case_id = c.id AND reason = 'breach') <> 1
            OR (SELECT count(*) FROM events e WHERE e.case_id = c.id AND type = 'failsafe.dispatch') <> 1)
        """,
    )[0][0]
    breached = query(url, "SELECT count(*) FROM cases WHERE state = 'breached'")[0][0]
    return f"{breached} cases breached, {wrong} of them not exactly once"


def _raw_commit_ms(url: str) -> float:
    took = []
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE bench_commit (n int)")
        for number in range(200):
            began = time.perf_counter()
            connection.execute("INSERT INTO bench_commit VALUES (%s)", (number,))
            took.append((time.perf_counter() - began) * 1000)
        connection.execute("DROP TABLE bench_commit")
    return statistics.median(took)


def _now(url: str) -> datetime:
    now: Any = query(url, "SELECT clock_timestamp()")[0][0]
    assert isinstance(now, datetime)
    return now


def _p99(values: list[float]) -> float:
    return sorted(values)[max(0, int(len(values) * 0.99) - 1)]


if __name__ == "__main__":
    main()
