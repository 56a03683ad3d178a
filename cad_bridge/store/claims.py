"""Claims of work whose effect is an HTTP call: leased, done outside any transaction, settled afterwards.

The lease outlives the call's own time-out; when a worker dies, its parcels are free again as soon as it has passed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cad_bridge.store import tables
from cad_bridge.store.core_tables import CASES, EVENTS, MESSAGES, OUTBOX, table_of
from cad_bridge.store.rows import Event, Parcel, Subscription

ATTEMPTS = table_of(tables.AttemptRow)
SUBSCRIPTIONS = table_of(tables.SubscriptionRow)

# Only the oldest pending parcel of a case may go: an update must not overtake the request that it updates.
_CLAIM = text(
    """
    WITH due AS (
        SELECT o.id, o.lease_until IS NOT NULL AS lapsed FROM outbox o
        WHERE o.state = 'pending' AND o.next_attempt_at <= :now
          AND (o.lease_until IS NULL OR o.lease_until <= :now)
          AND NOT EXISTS (
              SELECT 1 FROM outbox e WHERE e.case_id = o.case_id AND e.state = 'pending' AND e.seq < o.seq)
        ORDER BY o.seq LIMIT :limit
        FOR UPDATE SKIP LOCKED)
    UPDATE outbox SET lease_until = :lease_until, leased_by = :node, attempts = attempts + lapsed::int
    FROM due WHERE outbox.id = due.id
    RETURNING outbox.id, outbox.attempts, due.lapsed
    """
)


async def claim_parcels(engine: AsyncEngine, *, node: str, now: datetime, lease: timedelta, limit: int) -> list[Parcel]:
    """Lease up to `limit` due parcels, at most one for each case.

    A lease that has passed means that a worker died over the parcel: what it had sent may have arrived, so that is
    kept as a try of unknown outcome.
    """
    async with engine.begin() as connection:
        values = {"now": now, "lease_until": now + lease, "node": node, "limit": limit}
        claimed = (await connection.execute(_CLAIM, values)).all()
        if not claimed:
            return []
        for row in claimed:
            if row.lapsed:
                await _record_lapse(connection, row.id, number=row.attempts, at=now)
        query = (
            select(OUTBOX, MESSAGES, CASES.c.service_request_id, CASES.c.use_case)
            .join(MESSAGES, MESSAGES.c.id == OUTBOX.c.message_id)
            .join(CASES, CASES.c.id == OUTBOX.c.case_id)
            .where(OUTBOX.c.id.in_([row.id for row in claimed]))
            .order_by(OUTBOX.c.seq)
        )
        return [_parcel(row) for row in await connection.execute(query)]


async def _record_lapse(connection: AsyncConnection, outbox_id: UUID, *, number: int, at: datetime) -> None:
    values = {"id": uuid4(), "outbox_id": outbox_id, "number": number, "at": at, "took_ms": 0.0, "status": None}
    what = "the worker ended before it was settled"
    await connection.execute(insert(ATTEMPTS).values(**values, verdict="unknown", error=what))


def _parcel(row: Any) -> Parcel:
    found = row._mapping
    return Parcel(
        id=found[OUTBOX.c.id],
        case_id=found[OUTBOX.c.case_id],
        message_id=found[OUTBOX.c.message_id],
        kind=found[OUTBOX.c.kind],
        attempts=found[OUTBOX.c.attempts],
        lease_until=found[OUTBOX.c.lease_until],
        created_at=found[OUTBOX.c.created_at],
        body=bytes(found[MESSAGES.c.body]),
        headers=found[MESSAGES.c.headers],
        request_id=found[MESSAGES.c.request_id],
        correlation_id=found[MESSAGES.c.correlation_id],
        local_service=found[MESSAGES.c.local_service],
        remote_service=found[MESSAGES.c.remote_service],
        service_request_id=found[CASES.c.service_request_id],
        use_case=found[CASES.c.use_case],
        checked=found[OUTBOX.c.checked_at] is not None,
    )


async def record_attempt(
    connection: AsyncConnection,
    parcel: Parcel,
    *,
    at: datetime,
    took_ms: float,
    status: int | None,
    verdict: str,
    error: str | None,
) -> None:
    """Keep one try and what it came to."""
    values = {"id": uuid4(), "outbox_id": parcel.id, "number": parcel.attempts + 1, "at": at, "took_ms": took_ms}
    await connection.execute(insert(ATTEMPTS).values(**values, status=status, verdict=verdict, error=error))


async def settle_parcel(
    connection: AsyncConnection, parcel: Parcel, *, state: str, at: datetime, tried: bool = True
) -> bool:
    """The parcel has arrived, was refused for good, or is not wanted any more.

    False where another worker has settled it meanwhile: this one was too slow, and what it learnt changes nothing.
    """
    result = await connection.execute(
        update(OUTBOX)
        .where(OUTBOX.c.id == parcel.id, OUTBOX.c.state == "pending")
        .values(state=state, settled_at=at, attempts=parcel.attempts + tried, lease_until=None, leased_by=None)
    )
    return result.rowcount == 1


async def mark_checked(connection: AsyncConnection, parcel: Parcel, *, at: datetime, body: bytes | None) -> None:
    """The other side was read; `body` is the message made anew on what was read, if it had to be."""
    await connection.execute(update(OUTBOX).where(OUTBOX.c.id == parcel.id).values(checked_at=at))
    if body is not None:
        values = {"body": body, "sha256": sha256(body).hexdigest()}
        await connection.execute(update(MESSAGES).where(MESSAGES.c.id == parcel.message_id).values(**values))


async def postpone_parcel(connection: AsyncConnection, parcel: Parcel, *, next_attempt_at: datetime) -> None:
    """Try again later; nothing happens where the lease has passed and another worker is trying."""
    await connection.execute(
        update(OUTBOX)
        .where(OUTBOX.c.id == parcel.id, OUTBOX.c.state == "pending", OUTBOX.c.lease_until == parcel.lease_until)
        .values(next_attempt_at=next_attempt_at, attempts=parcel.attempts + 1, lease_until=None, leased_by=None)
    )


# --- webhooks --------------------------------------------------------------------------------------


async def add_subscription(engine: AsyncEngine, subscription: Subscription, *, now: datetime) -> None:
    """A new webhook; it gets the events after its cursor."""
    values = {name: getattr(subscription, name) for name in _SUBSCRIPTION} | {"services": list(subscription.services)}
    async with engine.begin() as connection:
        await connection.execute(insert(SUBSCRIPTIONS).values(**values, created_at=now, next_attempt_at=now))


async def subscriptions(engine: AsyncEngine, *, client: str | None = None) -> list[Subscription]:
    """All webhooks, or those of one client."""
    query = select(SUBSCRIPTIONS).order_by(SUBSCRIPTIONS.c.created_at)
    if client is not None:
        query = query.where(SUBSCRIPTIONS.c.client == client)
    async with engine.connect() as connection:
        return [_subscription(row) for row in await connection.execute(query)]


async def remove_subscription(engine: AsyncEngine, id_: UUID, *, client: str) -> bool:
    """End a webhook of a client; False where the client has none of that id."""
    where = (SUBSCRIPTIONS.c.id == id_) & (SUBSCRIPTIONS.c.client == client)
    async with engine.begin() as connection:
        return (await connection.execute(SUBSCRIPTIONS.delete().where(where))).rowcount == 1


async def claim_subscription(engine: AsyncEngine, *, now: datetime, lease: timedelta) -> Subscription | None:
    """Lease one webhook that has events waiting. One worker serves it at a time, which keeps the order."""
    async with engine.begin() as connection:
        row = (await connection.execute(_CLAIM_SUBSCRIPTION, {"now": now, "lease_until": now + lease})).one_or_none()
        return None if row is None else _subscription(row)


_CLAIM_SUBSCRIPTION = text(
    """
    UPDATE subscriptions SET lease_until = :lease_until
    WHERE id = (
        SELECT s.id FROM subscriptions s
        WHERE s.next_attempt_at <= :now AND (s.lease_until IS NULL OR s.lease_until <= :now)
          AND s.cursor < (SELECT value FROM event_cursor WHERE id = 1)
        ORDER BY s.next_attempt_at LIMIT 1
        FOR UPDATE SKIP LOCKED)
    RETURNING *
    """
)


async def events_for(engine: AsyncEngine, subscription: Subscription, *, limit: int) -> list[tuple[Event, str]]:
    """The next events after the cursor of a webhook with their local service, those not meant for it included."""
    query = select(EVENTS).where(EVENTS.c.cursor > subscription.cursor).order_by(EVENTS.c.cursor).limit(limit)
    async with engine.connect() as connection:
        return [(event_of(row), row.local_service) for row in await connection.execute(query)]


async def settle_subscription(
    engine: AsyncEngine, id_: UUID, *, cursor: int, failures: int, error: str | None, next_at: datetime, now: datetime
) -> None:
    """Move the cursor of a webhook behind what it has taken, and say when to go on."""
    values: dict[str, Any] = {
        "cursor": cursor,
        "failures": failures,
        "last_error": error,
        "next_attempt_at": next_at,
        "lease_until": None,
    }
    if error is None:
        values["last_success_at"] = now
    async with engine.begin() as connection:
        await connection.execute(update(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == id_).values(**values))


_SUBSCRIPTION = (
    "id",
    "client",
    "url",
    "secret",
    "tier",
    "services",
    "cursor",
    "failures",
    "last_error",
    "last_success_at",
)


def _subscription(row: Any) -> Subscription:
    values = {name: getattr(row, name) for name in _SUBSCRIPTION}
    return Subscription(**values | {"services": tuple(values["services"])})


def event_of(row: Any) -> Event:
    """The event that a row of `events` holds."""
    names = ("cursor", "id", "type", "at", "case_id", "case", "data", "rule", "by")
    return Event(**{name: row._mapping[name] for name in names})
