"""Where messages go: through the proxy, unless a site allows the addresses of its catalogue; and how endpoints do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from cad_bridge.clock import ManualClock
from cad_bridge.discovery.catalogue.imports import import_json
from cad_bridge.engine.catalogue import Author
from cad_bridge.sandbox.credentials import new_credentials
from tests.acceptance.board_visitor import visiting
from tests.service import REMOTE_CAS, Running, configuration, serving, until

UNKNOWN = "https://fhir.nhs.uk/Id/dos-service-id|2000000999"
OPERATOR = Author(name="test", organisations=None)


@dataclass
class Server:
    """A server that takes everything, and says what it got."""

    url: str
    got: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    status: int = 200

    @property
    def messages(self) -> int:
        """How many messages came."""
        return sum(path.endswith("/$process-message") for path, _ in self.got)


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """pytest keeps its own signal handlers."""
        yield


@asynccontextmanager
async def listening() -> AsyncIterator[Server]:
    """A BaRS server and token endpoint in one, on a free port."""
    app, port = FastAPI(), socket.create_server(("127.0.0.1", 0))
    server = Server(url=f"http://127.0.0.1:{port.getsockname()[1]}")

    @app.post("/token")
    async def token() -> JSONResponse:
        return JSONResponse({"access_token": "the-token-of-the-proxy", "expires_in": 600})

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def anything(path: str, request: Request) -> Response:
        server.got.append((f"/{path}", dict(request.headers)))
        ids = {name: request.headers[name] for name in ("x-request-id", "x-correlation-id")}
        return Response(await request.body(), status_code=server.status, headers=ids)

    running = _Quiet(uvicorn.Config(app, log_config=None, lifespan="off", access_log=False))
    task = asyncio.create_task(running.serve(sockets=[port]))

    async def started() -> bool:
        return running.started

    await until(started, "the server")
    try:
        yield server
    finally:
        running.should_exit = True
        await task
        port.close()


@dataclass
class Site:
    """A running service between a proxy and a server with an address of its own."""

    running: Running
    proxy: Server
    direct: Server

    async def know(self, service_id: str, *, status: str = "active") -> None:
        """Put a service into the catalogue, at the direct server."""
        row = {
            "service_id": service_id,
            "ods_code": "RYE",
            "name": "Remote CAS",
            "address": f"{self.direct.url}/FHIR/R4",
            "use_cases": ["a4t1"],
            "status": status,
        }
        await self.running.service.engine.discovery.catalogue.take(import_json(json.dumps([row])), by=OPERATOR)

    async def deliver(self) -> None:
        """Send what is due."""
        await self.running.service.outbox.work()


@asynccontextmanager
async def site(
    database_url: str, tmp_path: Path, *, clock: ManualClock | None = None, **bars: Any
) -> AsyncIterator[Site]:
    key = tmp_path / "key.pem"
    key.write_text(new_credentials("test").private_key, encoding="ascii")
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(listening())
        direct = await stack.enter_async_context(listening())
        section = {
            "base_url": f"{proxy.url}/FHIR/R4",
            "token_url": f"{proxy.url}/token",
            "private_key_file": str(key),
            "negotiation": "off",
            **bars,
        }
        config = configuration(base_url=section["base_url"], bars=section)
        running = await stack.enter_async_context(serving(config, database_url, clock=clock, background=False))
        yield Site(running, proxy, direct)


async def types_of(running: Running, case: dict[str, Any]) -> list[str]:
    return [event["type"] for event in await running.events(case["id"])]


@pytest.mark.req("CORE-WF-10")
async def test_all_traffic_goes_through_the_proxy_whatever_the_catalogue_says(
    database_url: str, tmp_path: Path
) -> None:
    async with site(database_url, tmp_path) as where:
        await where.know(REMOTE_CAS)
        case = await where.running.open_case()
        await where.deliver()
        assert (where.proxy.messages, where.direct.got) == (1, [])
        assert where.proxy.got[0][1]["authorization"] == "Bearer the-token-of-the-proxy"
        assert await types_of(where.running, case) == ["case.created", "case.acknowledged"]


async def test_a_direct_address_is_used_where_the_site_allows_it_and_gets_no_token(
    database_url: str, tmp_path: Path
) -> None:
    async with site(database_url, tmp_path, direct=True) as where:
        await where.know(REMOTE_CAS)
        case = await where.running.open_case()
        await where.deliver()
        assert (where.proxy.messages, where.direct.messages) == (0, 1)
        path, headers = where.direct.got[0]
        assert path == "/FHIR/R4/$process-message"
        assert "authorization" not in headers
        assert await types_of(where.running, case) == ["case.created", "case.acknowledged"]


async def test_a_service_without_an_address_goes_through_the_proxy(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path, direct=True) as where:
        await where.running.open_case()
        await where.deliver()
        assert (where.proxy.messages, where.direct.messages) == (1, 0)


@pytest.mark.parametrize("bars", [{}, {"direct": True}], ids=["proxy", "direct"])
async def test_a_new_request_to_a_service_that_is_off_is_stopped_before_any_call(
    database_url: str, tmp_path: Path, bars: dict[str, Any]
) -> None:
    async with site(database_url, tmp_path, **bars) as where:
        await where.know(REMOTE_CAS, status="off")
        case = await where.running.open_case()
        await where.deliver()
        assert (where.proxy.got, where.direct.got) == ([], [])
        assert (await where.running.case(case["id"]))["state"] == "undelivered"
        assert "escalation.raised" in await types_of(where.running, case)


async def test_what_follows_a_request_is_sent_although_the_service_is_off(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path, direct=True) as where:
        await where.know(REMOTE_CAS)
        case = await where.running.open_case()
        await where.deliver()
        await where.know(REMOTE_CAS, status="off")
        cancelled = await where.running.api("POST", f"/cases/{case['id']}/cancel", json={"reason": "Not wanted."})
        assert cancelled.status_code == 202, cancelled.text
        await where.deliver()
        assert where.direct.messages == 2


@pytest.mark.req("CORE-WF-09")
async def test_a_service_that_nobody_knows_is_not_sent_to_where_the_site_wants_that(
    database_url: str, tmp_path: Path
) -> None:
    async with site(database_url, tmp_path, known_services_only=True) as where:
        stranger = await where.running.open_case(receiver=UNKNOWN)
        await where.deliver()
        assert where.proxy.got == []
        assert (await where.running.case(stranger["id"]))["state"] == "undelivered"
        await where.running.open_case()
        await where.know(UNKNOWN)
        await where.running.open_case(receiver=UNKNOWN)
        await where.deliver()
        assert where.proxy.messages == 2


async def test_the_proxy_decides_about_a_service_that_nobody_knows(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path) as where:
        await where.running.open_case(receiver=UNKNOWN)
        await where.deliver()
        assert where.proxy.messages == 1


async def test_two_addresses_stop_a_new_request_only_where_ours_would_be_used(
    database_url: str, tmp_path: Path
) -> None:
    async with site(database_url, tmp_path, direct=True) as where:
        await where.know(REMOTE_CAS)
        held = where.running.service.engine.discovery.catalogue
        endpoint = (await held.all_of("Endpoint"))[0]
        other = {name: value for name, value in endpoint.items() if name != "id"} | {"address": "https://b.example.org"}
        await held.create("Endpoint", other, by=OPERATOR)
        case = await where.running.open_case()
        await where.deliver()
        assert (where.proxy.got, where.direct.got) == ([], [])
        assert (await where.running.case(case["id"]))["state"] == "undelivered"


async def test_a_catalogue_that_cannot_be_read_stops_nothing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(database_url, tmp_path) as where:

        async def broken(*_: Any) -> None:
            raise ValueError("the catalogue is broken")

        await where.running.open_case()
        monkeypatch.setattr(where.running.service.engine.discovery.catalogue, "entries", broken)
        await where.deliver()
        assert where.proxy.messages == 1


async def test_the_health_of_an_endpoint_is_seen(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path) as where:

        async def health() -> dict[str, Any]:
            page = (await where.running.client.get(f"{where.running.url}/health/failsafe")).json()
            (endpoint,) = page["endpoints"]
            assert endpoint["service_id"] == REMOTE_CAS
            listed = (await where.running.api("GET", "/catalogue/services")).json()["services"]
            shown = next(service for service in listed if service["service_id"] == REMOTE_CAS)["health"]
            assert {name: endpoint[name] for name in shown} == shown
            found: dict[str, Any] = endpoint
            return found

        await where.running.open_case()
        await where.deliver()
        well = await health()
        assert (well["state"], well["failures_since_success"], well["last_failure"]) == ("working", 0, None)
        assert well["last_success_at"] is not None

        where.proxy.status = 503
        await where.running.open_case()
        await where.deliver()
        ill = await health()
        assert (ill["state"], ill["failures_since_success"], ill["last_failure"]) == ("failing", 1, "503")
        assert ill["last_success_at"] == well["last_success_at"]
        metrics = (await where.running.client.get(f"{where.running.url}/metrics")).text
        assert f'cad_bridge_endpoint_failures{{service="{REMOTE_CAS}"}} 1.0' in metrics
        assert f'cad_bridge_endpoint_last_success_timestamp_seconds{{service="{REMOTE_CAS}"}}' in metrics

        async with visiting(where.running, "dot") as person:
            rows = (await person.page("/board/services")).find("tr")
            assert REMOTE_CAS in rows[1].text
            assert "FAILING" in rows[1].text
            assert "1 try without success" in rows[1].text
