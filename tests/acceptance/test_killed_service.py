"""The service is killed between arming and breach: after the next start the case is escalated, once, and at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from cad_bridge.settings import key_digest
from tests.service import CAD_KEY, EOC, REMOTE_CAS, request_body, until

CONFIG = f"""
[[service]]
id = "{EOC}"
ods_code = "RX8"
name = "Test EOC"
use_cases = ["a4t1"]
role = "ast"

[bars]
base_url = "http://127.0.0.1:9/FHIR/R4"

[[client]]
name = "cad"
key_sha256 = "{key_digest(CAD_KEY)}"
services = ["{EOC}"]
roles = ["cad"]
"""
HEADERS = {"Authorization": f"Bearer {CAD_KEY}"}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@asynccontextmanager
async def _node(database_url: str, config: Path, log: Path) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A real `cad-bridge serve`, answering; killed at the end if it still runs."""
    port = _free_port()
    environment = os.environ | {"CAD_BRIDGE_DATABASE_URL": database_url, "CAD_BRIDGE_CONFIG": str(config)}
    command = [sys.executable, "-c", "from cad_bridge.cli import main; main()", "serve", "--port", str(port)]
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(trust_env=False) as client:

            async def answers() -> bool:
                assert process.returncode is None, log.read_text()
                with contextlib.suppress(httpx.HTTPError):
                    return (await client.get(f"{url}/health/live")).status_code == 200
                return False

            await until(answers, "the service to answer")
        yield url, process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def _get(url: str, path: str) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False) as client:
        said: dict[str, Any] = (await client.get(f"{url}{path}", headers=HEADERS)).json()
        return said


@pytest.mark.req("APP4-VR-12", "HAZ-H02-02")
async def test_killed_before_the_breach_and_started_after_it(database_url: str, tmp_path: Path) -> None:
    config = tmp_path / "cad-bridge.toml"
    config.write_text(CONFIG, encoding="utf-8")
    async with _node(database_url, config, tmp_path / "first.log") as (url, process):
        breach_at = datetime.now(UTC) + timedelta(seconds=3)
        body = request_body(breach_at=breach_at.isoformat(), receiver=REMOTE_CAS)
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{url}/api/v1/validation-requests", json=body, headers=HEADERS)
        assert answer.status_code == 201, answer.text
        assert datetime.now(UTC) < breach_at, "this machine was too slow for the test to say anything"
        process.send_signal(signal.SIGKILL)
        await process.wait()
    case = answer.json()["id"]

    async def passed() -> bool:
        return datetime.now(UTC) > breach_at

    await until(passed, "the breach time")
    async with _node(database_url, config, tmp_path / "second.log") as (url, _):

        async def swept() -> bool:
            last = (await _get(url, "/health/failsafe"))["last_sweep_at"]
            return last is not None and datetime.fromisoformat(last) > breach_at

        await until(swept, "the first sweep")
        # Late by no more than the start: the very first sweep that came through has fired it.
        events = (await _get(url, f"/api/v1/cases/{case}/events"))["events"]
        notice = next(event for event in events if event["type"] == "failsafe.dispatch")
        assert notice["data"]["triage"]["summary"] == body["triage"]["summary"]

        async def swept_again() -> bool:
            health = await _get(url, "/health/failsafe")
            return datetime.fromisoformat(health["last_sweep_at"]) > datetime.fromisoformat(notice["at"])

        await until(swept_again, "a sweep after the one that fired")
        types = [event["type"] for event in (await _get(url, f"/api/v1/cases/{case}/events"))["events"]]
        assert types.count("failsafe.dispatch") == 1
        raised = (await _get(url, f"/api/v1/cases/{case}"))["escalations"]
        assert [item["reason"] for item in raised].count("breach") == 1
