"""Two real nodes on one database: one is killed between arming and breach, and the other fires at the breach."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from cad_bridge.settings import key_digest
from tests.by_hand import query
from tests.service import CAD_KEY, EOC, REMOTE_CAS, request_body, until

CHECKOUT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from cad_bridge.cli import main; main()"]
CONFIG = f"""
[[service]]
id = "{EOC}"
ods_code = "RX8"
name = "Test Ambulance EOC"
role = "ast"
use_cases = ["a4t1"]

[[remote]]
id = "{REMOTE_CAS}"
ods_code = "RYE"
name = "Remote CAS"

[bars]
base_url = "http://127.0.0.1:9/FHIR/R4"

[[client]]
name = "eoc-cad"
key_sha256 = "{key_digest(CAD_KEY)}"
services = ["{EOC}"]
roles = ["cad"]
"""


@dataclass
class Process:
    """The command as an operator runs it."""

    url: str
    client: httpx.AsyncClient
    running: asyncio.subprocess.Process

    async def kill(self) -> None:
        """SIGKILL: nothing is cleaned up."""
        self.running.send_signal(signal.SIGKILL)
        await self.running.wait()

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Call the local API as the CAD."""
        return await self.client.request(
            method, f"{self.url}/api/v1{path}", headers={"Authorization": f"Bearer {CAD_KEY}"}, **more
        )


@asynccontextmanager
async def served(database_url: str, directory: Path, *, port: int) -> AsyncIterator[Process]:
    """Run `cad-bridge serve` until it answers; it is killed at the end, if it still runs."""
    config = directory / "site.toml"
    config.write_text(CONFIG, encoding="utf-8")
    environment = os.environ | {
        "CAD_BRIDGE_DATABASE_URL": database_url,
        "CAD_BRIDGE_CONFIG": str(config),
        "CAD_BRIDGE_DATA_DIR": str(directory / "data"),
    }
    arguments = ["serve", "--port", str(port)]
    running = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, cwd=CHECKOUT, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    async with httpx.AsyncClient(timeout=15, trust_env=False) as client:
        process = Process(f"http://127.0.0.1:{port}", client, running)
        try:
            await until(lambda: _answers(process), "the service")
            yield process
        finally:
            if running.returncode is None:
                await process.kill()


async def _answers(process: Process) -> bool:
    assert process.running.returncode is None, "the service has ended"
    try:
        return (await process.client.get(f"{process.url}/health/live")).status_code == 200
    except httpx.TransportError:
        return False


async def _open(process: Process, *, breach_in: timedelta) -> dict[str, Any]:
    body = request_body(breach_at=(datetime.now(UTC) + breach_in).isoformat())
    answer = await process.call("POST", "/validation-requests", json=body)
    assert answer.status_code == 201, answer.text
    case: dict[str, Any] = answer.json()
    return case


@pytest.mark.req("APP4-VR-12", "HAZ-H02-02")
async def test_the_node_that_armed_the_deadline_is_killed_and_another_one_fires_it(
    database_url: str, tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    ports = (unused_tcp_port_factory(), unused_tcp_port_factory())
    async with (
        served(database_url, tmp_path, port=ports[0]) as armed,
        served(database_url, tmp_path, port=ports[1]) as survivor,
    ):
        case = await _open(armed, breach_in=timedelta(seconds=3))
        await armed.kill()

        async def notice() -> dict[str, Any] | None:
            events = (await survivor.call("GET", f"/cases/{case['id']}/events")).json()["events"]
            return next((event for event in events if event["type"] == "failsafe.dispatch"), None)

        data = (await until(notice, "the failsafe's notice"))["data"]
        assert datetime.fromisoformat(data["fired_at"]) >= datetime.fromisoformat(data["breach_at"])
        known = (await survivor.call("GET", f"/cases/{case['id']}")).json()
        assert known["state"] == "breached"
        health = await survivor.client.get(f"{survivor.url}/health/failsafe")
        assert health.status_code == 200, health.text
    assert query(database_url, "SELECT count(*) FROM escalations WHERE reason = 'breach'") == [(1,)]
