"""Carrying one request to its target, with or without a fault on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import httpx
from starlette.responses import Response

from .clock import Clock
from .connections import BrokenConnection
from .faults import Fault, FaultKind
from .http_client import new_client
from .identity import Json
from .outcomes import FHIR_JSON, RefusedError, operation_outcome

INTEGRITY_HEADERS = ("x-request-id", "x-correlation-id")
FORWARDED_HEADERS = (
    *INTEGRITY_HEADERS,
    "nhsd-target-identifier",
    "nhsd-end-user-organisation",
    "nhsd-requesting-practitioner",
    "nhsd-requesting-software",
    "use-context",
    "content-type",
    "accept",
)
"""What reaches a target; Authorization never does (CORE-HDR-12)."""

_GATEWAY_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_UNDELIVERED = {FaultKind.RESET, FaultKind.HTML, FaultKind.STATUS}
_STATUS_CODES = {
    429: ("SEND_TOO_MANY_REQUESTS", "throttled"),
    500: ("REC_SERVER_ERROR", "exception"),
    503: ("PROXY_UNAVAILABLE", "transient"),
    504: ("PROXY_TIMEOUT", "timeout"),
}


@dataclass(frozen=True)
class Exchange:
    """What the sender gets to see, and what happened at the target."""

    status: int | None
    """None when the sender sees the connection end."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    target_statuses: tuple[int, ...] = ()
    fault: str | None = None

    @classmethod
    def answering(cls, resource: Json, ids: Mapping[str, str], *, status: int = 200) -> Exchange:
        """An answer of the proxy itself; echoes the ids (CORE-TI-02)."""
        return cls(status, {"content-type": FHIR_JSON} | _ids(ids), json.dumps(resource).encode())

    @classmethod
    def refusing(cls, refused: RefusedError, ids: Mapping[str, str]) -> Exchange:
        """A refusal of the proxy itself."""
        return cls.answering(refused.outcome(), ids, status=refused.status)

    def response(self) -> Response:
        """The answer, or the end of the connection."""
        if self.status is None:
            return BrokenConnection(reset=self.fault == FaultKind.RESET)
        return Response(self.body, status_code=self.status, headers=dict(self.headers))


class Forwarder:
    """Sends requests to targets, each on a new connection: a target that restarts looks no worse than it is."""

    def __init__(self, *, clock: Clock, timeout: float, injected_codes: Literal["proxy", "receiver"]) -> None:
        self._clock = clock
        self._injected_codes = injected_codes
        self._client = new_client(timeout=timeout, keep_alive=False)

    async def aclose(self) -> None:
        """Closes what is open."""
        await self._client.aclose()

    async def forward(self, request: httpx.Request, *, fault: Fault | None) -> Exchange:
        """Delivers a request as its fault allows."""
        if fault is None:
            return await self._deliver(request)
        if fault.seconds:
            await self._clock.wait(fault.seconds)
        return replace(await self._faulty(request, fault), fault=fault.kind.value)

    async def _faulty(self, request: httpx.Request, fault: Fault) -> Exchange:
        if fault.kind in _UNDELIVERED:
            return _undelivered(fault, request.headers)
        if fault.kind is FaultKind.DUPLICATE:
            return await self._deliver_twice(request, concurrent=fault.concurrent)
        answer = await self._deliver(request)
        if fault.kind is FaultKind.DROP_RESPONSE:
            return Exchange(None, target_statuses=answer.target_statuses)
        return replace(answer, headers=_without_ids(answer.headers)) if fault.kind is FaultKind.STRIP_IDS else answer

    async def _deliver(self, request: httpx.Request) -> Exchange:
        try:
            answer = await self._client.send(request)
        except httpx.TimeoutException:
            return Exchange.refusing(self._slow(), request.headers)
        except httpx.TransportError:
            return Exchange.refusing(self._down(), request.headers)
        kept = {name: answer.headers[name] for name in ("content-type", *INTEGRITY_HEADERS) if name in answer.headers}
        return Exchange(answer.status_code, kept, answer.content, (answer.status_code,))

    async def _deliver_twice(self, request: httpx.Request, *, concurrent: bool) -> Exchange:
        copy = httpx.Request(request.method, request.url, headers=request.headers, content=request.content)
        if concurrent:
            first, second = await asyncio.gather(self._deliver(request), self._deliver(copy))
        else:
            first, second = await self._deliver(request), await self._deliver(copy)
        return replace(first, target_statuses=first.target_statuses + second.target_statuses)

    def _slow(self) -> RefusedError:
        if self._injected_codes == "receiver":
            return RefusedError(408, "REC_TIMEOUT", "timeout", "The connection to the receiver timed out")
        return RefusedError(504, "PROXY_TIMEOUT", "timeout", "The receiver did not answer in time")

    def _down(self) -> RefusedError:
        code = "REC_SERVICE_UNAVAILABLE" if self._injected_codes == "receiver" else "PROXY_UNAVAILABLE"
        return RefusedError(503, code, "transient", "The receiver could not be reached")


def _undelivered(fault: Fault, ids: Mapping[str, str]) -> Exchange:
    """The faults that keep a message from its target."""
    if fault.kind is FaultKind.RESET:
        return Exchange(None)
    if fault.kind is FaultKind.HTML:
        return Exchange(502, {"content-type": "text/html"}, _GATEWAY_PAGE)
    return _error_answer(fault, ids)


def _error_answer(fault: Fault, ids: Mapping[str, str]) -> Exchange:
    if not fault.with_outcome:
        return Exchange(fault.status, _ids(ids))
    code, issue = _STATUS_CODES.get(fault.status, ("PROXY_SERVER_ERROR", "exception"))
    outcome = operation_outcome(status=fault.status, code=code, issue=issue, diagnostics="Injected by the sandbox")
    return Exchange.answering(outcome, ids, status=fault.status)


def _ids(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in INTEGRITY_HEADERS if name in headers}


def _without_ids(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in INTEGRITY_HEADERS}
