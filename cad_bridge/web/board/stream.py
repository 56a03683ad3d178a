"""`/board/stream`: a tick at least every few seconds, and at once when something has changed.

A tick carries the server's time and the version of what should be shown, never the content: a board whose own version
differs fetches it, so a lost tick loses nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from cad_bridge.store import board, queries
from cad_bridge.web.board.pages import PREFIX
from cad_bridge.web.board.presenters.moments import iso
from cad_bridge.web.board.state import Context, State, viewer_of
from cad_bridge.web.context import WebContext

router = APIRouter(prefix=PREFIX)

POLL_SECONDS = 1.0
"""How long a stream waits for a notification before it looks by itself."""
TICK_SECONDS = 3.0
CHECK_SECONDS = 15.0
"""How often a stream makes sure that its session still holds."""


@router.get("/stream")
async def board_stream(request: Request, context: Context, state: State) -> Response:
    """Ticks for the board."""
    viewer = await viewer_of(request)
    if viewer is None:
        return _signed_out()
    services = viewer.user.services
    return _ticking(request, context, lambda: state.watch.version(services))


@router.get("/cases/{case_id:uuid}/stream")
async def case_stream(request: Request, context: Context, case_id: UUID) -> Response:
    """Ticks for the page of one case."""
    viewer = await viewer_of(request)
    if viewer is None:
        return _signed_out()
    if await queries.case_by_id(context.database, case_id, services=viewer.user.services) is None:
        raise HTTPException(404)
    return _ticking(request, context, lambda: board.state_of_case(context.database, case_id))


def _signed_out() -> Response:
    return PlainTextResponse("signed out", 401)


def _ticking(request: Request, context: WebContext, version: Callable[[], Awaitable[str]]) -> Response:
    return EventSourceResponse(_ticks(request, context, version), ping=60)


async def _ticks(
    request: Request, context: WebContext, version: Callable[[], Awaitable[str]]
) -> AsyncIterator[ServerSentEvent]:
    news = asyncio.Event()
    forget = context.on_events(news.set)
    told, ticked, checked = "", 0.0, time.monotonic()
    try:
        while not await request.is_disconnected():
            news.clear()
            current = await version()
            if current != told or time.monotonic() - ticked >= TICK_SECONDS:
                told, ticked = current, time.monotonic()
                yield _tick(context, current)
            if time.monotonic() - checked >= CHECK_SECONDS:
                checked = time.monotonic()
                if await viewer_of(request) is None:
                    yield ServerSentEvent(event="signed-out", data="{}")
                    return
            await _wait(news)
    finally:
        forget()


def _tick(context: WebContext, version: str) -> ServerSentEvent:
    return ServerSentEvent(event="tick", data=orjson.dumps({"now": iso(context.now()), "version": version}).decode())


async def _wait(news: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(news.wait(), POLL_SECONDS)
    except TimeoutError:
        return
