"""The BaRS side at `/FHIR/R4`: what remote systems post to us.

Bytes are kept before anything is made of them, every answer carries both ids, and every error is an OperationOutcome.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from cad_bridge.engine.receiving import Arrival, Receiver
from cad_bridge.engine.verdicts import AnswerWindow, Reply
from cad_bridge.protocol.errors import (
    NO_STORE,
    NOT_FOUND,
    SERVER_ERROR,
    STRUCTURE,
    TIMEOUT,
    TOO_COSTLY,
    Fault,
    Refused,
)
from cad_bridge.protocol.headers import RequestHeaders, by_lower_name, given_ids, read_headers
from cad_bridge.store.failures import StorageError
from cad_bridge.web.bars_access import closed, refused_caller
from cad_bridge.web.bars_addresses import NO_SUCH_ADDRESS, PREFIX, fault_at, methods_at
from cad_bridge.web.context import context_of

log = logging.getLogger(__name__)


class BarsRoute(APIRoute):
    """A route whose every failure is an OperationOutcome with both ids, the database's included (CORE-WF-07)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, guarded."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            shut = closed(context_of(request))
            if shut is not None:
                return refuse_plainly(request, shut)
            try:
                return await handle(request)
            except HTTPException:
                raise
            except StorageError:
                log.exception("the database failed a BaRS call", extra={"path": request.url.path})
                return refuse_plainly(request, NO_STORE)
            except Exception:
                log.exception("a BaRS call failed", extra={"path": request.url.path})
                return refuse_plainly(request, SERVER_ERROR)

        return guarded


router = APIRouter(prefix=PREFIX, tags=["bars"], route_class=BarsRoute)

MEDIA_TYPE = "application/fhir+json"
MAX_BODY_BYTES = 10 * 1024 * 1024
TOO_LARGE = "The body is larger than 10 MB."
PROXY_HEADERS = frozenset({"authorization", "cookie"})
"""Never kept with a message: they are secrets of the transport."""

_running: set[asyncio.Task[Reply]] = set()


@router.post("/$process-message/", response_class=Response, include_in_schema=False)
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
    raw = await read_body(request)
    if raw is None:
        return refuse_plainly(request, TOO_COSTLY, TOO_LARGE)
    headers = read_headers(request.headers, method="POST")
    fault = refused_caller(context, request, headers)
    window = AnswerWindow()
    work = _taken(receiver, raw, headers, kept=_kept(request.headers), fault=fault, window=window)
    reply = await _within_time(receiver, work, window, seconds=context.answer_within)
    return respond(reply, given_ids(request.headers))


async def _taken(
    receiver: Receiver,
    raw: bytes,
    headers: RequestHeaders | Refused,
    *,
    kept: Mapping[str, str],
    fault: Fault | None,
    window: AnswerWindow,
) -> Reply:
    """Keep the bytes, then refuse the caller or process the message."""
    message_id = await receiver.keep(
        raw,
        headers=kept,
        request_id=None if isinstance(headers, Refused) else headers.request_id,
        correlation_id=None if isinstance(headers, Refused) else headers.correlation_id,
    )
    if fault is not None:
        return await _turned_away(receiver, message_id, receiver.plain(fault))
    if isinstance(headers, Refused):
        return await _turned_away(receiver, message_id, receiver.refuse(headers))
    reply = await _processed(receiver, Arrival(message_id=message_id, raw=raw, headers=headers), window)
    _log_fault_of_sender(headers, message_id, reply)
    return reply


async def _turned_away(receiver: Receiver, message_id: UUID, reply: Reply) -> Reply:
    await receiver.settle(message_id, reply)
    return reply


def _log_fault_of_sender(headers: RequestHeaders, message_id: UUID, reply: Reply) -> None:
    """Who sends what has to be refused, for whoever looks after the connection (CORE-ERR-15)."""
    if not 400 <= reply.status < 500:
        return
    organisation, software = headers.end_user_organisation, headers.requesting_software
    log.warning(
        "a message was refused",
        extra={
            "message_id": str(message_id),
            "status": reply.status,
            "rules": sorted({issue.rule for issue in reply.issues}),
            "organisation": organisation.ods_code if organisation is not None else None,
            "software": (software.name, software.version) if software is not None else None,
        },
    )


