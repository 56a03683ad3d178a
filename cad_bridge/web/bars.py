"""The BaRS side at `/FHIR/R4`: what remote systems post to us.

Bytes are kept before anything is made of them, every answer carries both ids, and every error is an OperationOutcome.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cad_bridge.engine.receiving import Arrival, Receiver
from cad_bridge.engine.verdicts import AnswerWindow, Reply
from cad_bridge.protocol.errors import FORBIDDEN, METHOD_NOT_ALLOWED, NOT_FOUND, SERVER_ERROR, TIMEOUT, Refused
from cad_bridge.protocol.headers import given_ids, read_headers
from cad_bridge.web.context import InboundProxy, WebContext, context_of

log = logging.getLogger(__name__)

PREFIX = "/FHIR/R4"
router = APIRouter(prefix=PREFIX, tags=["bars"])

MEDIA_TYPE = "application/fhir+json"
PROXY_HEADERS = frozenset({"authorization", "cookie"})
"""Never kept with a message: they are secrets of the transport."""

_running: set[asyncio.Task[Reply]] = set()


@router.post(
    "/$process-message",
    response_class=Response,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {MEDIA_TYPE: {"schema": {"type": "object", "required": ["resourceType"]}}},
        },
        "responses": {"200": {"description": "The message was processed; the body mirrors it"}},
    },
)
async def process_message(request: Request) -> Response:
    """Take a request, an update, a cancellation or a response."""
    context, receiver = context_of(request), receiver_of(request)
    raw = await request.body()
    ids = given_ids(request.headers)
    headers = read_headers(request.headers, method="POST")
    message_id = await receiver.keep(
        raw,
        headers=_kept(request.headers),
        request_id=None if isinstance(headers, Refused) else headers.request_id,
        correlation_id=None if isinstance(headers, Refused) else headers.correlation_id,
    )
    if not may_call(context, request):
        return await _turned_away(receiver, message_id, receiver.plain(FORBIDDEN), ids)
    if isinstance(headers, Refused):
        return await _turned_away(receiver, message_id, receiver.refuse(headers), ids)
    arrival = Arrival(message_id=message_id, raw=raw, headers=headers)
    reply = await _within_time(receiver, arrival, seconds=context.answer_within)
    return respond(reply, ids)


async def _turned_away(receiver: Receiver, message_id: Any, reply: Reply, ids: Mapping[str, str]) -> Response:
    await receiver.settle(message_id, reply)
    return respond(reply, ids)


async def _within_time(receiver: Receiver, arrival: Arrival, *, seconds: float) -> Reply:
    """The verdict, or 408 after `seconds` while the work goes on (CORE-TI-25, CORE-TI-26)."""
    window = AnswerWindow()
    work = asyncio.create_task(_processed(receiver, arrival, window))
    _running.add(work)
    work.add_done_callback(_running.discard)
    # Shielded: a sender that hangs up must not tear down work whose verdict it will ask for again.
    done, _ = await asyncio.wait({work}, timeout=seconds)
    if not done and not window.committing:
        window.expired = True
        return receiver.plain(TIMEOUT)
    return await asyncio.shield(work)


async def _processed(receiver: Receiver, arrival: Arrival, window: AnswerWindow) -> Reply:
    try:
        return await receiver.process(arrival, window)
    except Exception:
        # Rolled back: the id is free again and a retry is processed anew. The bytes are kept.
        log.exception("a message could not be processed", extra={"message_id": str(arrival.message_id)})
        reply = receiver.plain(SERVER_ERROR)
        await receiver.settle(arrival.message_id, reply)
        return reply


def respond(reply: Reply, ids: Mapping[str, str]) -> Response:
    """A BaRS answer: both ids echoed as they were given (CORE-TI-02)."""
    return Response(reply.body, status_code=reply.status, media_type=MEDIA_TYPE, headers=dict(ids))


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in PROXY_HEADERS}


def receiver_of(request: Request) -> Receiver:
    """The receiver of the application that serves a request."""
    receiver: Receiver = request.app.state.receiver
    return receiver


def may_call(context: WebContext, request: Request) -> bool:
    """Without `[bars.inbound]` only this machine; with it, only what its proxy vouches for (DESIGN section 5)."""
    host = request.client.host if request.client else ""
    if context.inbound is None:
        return is_loopback(host)
    return vouched_for(context.inbound, host, request.headers)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    return host in {"::1", "localhost"} or host.startswith("127.") or host.startswith("::ffff:127.")


def vouched_for(proxy: InboundProxy, host: str, headers: Mapping[str, str]) -> bool:
    """Whether the named proxy says that a client certificate on the allow-list was shown."""
    return (
        host == proxy.address
        and headers.get(proxy.certificate_header) == proxy.certificate_value
        and headers.get(proxy.subject_header) in proxy.subjects
    )


def fhir_error(request: Request, status: int) -> Response | None:
    """405, 404 and the like under `/FHIR/R4` as an OperationOutcome; None for other paths."""
    if not request.url.path.startswith(router.prefix):
        return None
    receiver = receiver_of(request)
    fault = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED}.get(status, SERVER_ERROR)
    return respond(receiver.plain(fault), given_ids(request.headers))
