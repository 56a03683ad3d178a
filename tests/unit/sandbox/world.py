"""What the tests of the sandbox share: polling, made-up requests, and a stand-in for the service under test."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response

from cad_bridge.sandbox.clock import Clock, ScaledClock
from cad_bridge.sandbox.connections import LoopbackServer
from cad_bridge.sandbox.credentials import ClientRegistration
from cad_bridge.sandbox.identity import DOS_SERVICE_ID, ServiceIdentity, encode_target
from cad_bridge.sandbox.plans import Plan, Script
from cad_bridge.sandbox.proxy import ProxySettings
from cad_bridge.sandbox.server import AstConfig, CasConfig, RequesterConfig, SandboxConfig, SandboxHandle, start_sandbox
from cad_bridge.sandbox.synthetic import PEOPLE
from cad_bridge.sandbox.validation_requests import ValidationCase, validation_request

EOC = ServiceIdentity(f"{DOS_SERVICE_ID}|2000000011", "RX8", "Stand-in EOC")
CLIENT_ID = "stand-in-client"
NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)


async def until(condition: Callable[[], Any], *, seconds: float = 10.0) -> Any:
    """Polls until the condition holds and returns its value; fails after the deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not (value := condition()):
        assert loop.time() < deadline, "the condition did not come to hold in time"
        await asyncio.sleep(0.005)
    return value


def a_validation_case(**changed: Any) -> ValidationCase:
    """A case for validation, C3, breaching 40 minutes after NOW."""
    fields: dict[str, Any] = {
        "use_case": "a4t1",
        "case_number": "YAS-1",
        "person": PEOPLE[0],
        "call_connect": NOW - timedelta(minutes=4),
        "clock_start": NOW - timedelta(minutes=1),
        "breach_at": NOW + timedelta(minutes=40),
        "journey_id": "6f1f3c1e-0d4e-4c52-9f0a-3f7a3c9f5a10",
    }
    return ValidationCase(**fields | changed)


def a_validation_request(target: str, *, now: datetime = NOW, **changed: Any) -> dict[str, Any]:
    """A validation request of the stand-in EOC to a service."""
    return validation_request(a_validation_case(**changed), source=EOC, target=target, now=now)


def a_referral_request(target: str, *, use_case: str, text: str | None = None, **changed: Any) -> dict[str, Any]:
    """An Application 6 request: the validation request with the referral's codes and profiles."""
    spelled = json.dumps(a_validation_request(target, **changed))
    for old, new in (("request-validation", "request-referral"), ("a4t1", use_case), ('"validation"', '"referral"')):
        spelled = spelled.replace(old, new)
    bundle: dict[str, Any] = json.loads(spelled)
    bundle["meta"]["versionId"] = "1.0.0-beta"
    request = next(held["resource"] for held in bundle["entry"] if held["resource"]["resourceType"] == "ServiceRequest")
    del request["occurrencePeriod"]
    if text:
        request["category"][0]["text"] = text
    return bundle


@dataclass
class StandIn:
    """The service under test, as far as the sandbox sees it: sends messages and files what comes."""

    sandbox: SandboxHandle
    http: httpx.AsyncClient
    received: list[tuple[httpx.Headers, dict[str, Any]]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """What to answer next, 200 when empty."""
    gate: asyncio.Event | None = None
    """Answers wait for it."""

    async def token(self) -> str:
        answer = await self.http.post(
            self.sandbox.token_url, data={"grant_type": "client_credentials", "client_id": CLIENT_ID}
        )
        return str(answer.json()["access_token"])

    async def send(
        self,
        bundle: dict[str, Any] | bytes,
        *,
        target: str,
        request_id: str | None = None,
        correlation_id: str | None = None,
        **headers: str,
    ) -> httpx.Response:
        """Posts a message through the proxy."""
        body = bundle if isinstance(bundle, bytes) else json.dumps(bundle).encode()
        return await self.http.post(
            f"{self.sandbox.proxy_url}/$process-message",
            content=body,
            headers=await self.headers(target, request_id=request_id, correlation_id=correlation_id) | headers,
        )

    async def get(self, path: str, *, target: str) -> httpx.Response:
        """Reads through the proxy."""
        return await self.http.get(f"{self.sandbox.proxy_url}/{path}", headers=await self.headers(target))

    async def headers(
        self, target: str, *, request_id: str | None = None, correlation_id: str | None = None
    ) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {await self.token()}",
            "X-Request-Id": request_id or str(uuid.uuid4()),
            "X-Correlation-Id": correlation_id or str(uuid.uuid4()),
            "NHSD-Target-Identifier": encode_target(target),
            "Content-Type": "application/fhir+json",
            "Accept": "application/fhir+json; version=1.1.0",
        }

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/FHIR/R4/$process-message")
        async def process(request: Request) -> Response:
            body = await request.body()
            self.raw.append(body)
            if self.gate is not None:
                await self.gate.wait()
            try:
                self.received.append((httpx.Headers(dict(request.headers)), json.loads(body)))
            except ValueError:
                self.statuses.insert(0, 400)
            status = self.statuses.pop(0) if self.statuses else 200
            ids = {name: request.headers[name] for name in ("x-request-id", "x-correlation-id")}
            content = body if status == 200 else b'{"resourceType": "Nothing"}'
            return Response(content, status_code=status, headers=ids, media_type="application/fhir+json")

        return app

    @property
    def responses(self) -> list[dict[str, Any]]:
        """The responses received, as bundles."""
        return [bundle for _, bundle in self.received]


@asynccontextmanager
async def a_world(
    *,
    plan: Plan | None = None,
    ast_plan: Plan | None = None,
    clock: Clock | None = None,
    settings: ProxySettings | None = None,
) -> AsyncIterator[StandIn]:
    """A sandbox with one CAS, one AST and one requester, and a stand-in EOC routed through its proxy."""
    chosen = settings or ProxySettings(lenient=True)
    config = SandboxConfig(
        proxy=ProxySettings(
            clients=(ClientRegistration(CLIENT_ID),),
            lenient=True,
            target_timeout=chosen.target_timeout,
            injected_codes=chosen.injected_codes,
        ),
        cas=(CasConfig(script=Script(plan)) if plan else CasConfig(),),
        asts=(AstConfig(script=Script(ast_plan)) if ast_plan else AstConfig(),),
        requesters=(RequesterConfig(),),
        clock=clock or ScaledClock(0),
    )
    async with start_sandbox(config) as sandbox, httpx.AsyncClient(trust_env=False, timeout=10) as http:
        stand_in = StandIn(sandbox, http)
        server = LoopbackServer(host="127.0.0.1", port=0)
        server.start(stand_in.app())
        sandbox.route(EOC.service_id, server.url + "/FHIR/R4")
        try:
            yield stand_in
        finally:
            await server.stop()


def of_type(bundle: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The resources of a type."""
    return [held["resource"] for held in bundle["entry"] if held["resource"]["resourceType"] == name]


def header_of(bundle: dict[str, Any]) -> dict[str, Any]:
    """The MessageHeader."""
    return of_type(bundle, "MessageHeader")[0]


def code_of(outcome: dict[str, Any]) -> tuple[str, str]:
    """Error code and issue code of an OperationOutcome."""
    issue = outcome["issue"][0]
    return issue["details"]["coding"][0]["code"], issue["code"]