async def read_body(request: Request, *, at_most: int = MAX_BODY_BYTES) -> bytes | None:
    """The body; None as soon as it is longer than what is asked here can be, whatever length was announced."""
    parts, length = [], 0
    async for part in request.stream():
        parts.append(part)
        length += len(part)
        if length > at_most:
            return None
    return b"".join(parts)


async def _within_time(
    receiver: Receiver, taken: Coroutine[Any, Any, Reply], window: AnswerWindow, *, seconds: float
) -> Reply:
    """The verdict, or 408 after `seconds` while the work goes on (CORE-TI-25, CORE-TI-26).

    The time runs from the last byte of the message, so that a store that is slow to keep it counts as well.
    """
    work = asyncio.create_task(taken)
    _running.add(work)
    work.add_done_callback(_running.discard)
    # Shielded: a sender that hangs up must not tear down work whose verdict it will ask for again.
    done, _ = await asyncio.wait({work}, timeout=seconds)
    if not done and not window.committing:
        window.expired = True
        work.add_done_callback(_log_failure)
        return receiver.plain(TIMEOUT)
    return await asyncio.shield(work)


def _log_failure(work: asyncio.Task[Reply]) -> None:
    """Nobody waits for this work any more: its failure frees the id, and is seen here only."""
    if not work.cancelled() and (error := work.exception()) is not None:
        log.error("a message could not be kept after its sender had been told to wait", exc_info=error)


async def _processed(receiver: Receiver, arrival: Arrival, window: AnswerWindow) -> Reply:
    try:
        return await receiver.process(arrival, window)
    except Exception as error:
        # Rolled back: the id is free again and a retry is processed anew. The bytes are kept.
        log.exception("a message could not be processed", extra={"message_id": str(arrival.message_id)})
        reply = receiver.plain(NO_STORE if isinstance(error, StorageError) else SERVER_ERROR)
        await _settle_if_possible(receiver, arrival, reply)
        return reply


async def _settle_if_possible(receiver: Receiver, arrival: Arrival, reply: Reply) -> None:
    try:
        await receiver.settle(arrival.message_id, reply)
    except StorageError:
        # The sender is told all the same; the message stays in the store without a verdict, which is what happened.
        log.exception("a verdict could not be noted", extra={"message_id": str(arrival.message_id)})


def respond(reply: Reply, ids: Mapping[str, str]) -> Response:
    """A BaRS answer: both ids echoed as they were given (CORE-TI-02)."""
    return Response(reply.body, status_code=reply.status, media_type=MEDIA_TYPE, headers=dict(ids))


def refuse_plainly(request: Request, fault: Fault, diagnostics: str | None = None) -> Response:
    """A fault that is about no element of a message, as a BaRS answer."""
    return respond(receiver_of(request).plain(fault, diagnostics), given_ids(request.headers))


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in by_lower_name(headers).items() if name not in PROXY_HEADERS}


def receiver_of(request: Request) -> Receiver:
    """The receiver of the application that serves a request."""
    receiver: Receiver = request.app.state.receiver
    return receiver


def refuse_address(request: Request) -> Response:
    """405 with the methods that there are, 501 for other applications, 404 for what is nothing."""
    path = request.url.path
    fault, methods = fault_at(path), methods_at(path)
    response = refuse_plainly(request, fault, NO_SUCH_ADDRESS if fault is NOT_FOUND else None)
    if methods is not None:
        response.headers["Allow"] = methods
    return response


def fhir_error(request: Request, status: int) -> Response | None:
    """405, 404 and the like under `/FHIR/R4` as an OperationOutcome; None for other paths."""
    if not request.url.path.startswith(router.prefix):
        return None
    if status in {404, 405}:
        return refuse_address(request)
    if status == 413:
        return refuse_plainly(request, TOO_COSTLY, TOO_LARGE)
    return refuse_plainly(request, STRUCTURE if status < 500 else SERVER_ERROR)
