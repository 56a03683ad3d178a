"""The event log: polled with a cursor, streamed, or pushed to webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from secrets import token_urlsafe
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query, Request
from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from cad_bridge.store import claims, queries
from cad_bridge.store.rows import Subscription
from cad_bridge.web.context import WebContext
from cad_bridge.web.local.access import Context, Reader
from cad_bridge.web.local.questions import Cursor, EventQuestion, StreamQuestion
from cad_bridge.web.local.views import subscription_view
from cad_bridge.web.problems import not_found

router = APIRouter(tags=["events"])

STREAM_BATCH = 200
POLL_SECONDS = 1.0
"""How long a stream waits for a notification before it looks by itself."""


@router.get("/events")
async def events(asked: Annotated[EventQuestion, Query()], context: Context, client: Reader) -> dict[str, Any]:
    """Events behind a cursor. Pass `next` back as `after`: nothing is skipped and nothing comes twice."""
    cursor = int(asked.after or 0)
    found = await queries.events_after(context.database, cursor, limit=asked.limit, services=client.services)
    following = str(found[-1].cursor) if found else str(cursor)
    return {"events": [event.as_contract() for event in found], "next": following}


@router.get("/events/stream")
async def stream(
    request: Request,
    asked: Annotated[StreamQuestion, Query()],
    context: Context,
    client: Reader,
    last_event_id: Annotated[Cursor | None, Header()] = None,
) -> EventSourceResponse:
    """The same events as server-sent events; resumes behind Last-Event-ID."""
    cursor = int(last_event_id if last_event_id is not None else asked.after or 0)
    return EventSourceResponse(_follow(request, context, client.services, cursor), ping=10)


async def _follow(
    request: Request, context: WebContext, services: tuple[str, ...], cursor: int
) -> AsyncIterator[ServerSentEvent]:
    news = asyncio.Event()
    forget = context.on_events(news.set)
    try:
        while not await request.is_disconnected():
            news.clear()
            found = await queries.events_after(context.database, cursor, limit=STREAM_BATCH, services=services)
            for event in found:
                cursor = event.cursor
                data = orjson.dumps(event.as_contract()).decode()
                yield ServerSentEvent(id=str(event.cursor), event=event.type, data=data)
            if not found:
                await _wait(news)
    finally:
        forget()


async def _wait(news: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(news.wait(), POLL_SECONDS)
    except TimeoutError:
        return


class NewSubscription(BaseModel):
    """A webhook: where events are posted to, signed with HMAC-SHA256 under `secret`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: AnyHttpUrl
    secret: str | None = Field(default=None, min_length=16, max_length=200)
    """Made by the service where it is left out; shown in this answer and never again."""
    tier: int = Field(default=0, ge=0, le=9)
    """0: all events. 1 and up: only escalations that nobody has acknowledged and that were repeated so often."""
    after: Cursor | None = None
    """Begin behind this cursor; left out: with what happens from now on."""


@router.post("/subscriptions", status_code=201)
async def subscribe(body: NewSubscription, context: Context, client: Reader) -> dict[str, Any]:
    """Have events posted to a URL."""
    secret = body.secret or token_urlsafe(32)
    start = int(body.after) if body.after is not None else await queries.last_cursor(context.database)
    subscription = Subscription(
        id=context.engine.new_id(),
        client=client.name,
        url=str(body.url),
        secret=secret,
        tier=body.tier,
        services=client.services,
        cursor=start,
        failures=0,
        last_error=None,
        last_success_at=None,
    )
    await claims.add_subscription(context.database, subscription, now=context.now())
    return subscription_view(subscription) | {"secret": secret}


@router.get("/subscriptions")
async def list_subscriptions(context: Context, client: Reader) -> dict[str, Any]:
    """The client's webhooks and how they fare."""
    found = await claims.subscriptions(context.database, client=client.name)
    return {"subscriptions": [subscription_view(item) for item in found]}


@router.delete("/subscriptions/{subscription_id}", status_code=204)
async def unsubscribe(subscription_id: UUID, context: Context, client: Reader) -> None:
    """End a webhook."""
    if not await claims.remove_subscription(context.database, subscription_id, client=client.name):
        raise not_found("subscription")
