"""Which addresses the BaRS side has, and what is answered at the others (CORE-ERR-OUT-01, CORE-ERR-GEN-14)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from cad_bridge.protocol.errors import METHOD_NOT_ALLOWED, NOT_FOUND, NOT_IMPLEMENTED, Fault

PREFIX = "/FHIR/R4"
NO_SUCH_ADDRESS = "There is no such address here; names are written in capitals and small letters as the standard has."

_READ, _WRITTEN = "GET, HEAD", "POST"
_METHODS: Mapping[re.Pattern[str], str] = {
    re.compile(r"/\$process-message/?"): _WRITTEN,
    re.compile(r"/(metadata|MessageDefinition)/?"): _READ,
    re.compile(r"/ServiceRequest/_search"): _WRITTEN,
    re.compile(r"/ServiceRequest(/[^/]*)?"): _READ,
}
_NOT_BUILT = frozenset({"Slot", "Appointment", "Schedule", "DocumentReference"})


def methods_at(path: str) -> str | None:
    """The methods of an address under `PREFIX`, as the Allow header lists them; None where there is no such address."""
    inside = path.removeprefix(PREFIX)
    return next((methods for pattern, methods in _METHODS.items() if pattern.fullmatch(inside)), None)


def fault_at(path: str) -> Fault:
    """What a call has run into that no route takes: a method, another application, or nothing at all."""
    if methods_at(path) is not None:
        return METHOD_NOT_ALLOWED
    first = path.removeprefix(PREFIX).strip("/").partition("/")[0]
    return NOT_IMPLEMENTED if first in _NOT_BUILT else NOT_FOUND


class HeadIsGet:
    """HEAD is answered as GET at every address that is read; the server leaves the body away (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on. The server keeps the scope that it made: by that it knows that no body is sent."""
        if scope["type"] == "http" and scope["method"] == "HEAD" and methods_at(scope["path"]) == _READ:
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
