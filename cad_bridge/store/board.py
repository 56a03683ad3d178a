"""What the board asks beyond cases and escalations: a cheap "has anything changed", deadlines, and what is stuck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, bindparam, desc, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from cad_bridge.store.claims import event_of, subscriptions
from cad_bridge.store.core_tables import CASES, DEADLINES, EVENTS, OUTBOX
from cad_bridge.store.mapping import stored_case
from cad_bridge.store.queries import ENDED_STATES
from cad_bridge.store.rows import Event, StoredCase, Subscription

_STATE_OF_SERVICES = text(
    """
    SELECT (SELECT coalesce(max(cursor), 0) FROM events WHERE local_service = ANY(:services)) AS cursor,
           (SELECT coalesce(sum(o.attempts), 0) || '/' || count(*) FROM outbox o JOIN cases c ON c.id = o.case_id
             WHERE o.state = 'pending' AND o.attempts > 0 AND c.local_service = ANY(:services)) AS undelivered,
           (SELECT coalesce(string_agg(id || ':' || failures, ' ' ORDER BY id), '') FROM subscriptions
             WHERE failures > 0) AS failing
    """
).bindparams(bindparam("services", type_=ARRAY(Text)))

_STATE_OF_CASE = text(
    """
    SELECT c.version, (SELECT coalesce(max(cursor), 0) FROM events WHERE case_id = c.id) AS cursor,
           (SELECT count(*) FROM messages WHERE case_id = c.id) AS messages,
           (SELECT coalesce(string_agg(state || attempts, ' ' ORDER BY seq), '') FROM outbox WHERE case_id = c.id)
             AS outbox
    FROM cases c WHERE c.id = :case_id
    """
)


async def state_of_services(engine: AsyncEngine, services: Sequence[str]) -> str:
    """A text that differs whenever something has changed that a board of these services shows."""
    async with engine.connect() as connection:
        row = (await connection.execute(_STATE_OF_SERVICES, {"services": list(services)})).one()
        return ".".join(str(part) for part in row)


async def state_of_case(engine: AsyncEngine, case_id: UUID) -> str:
    """A text that differs whenever something has changed that the page of this case shows."""
    async with engine.connect() as connection:
        row = (await connection.execute(_STATE_OF_CASE, {"case_id": case_id})).one_or_none()
        return "" if row is None else ".".join(str(part) for part in row)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmedDeadline:
    """When an armed deadline of a case falls due."""

    case_id: UUID
    kind: str
    due_at: datetime


async def armed_deadlines(engine: AsyncEngine, services: Sequence[str]) -> list[ArmedDeadline]:
    """Every armed deadline of the cases of these services."""
    query = (
        select(DEADLINES.c.case_id, DEADLINES.c.kind, DEADLINES.c.due_at)
        .join(CASES, CASES.c.id == DEADLINES.c.case_id)
        .where(DEADLINES.c.fired_at.is_(None), CASES.c.local_service.in_(services))
    )
    async with engine.connect() as connection:
        return [ArmedDeadline(**row._mapping) for row in await connection.execute(query)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """A message that has been tried and has not arrived."""

    case_id: UUID
    case_number: str
    remote_service: str
    kind: str
    attempts: int
    next_attempt_at: datetime


async def undelivered(engine: AsyncEngine, services: Sequence[str]) -> list[Undelivered]:
    """Messages of the cases of these services that were tried and have not arrived, the oldest first."""
    query = (
        select(
            OUTBOX.c.case_id,
            CASES.c.case_number,
            CASES.c.remote_service,
            OUTBOX.c.kind,
            OUTBOX.c.attempts,
            OUTBOX.c.next_attempt_at,
        )
        .join(CASES, CASES.c.id == OUTBOX.c.case_id)
        .where(OUTBOX.c.state == "pending", OUTBOX.c.attempts > 0, CASES.c.local_service.in_(services))
        .order_by(OUTBOX.c.seq)
    )
    async with engine.connect() as connection:
        return [Undelivered(**row._mapping) for row in await connection.execute(query)]


async def failing_subscriptions(engine: AsyncEngine, services: Sequence[str]) -> list[Subscription]:
    """Webhooks for one of these services whose last try failed."""
    wanted = set(services)
    return [item for item in await subscriptions(engine) if item.failures and wanted & set(item.services)]


async def late_responses(engine: AsyncEngine, case_ids: Sequence[UUID]) -> list[Event]:
    """The responses that came too late, of these cases, oldest first."""
    if not case_ids:
        return []
    query = (
        select(EVENTS).where(EVENTS.c.case_id.in_(case_ids), EVENTS.c.type == "response.late").order_by(EVENTS.c.cursor)
    )
    async with engine.connect() as connection:
        return [event_of(row) for row in await connection.execute(query)]


async def ended_last(engine: AsyncEngine, services: Sequence[str], *, limit: int) -> list[StoredCase]:
    """The cases of these services that ended last, newest first."""
    query = (
        select(CASES)
        .where(CASES.c.local_service.in_(services), CASES.c.state.in_(ENDED_STATES))
        .order_by(desc(CASES.c.updated_at))
        .limit(limit)
    )
    async with engine.connect() as connection:
        return [stored_case(row) for row in await connection.execute(query)]
