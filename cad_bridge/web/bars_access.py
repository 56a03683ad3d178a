"""Who may call the BaRS side, and whether it takes calls at all (CORE-HDR-11, X-20; docs/protocol.md, section 1)."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request

from cad_bridge.protocol.errors import FORBIDDEN, UNAUTHORIZED, UNAVAILABLE, Fault, Refused
from cad_bridge.protocol.headers import RequestHeaders, by_lower_name
from cad_bridge.web.context import InboundProxy, WebContext


def closed(context: WebContext) -> Fault | None:
    """503 during maintenance: nothing of the call is looked at or kept, and its ids stay free."""
    return UNAVAILABLE if context.maintenance else None


def refused_caller(context: WebContext, request: Request, headers: RequestHeaders | Refused) -> Fault | None:
    """403 for a caller whom nobody vouches for, 401 for an organisation that is shut out; None for one who may call.

    Headers that cannot be read name no organisation: they are refused for what they are, by the caller of this.
    """
    if not may_call(context, request):
        return FORBIDDEN
    if context.inbound is None or isinstance(headers, Refused):
        return None
    return None if is_admitted(context.inbound, _organisation(headers)) else UNAUTHORIZED


def may_call(context: WebContext, request: Request) -> bool:
    """Without `[bars.inbound]` only this machine; with it, only what its proxy vouches for."""
    host = request.client.host if request.client else ""
    if context.inbound is None:
        return is_loopback(host)
    return vouched_for(context.inbound, host, by_lower_name(request.headers))


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    return host in {"::1", "localhost"} or host.startswith("127.") or host.startswith("::ffff:127.")


def vouched_for(proxy: InboundProxy, host: str, headers: Mapping[str, str]) -> bool:
    """Whether the named proxy says that a client certificate on the allow-list was shown."""
    return (
        host == proxy.address
        and headers.get(proxy.certificate_header.lower()) == proxy.certificate_value
        and headers.get(proxy.subject_header.lower()) in proxy.subjects
    )


def is_admitted(proxy: InboundProxy, ods_code: str | None) -> bool:
    """Whether an end user organisation may call; one without a name may, unless only named ones may."""
    if proxy.allowed_organisations and ods_code not in proxy.allowed_organisations:
        return False
    return ods_code not in proxy.denied_organisations


def _organisation(headers: RequestHeaders) -> str | None:
    """ODS codes are compared in capitals, as they are issued."""
    found = headers.end_user_organisation
    return found.ods_code.upper() if found is not None and found.ods_code is not None else None
