"""The BaRS API proxy: tokens, routing by NHSD-Target-Identifier, faults, and a journal of all that passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from .clock import Clock, ScaledClock
from .credentials import ClientRegistration
from .faults import FaultScript
from .forwarding import FORWARDED_HEADERS, Exchange, Forwarder
from .identity import TargetError, decode_target, is_uuid
from .journal import Journal
from .metadata import proxy_capability_statement
from .outcomes import FHIR_JSON, RefusedError
from .proxy_control import control_routes
from .tokens import TokenError, TokenIssuer

FHIR_ROOT = "/FHIR/R4"
TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path, not a secret
_MESSAGE_PATH = "$process-message"


@dataclass(frozen=True)
class ProxySettings:
    """How the proxy behaves."""

    clients: tuple[ClientRegistration, ...] = ()
    routes: Mapping[str, str] = field(default_factory=dict)
    """FHIR base URL of each service, by `system|value`."""
    lenient: bool = False
    """The token endpoint takes any registered client id unchecked."""
    require_token: bool = True
    """False: nobody needs a token, as on the platform's own sandbox (CORE-SEC-10)."""
    token_lifetime: timedelta = timedelta(seconds=599)
    token_audience: str | None = None
    """The `aud` to insist on; None: the URL that the assertion was posted to."""
    target_timeout: float = 10.0
    """Seconds that a target may take before the sender gets a timeout."""
    injected_codes: Literal["proxy", "receiver"] = "proxy"
    """Whose codes report a target that is down or slow: the guide has both."""
    journal_limit: int = 2_000
    """Exchanges that the journal keeps, bodies and all."""


class Proxy:
    """What the proxy holds: its routes, its tokens, the faults to come and the journal."""

    def __init__(self, settings: ProxySettings, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or ScaledClock()
        self.routes = dict(settings.routes)
        self.faults = FaultScript()
        self.journal = Journal(settings.journal_limit)
        self.tokens = TokenIssuer(
            settings.clients,
            clock=self.clock,
            lifetime=settings.token_lifetime,
            lenient=settings.lenient,
            audience=settings.token_audience,
        )
        self._forwarder = Forwarder(
            clock=self.clock, timeout=settings.target_timeout, injected_codes=settings.injected_codes
        )

    async def aclose(self) -> None:
        """Closes the connections to the targets."""
        await self._forwarder.aclose()

    async def pass_on(self, request: Request) -> Response:
        """Takes one FHIR request through admission, faults and the target, and records it."""
        arrived = self.clock.now()
        body = await request.body()
        service: str | None = None
        try:
            self._authorise(request.headers)
            path = _fhir_path(request)
            _check_verb(request.method, path)
            service = _target(request.headers, path)
            exchange = await self._exchange(request, service=service, path=path, body=body)
        except RefusedError as refused:
            exchange = Exchange.refusing(refused, request.headers)
        self.journal.record(
            at=arrived,
            method=request.method,
            path=request.url.path,
            query=request.url.query,
            service=service,
            request_headers=_without_token(request.headers),
            request_body=body,
            status=exchange.status,
            response_headers=exchange.headers,
            response_body=exchange.body,
            target_statuses=exchange.target_statuses,
            fault=exchange.fault,
        )
        return exchange.response()

    async def _exchange(self, request: Request, *, service: str | None, path: str, body: bytes) -> Exchange:
        if service is None:
            return Exchange.answering(proxy_capability_statement(), request.headers)
        if service not in self.routes:
            raise RefusedError(
                404, "PROXY_NOT_FOUND", "not-found", "The target is not registered in the Endpoint Catalogue"
            )
        query = f"?{request.url.query}" if request.url.query else ""
        outgoing = httpx.Request(
            request.method,
            f"{self.routes[service].rstrip('/')}/{path}{query}",
            headers={name: request.headers[name] for name in FORWARDED_HEADERS if name in request.headers},
            content=body,
        )
        fault = self.faults.take(service, method=request.method, body=body)
        return await self._forwarder.forward(outgoing, fault=fault)

    def _authorise(self, headers: Mapping[str, str]) -> None:
        if not self.settings.require_token:
            return
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise RefusedError(401, "SEND_UNAUTHORIZED", "login", "No bearer token")
        token = self.tokens.find(text)
        if token is None:
            raise RefusedError(401, "SEND_UNAUTHORIZED", "security", "The bearer token is not known")
        if self.tokens.expired(token):
            raise RefusedError(401, "SEND_UNAUTHORIZED", "expired", "The bearer token has expired")
        if not token.client.bars_enabled:
            raise RefusedError(403, "SEND_FORBIDDEN", "forbidden", "BaRS is not enabled for this application")


def create_proxy(settings: ProxySettings, *, clock: Clock | None = None) -> FastAPI:
    """The proxy as an application; `app.state.proxy` is its `Proxy`."""
    proxy = Proxy(settings, clock=clock)
    app = FastAPI(title="BaRS API proxy (sandbox)", openapi_url=None)
    app.state.proxy = proxy

    @app.post(TOKEN_PATH)
    async def token(request: Request) -> Response:
        try:
            return JSONResponse(proxy.tokens.issue(await request.body(), url=_posted_url(request)))
        except TokenError as refused:
            return JSONResponse(refused.as_json(), status_code=refused.status)

    @app.api_route(FHIR_ROOT + "/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def fhir(request: Request) -> Response:
        return await proxy.pass_on(request)

    app.include_router(control_routes(proxy))
    return app


def _posted_url(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}{request.url.path}"


def _fhir_path(request: Request) -> str:
    raw: Any = request.scope.get("raw_path") or request.url.path.encode()
    path: str = raw.decode("ascii").partition("?")[0]
    return path.removeprefix(FHIR_ROOT).lstrip("/").replace("%24", "$")


def _check_verb(method: str, path: str) -> None:
    allowed = "POST" if path == _MESSAGE_PATH else "GET"
    if method != allowed:
        raise RefusedError(405, "SEND_METHOD_NOT_ALLOWED", "not-supported", f"{method} is not allowed here")


def _target(headers: Mapping[str, str], path: str) -> str | None:
    """The service addressed; None for the proxy's own /metadata (CORE-HDR-01). Raises RefusedError."""
    for name in ("X-Request-Id", "X-Correlation-Id"):
        _check_id(name, headers.get(name.lower()))
    target = headers.get("nhsd-target-identifier")
    if target is None and path == "metadata":
        return None
    if target is None:
        raise RefusedError(400, "SEND_BAD_REQUEST", "required", "NHSD-Target-Identifier is missing")
    try:
        return decode_target(target)
    except TargetError as error:
        raise RefusedError(400, "PROXY_BAD_REQUEST", "structure", f"Invalid NHSD-Target-Identifier: {error}") from error


def _check_id(name: str, value: str | None) -> None:
    if not value:
        raise RefusedError(400, "SEND_BAD_REQUEST", "required", f"{name} is missing")
    if not is_uuid(value):
        raise RefusedError(400, "PROXY_BAD_REQUEST", "invalid", f"{name} is not a UUID")


def _without_token(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {name.lower(): value for name, value in headers.items()}
    if "authorization" in kept:
        kept["authorization"] = kept["authorization"].partition(" ")[0]
    return kept


__all__ = ["FHIR_JSON", "FHIR_ROOT", "TOKEN_PATH", "Proxy", "ProxySettings", "create_proxy"]
