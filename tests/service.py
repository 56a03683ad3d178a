"""The service as a test sees it: a real database, real HTTP on loopback, and the sandbox as the other side."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from argon2 import PasswordHasher

from cad_bridge import app
from cad_bridge.cli.serving import server_config
from cad_bridge.clock import ManualClock
from cad_bridge.sandbox.credentials import ClientCredentials, new_credentials
from cad_bridge.sandbox.proxy import ProxySettings
from cad_bridge.sandbox.server import CasConfig, SandboxConfig, SandboxHandle, start_sandbox
from cad_bridge.settings import ConfigFile, key_digest

DOS = "https://fhir.nhs.uk/Id/dos-service-id"
EOC = f"{DOS}|2000000011"
OUR_CAS = f"{DOS}|2000000031"
REMOTE_CAS = f"{DOS}|2000000021"
CAD_KEY, CLINICIAN_KEY, OTHER_KEY = "test-cad-key", "test-clinician-key", "test-other-key"
PASSWORD = "correct horse battery staple"
DEADLINE_SECONDS = 60.0

_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def configuration(*, base_url: str, **changes: Any) -> ConfigFile:
    """An AST that asks and a CAS of our own that answers, their CAD, their clinician's system and a dispatcher."""
    service = {"ods_code": "RX8", "use_cases": ["a4t1", "a4t2", "a4t3"]}
    values: dict[str, Any] = {
        "service": [
            service | {"id": EOC, "name": "Test Ambulance EOC", "role": "ast"},
            service | {"id": OUR_CAS, "name": "Test CAS", "role": "cas", "use_cases": ["a4t1"]},
        ],
        "remote": [{"id": REMOTE_CAS, "ods_code": "RYE", "name": "Remote CAS"}],
        "bars": {"base_url": base_url, "timeout_seconds": 5},
        "client": [
            {"name": "eoc-cad", "key_sha256": key_digest(CAD_KEY), "services": [EOC], "roles": ["cad"]},
            {
                "name": "cas-system",
                "key_sha256": key_digest(CLINICIAN_KEY),
                "services": [OUR_CAS],
                "roles": ["clinician"],
            },
            {"name": "other", "key_sha256": key_digest(OTHER_KEY), "services": [OUR_CAS], "roles": ["auditor"]},
        ],
        "user": [
            {
                "username": "dot",
                "name": "Dot Dispatcher",
                "password_hash": _HASH,
                "services": [EOC, OUR_CAS],
                "roles": ["dispatcher"],
            }
        ],
    }
    return ConfigFile.model_validate(values | changes)


def request_body(**changes: Any) -> dict[str, Any]:
    """A validation request in the CAD's own terms, of a person who does not exist."""
    now = datetime.now(UTC)
    body: dict[str, Any] = {
        "use_case": "a4t1",
        "sender": EOC,
        "receiver": REMOTE_CAS,
        "case_number": f"TST-{uuid4().hex[:10]}",
        "clock_start": (now - timedelta(minutes=4)).isoformat(),
        "breach_at": (now + timedelta(minutes=40)).isoformat(),
        "timings": {"call_connect": (now - timedelta(minutes=8)).isoformat()},
        "patient": {
            "name": {"family": "Sample", "given": ["Edith"], "prefix": ["Mrs"]},
            "nhs_number": {"value": "9990000018", "verification": "number-present-and-verified"},
            "gender": "female",
            "birth_date": "1951-03-14",
            "address": {"lines": ["1 Test Street"], "city": "Leeds", "postcode": "LS1 4AP"},
        },
        "contacts": [
            {
                "rank": 1,
                "relationship": "self",
                "telecom": [
                    {"rank": 1, "system": "phone", "use": "mobile", "value": "07700 900123"},
                    {"rank": 2, "system": "phone", "use": "home", "value": "0113 496 0123"},
                ],
            }
        ],
        "incident_location": {
            "type": "incident",
            "status": "confirmed",
            "text": "1 Test Street, Leeds, LS1 4AP",
            "latitude": 53.7975,
            "longitude": -1.5436,
            "easting": 430160,
            "northing": 433562,
            "uprn": "72000001",
            "postcode": "LS1 4AP",
        },
        "triage": {
            "system": {"name": "NHS Pathways", "version": "41.2.0"},
            "pathways": {
                "sg": {"code": "SG1137", "display": "Palpitations"},
                "sd": {"code": "SD4033", "display": "AMB new/worsening breathlessness"},
                "dx": {"code": "Dx0122", "display": "Emergency Ambulance Response (Category 3)"},
            },
            "arp": "C3",
            "summary": "Palpitations since morning, breathless on stairs.",
        },
        "presenting_complaint": "Palpitations",
        "scene_safety": {"status": "safe", "reasons": []},
        "consent": {"scope": "direct-care", "date": now.date().isoformat()},
        "practitioner": {
            "sds_role_profile_id": "PT2489",
            "name": {"family": "Caller", "given": ["Chris"]},
            "role": "999 call handler",
        },
    }
    return body | changes


