"""The real service is killed between arming and breach, or its database under it: escalated once, by whoever lives."""

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
from cad_bridge.store.embedded import process
from cad_bridge.store.embedded.home import Home
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
BREACHES = "SELECT count(*) FROM escalations WHERE reason = 'breach'"


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
async def served(directory: Path, *, port: int, **environment: str) -> AsyncIterator[Process]:
    """Run `cad-bridge serve` with such settings until it answers; it is killed at the end, if it still runs."""
    config = directory / "site.toml"
    config.write_text(CONFIG, encoding="utf-8")
    settings = {"CAD_BRIDGE_CONFIG": str(config), "CAD_BRIDGE_DATA_DIR": str(directory / "data")} | environment
    arguments = ["serve", "--port", str(port)]
    running = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, cwd=CHECKOUT, env=os.environ | settings, stderr=asyncio.subprocess.DEVNULL
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


async def _notices(process: Process, case: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await process.call("GET", f"/cases/{case['id']}/events")
    if answer.status_code == 503:
        return []
    return [event for event in answer.json()["events"] if event["type"] == "failsafe.dispatch"]


async def _notice(process: Process, case: dict[str, Any]) -> dict[str, Any]:
    """The failsafe's notice, as soon as it is there."""

    async def look() -> dict[str, Any] | None:
        return next(iter(await _notices(process, case)), None)

    found: dict[str, Any] = await until(look, "the failsafe's notice")
    return found


async def _swept_after(process: Process, moment: datetime) -> None:
    """Return as soon as a sweep has come through that began after a moment."""

    async def look() -> bool:
        last = (await process.client.get(f"{process.url}/health/failsafe")).json().get("last_sweep_at")
        return last is not None and datetime.fromisoformat(last) > moment + timedelta(seconds=1)

    await until(look, "a sweep")


@pytest.mark.req("APP4-VR-12", "HAZ-H02-02")
async def test_killed_before_the_breach_and_started_after_it(
    database_url: str, tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    async with served(tmp_path, port=unused_tcp_port_factory(), CAD_BRIDGE_DATABASE_URL=database_url) as first:
        case = await _open(first, breach_in=timedelta(seconds=3))
        assert case["state"] == "sent"
        await first.kill()
    breach_at = datetime.fromisoformat(case["breach_at"])

    async def passed() -> bool:
        return datetime.now(UTC) > breach_at

    await until(passed, "the breach time")
    assert query(database_url, BREACHES) == [(0,)], "this machine was too slow for the test to say anything"
    async with served(tmp_path, port=unused_tcp_port_factory(), CAD_BRIDGE_DATABASE_URL=database_url) as second:
        notice = await _notice(second, case)
        assert notice["data"]["triage"]["summary"] == request_body()["triage"]["summary"]
        await _swept_after(second, datetime.fromisoformat(notice["at"]))
        assert len(await _notices(second, case)) == 1
    assert query(database_url, BREACHES) == [(1,)]


@pytest.mark.req("APP4-VR-12", "HAZ-H02-02")
async def test_the_node_that_armed_the_deadline_is_killed_and_another_one_fires_it(
    database_url: str, tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    ports = (unused_tcp_port_factory(), unused_tcp_port_factory())
    async with (
        served(tmp_path, port=ports[0], CAD_BRIDGE_DATABASE_URL=database_url) as armed,
        served(tmp_path, port=ports[1], CAD_BRIDGE_DATABASE_URL=database_url) as survivor,
    ):
        case = await _open(armed, breach_in=timedelta(seconds=3))
        await armed.kill()
        notice = await _notice(survivor, case)
        data = notice["data"]
        assert datetime.fromisoformat(data["fired_at"]) >= datetime.fromisoformat(data["breach_at"])
        assert (await survivor.call("GET", f"/cases/{case['id']}")).json()["state"] == "breached"
        health = await survivor.client.get(f"{survivor.url}/health/failsafe")
        assert health.status_code == 200, health.text
    assert query(database_url, BREACHES) == [(1,)]


@pytest.mark.req("HAZ-H02-02")
async def test_the_embedded_database_is_killed_under_the_service_and_comes_back(
    used_data_dir: Path, tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    settings = {"CAD_BRIDGE_DATA_DIR": str(used_data_dir)}
    cluster = Home((used_data_dir / "postgres").resolve()).cluster
    async with served(tmp_path, port=unused_tcp_port_factory(), **settings) as service:
        case = await _open(service, breach_in=timedelta(seconds=4))
        server = process.find(cluster)
        assert server is not None
        os.kill(server.pid, signal.SIGKILL)
        notice = await _notice(service, case)
        await _swept_after(service, datetime.fromisoformat(notice["at"]))
        assert len(await _notices(service, case)) == 1
        assert (await service.client.get(f"{service.url}/health/ready")).status_code == 200
        service.running.terminate()
        assert await service.running.wait() == 0, "told to stop, it stops in good order"
    assert process.find(cluster) is None, "and takes its database with it"