@dataclass
class Running:
    """A running service and the means to talk to it."""

    service: app.Service
    url: str
    client: httpx.AsyncClient
    sandbox: SandboxHandle | None = None
    _cursor: str = field(default="0")

    async def api(self, method: str, path: str, *, key: str = CAD_KEY, **more: Any) -> httpx.Response:
        """Call the local API as the CAD, or with another key."""
        headers = {"Authorization": f"Bearer {key}"} | more.pop("headers", {})
        return await self.client.request(method, f"{self.url}/api/v1{path}", headers=headers, **more)

    async def open_case(self, **changes: Any) -> dict[str, Any]:
        """Open a validation and give the case."""
        answer = await self.api("POST", "/validation-requests", json=request_body(**changes))
        assert answer.status_code == 201, answer.text
        case: dict[str, Any] = answer.json()
        return case

    async def case(self, case_id: str, *, key: str = CAD_KEY) -> dict[str, Any]:
        """The case as it is now."""
        answer = await self.api("GET", f"/cases/{case_id}", key=key)
        assert answer.status_code == 200, answer.text
        case: dict[str, Any] = answer.json()
        return case

    async def events(self, case_id: str, *, key: str = CAD_KEY) -> list[dict[str, Any]]:
        """The story of a case."""
        answer = await self.api("GET", f"/cases/{case_id}/events", key=key)
        events: list[dict[str, Any]] = answer.json()["events"]
        return events

    async def event(self, case_id: str, type_: str, *, key: str = CAD_KEY, **data: Any) -> dict[str, Any]:
        """The first event of a type, with such data, as soon as it is there."""

        async def look() -> dict[str, Any] | None:
            told = [event for event in await self.events(case_id, key=key) if event["type"] == type_]
            return next(
                (event for event in told if all(event["data"].get(name) == value for name, value in data.items())), None
            )

        return await until(look, f"{type_} of the case")

    async def state(self, case_id: str, state: str, *, key: str = CAD_KEY) -> dict[str, Any]:
        """The case, as soon as it has a state."""

        async def look() -> dict[str, Any] | None:
            case = await self.case(case_id, key=key)
            return case if case["state"] == state else None

        return await until(look, f"state {state}")

    async def post_message(
        self, body: bytes | dict[str, Any], *, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Post a BaRS message as the proxy would."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {
            "X-Request-Id": str(uuid4()),
            "X-Correlation-Id": str(uuid4()),
            "Content-Type": "application/fhir+json",
            "Accept": "application/fhir+json; version=1.1.0",
        } | (headers or {})
        return await self.client.post(f"{self.url}/FHIR/R4/$process-message", content=raw, headers=given)


async def until(look: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Poll until there is something, or fail after a deadline."""
    give_up = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < give_up:
        found = await look()
        if found is not None and found is not False:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"never seen: {what}")


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """pytest keeps its own signal handlers."""
        yield


@asynccontextmanager
async def serving(
    config: ConfigFile,
    database_url: str,
    *,
    clock: ManualClock | None = None,
    background: bool = True,
    port: int = 0,
    data_dir: Path | None = None,
) -> AsyncIterator[Running]:
    """Run a service on a free port of this machine."""
    async with app.running(config, database_url, now=clock, background=background, data_dir=data_dir) as service:
        listening = socket.create_server(("127.0.0.1", port))
        server = _Server(server_config(service, host="127.0.0.1", port=0))
        task = asyncio.create_task(server.serve(sockets=[listening]))

        async def started() -> bool:
            return server.started

        await until(started, "the HTTP server")
        async with httpx.AsyncClient(timeout=15, trust_env=False) as client:
            try:
                yield Running(service=service, url=f"http://127.0.0.1:{listening.getsockname()[1]}", client=client)
            finally:
                server.should_exit = True
                await task
                listening.close()


@asynccontextmanager
async def with_sandbox(
    database_url: str,
    *,
    cas: CasConfig | None = None,
    clock: ManualClock | None = None,
    background: bool = True,
    **changes: Any,
) -> AsyncIterator[Running]:
    """Run a service whose messages go through the sandbox's proxy to a simulated CAS."""
    credentials = _credentials()
    proxy = ProxySettings(clients=(credentials.registration,))
    config = SandboxConfig(proxy=proxy, cas=(cas or CasConfig(),), asts=())
    with tempfile.TemporaryDirectory() as secrets:
        key_file = Path(secrets) / "key.pem"
        key_file.write_text(credentials.private_key, encoding="ascii")
        async with start_sandbox(config) as sandbox:
            bars = {
                "base_url": sandbox.proxy_url,
                "token_url": sandbox.token_url,
                "client_id": credentials.client_id,
                "key_id": credentials.kid,
                "private_key_file": str(key_file),
                "timeout_seconds": 5,
            }
            settings = configuration(base_url=sandbox.proxy_url, **({"bars": bars} | changes))
            async with serving(settings, database_url, clock=clock, background=background) as running:
                sandbox.route(EOC, f"{running.url}/FHIR/R4")
                sandbox.route(OUR_CAS, f"{running.url}/FHIR/R4")
                running.sandbox = sandbox
                yield running


@functools.cache
def _credentials() -> ClientCredentials:
    """One key pair for all tests of a run: making one takes a moment."""
    return new_credentials("cad-bridge-tests")
