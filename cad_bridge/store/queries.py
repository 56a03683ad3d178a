"""Read queries. They take no locks and see only what has been committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, nulls_last, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cad_bridge.store import tables
from cad_bridge.store.claims import ATTEMPTS, event_of
from cad_bridge.store.core_tables import CASES, DEADLINES, ESCALATIONS, EVENTS, MESSAGES, OUTBOX, table_of
from cad_bridge.store.due import ARMED, early_deadlines
from cad_bridge.store.mapping import stored_case
from cad_bridge.store.rows import Escalation, Event, StoredCase, StoredMessage

HELD = table_of(tables.HeldRequestRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """What a list of cases is narrowed to. `services` is what the caller may see; None means all."""

    services: Sequence[str] | None = None
    state: str | None = None
    use_case: str | None = None
    side: str | None = None
    due_before: datetime | None = None
    q: str | None = None
    """A case number, ours or the other side's, or a part of one."""
    open_only: bool = False
    limit: int = 200


ENDED_STATES = ("completed", "cancelled", "closed", "dispatched", "handed_over", "rejected", "finished")

HELD_ELSEWHERE = ("sent", "pending", "accepted", "in_progress", "handed_over")
"""States of a request of ours that another service has or is about to have."""


_due = func.coalesce(CASES.c.breach_at, CASES.c.answer_by, CASES.c.needed_by, CASES.c.dispatch_by)


async def case_by_id(engine: AsyncEngine, case_id: UUID, *, services: Sequence[str] | None = None) -> StoredCase | None:
    """One case, if the caller may see it."""
    query = _visible(select(CASES).where(CASES.c.id == case_id), services)
    async with engine.connect() as connection:
        row = (await connection.execute(query)).one_or_none()
        return None if row is None else stored_case(row)


async def list_cases(engine: AsyncEngine, wanted: CaseFilter) -> list[StoredCase]:
    """Cases by the time at which something is due: breach, call-back, answer or dispatch; those without one last."""
    query = _visible(select(CASES), wanted.services)
    for column, value in (
        (CASES.c.state, wanted.state),
        (CASES.c.use_case, wanted.use_case),
        (CASES.c.side, wanted.side),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.due_before is not None:
        query = query.where(_due < wanted.due_before)
    if wanted.open_only:
        query = query.where(CASES.c.state.not_in(ENDED_STATES))
    if wanted.q:
        like = f"%{_escaped(wanted.q)}%"
        query = query.where(or_(CASES.c.case_number.ilike(like), CASES.c.remote_case_number.ilike(like)))
    query = query.order_by(nulls_last(_due), CASES.c.created_at, CASES.c.id).limit(wanted.limit)
    async with engine.connect() as connection:
        return [stored_case(row) for row in await connection.execute(query)]


def _escaped(q: str) -> str:
    return q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _visible(query: Select[Any], services: Sequence[str] | None) -> Select[Any]:
    return query if services is None else query.where(CASES.c.local_service.in_(services))


async def events_after(
    engine: AsyncEngine,
    cursor: int,
    *,
    limit: int,
    services: Sequence[str] | None = None,
    case_id: UUID | None = None,
) -> list[Event]:
    """Events behind a cursor, in the order of the commits."""
    query = select(EVENTS).where(EVENTS.c.cursor > cursor).order_by(EVENTS.c.cursor).limit(limit)
    if services is not None:
        query = query.where(EVENTS.c.local_service.in_(services))
    if case_id is not None:
        query = query.where(EVENTS.c.case_id == case_id)
    async with engine.connect() as connection:
        return [event_of(row) for row in await connection.execute(query)]


async def last_cursor(engine: AsyncEngine) -> int:
    """The newest cursor given out and committed."""
    async with engine.connect() as connection:
        value: int = (await connection.execute(text("SELECT value FROM event_cursor WHERE id = 1"))).scalar_one()
        return value


async def messages_of(engine: AsyncEngine, case_id: UUID) -> list[StoredMessage]:
    """Every message of a case in and out, oldest first."""
    query = select(MESSAGES).where(MESSAGES.c.case_id == case_id).order_by(MESSAGES.c.at, MESSAGES.c.id)
    async with engine.connect() as connection:
        return [message_of(row) for row in await connection.execute(query)]


def message_of(row: Any) -> StoredMessage:
    """The message that a row of `messages` holds."""
    found = row._mapping
    names = ("id", "direction", "at", "kind", "case_id", "request_id", "correlation_id", "bundle_id", "headers")
    return StoredMessage(
        **{name: found[name] for name in names},
        body=bytes(found["body"]),
        sha256=found["sha256"],
        status=found["status"],
        answer=None if found["answer"] is None else bytes(found["answer"]),
        issues=tuple(found["issues"]),
    )


async def message_body(connection: AsyncConnection, *, case_id: UUID, kind: str) -> bytes | None:
    """The bytes of the newest message of a kind in a case."""
    query = (
        select(MESSAGES.c.body)
        .where(MESSAGES.c.case_id == case_id, MESSAGES.c.kind == kind)
        .order_by(MESSAGES.c.at.desc())
        .limit(1)
    )
    body = (await connection.execute(query)).scalar_one_or_none()
    return None if body is None else bytes(body)


async def bundle_was_sent(connection: AsyncConnection, *, bundle_id: str) -> bool:
    """Whether a message of ours had that Bundle.id."""
    query = select(MESSAGES.c.id).where(MESSAGES.c.bundle_id == bundle_id, MESSAGES.c.direction == "out").limit(1)
    return (await connection.execute(query)).scalar_one_or_none() is not None


async def held_request(connection: AsyncConnection, case_id: UUID) -> bytes | None:
    """The request of a case as it stands."""
    query = select(HELD.c.body).where(HELD.c.case_id == case_id)
    body = (await connection.execute(query)).scalar_one_or_none()
    return None if body is None else bytes(body)


async def escalations(
    engine: AsyncEngine,
    *,
    case_id: UUID | None = None,
    open_only: bool = False,
    services: Sequence[str] | None = None,
) -> list[Escalation]:
    """Escalations, the oldest open ones first."""
    query = select(ESCALATIONS).order_by(ESCALATIONS.c.raised_at, ESCALATIONS.c.id)
    if case_id is not None:
        query = query.where(ESCALATIONS.c.case_id == case_id)
    if open_only:
        query = query.where(ESCALATIONS.c.acknowledged_at.is_(None))
    if services is not None:
        query = query.join(CASES, CASES.c.id == ESCALATIONS.c.case_id).where(CASES.c.local_service.in_(services))
    names = list(Escalation.__dataclass_fields__)
    async with engine.connect() as connection:
        return [Escalation(**{n: row._mapping[n] for n in names}) for row in await connection.execute(query)]


async def deadlines_of(engine: AsyncEngine, case_id: UUID) -> list[dict[str, Any]]:
    """The armed deadlines of a case: kind and due time."""
    query = (
        select(DEADLINES.c.kind, DEADLINES.c.due_at)
        .where(DEADLINES.c.case_id == case_id, DEADLINES.c.fired_at.is_(None))
        .order_by(DEADLINES.c.due_at)
    )
    async with engine.connect() as connection:
        return [dict(row._mapping) for row in await connection.execute(query)]


async def due_cases(engine: AsyncEngine, *, now: datetime, limit: int, passing_over: Sequence[UUID]) -> list[UUID]:
    """Up to `limit` cases with something due, the earliest first, whether or not they can be read."""
    early = early_deadlines(now=now, passing_over=passing_over).subquery()
    query = select(early.c.case_id).group_by(early.c.case_id).order_by(func.min(early.c.due_at)).limit(limit)
    async with engine.connect() as connection:
        return list((await connection.execute(query)).scalars())


async def next_due(engine: AsyncEngine, *, passing_over: Sequence[UUID] = ()) -> datetime | None:
    """When the next armed deadline falls due."""
    query = select(func.min(DEADLINES.c.due_at)).where(ARMED)
    if passing_over:
        query = query.where(DEADLINES.c.case_id.not_in(passing_over))
    async with engine.connect() as connection:
        due: datetime | None = (await connection.execute(query)).scalar_one()
        return due


async def open_twin(
    connection: AsyncConnection,
    *,
    local_service: str,
    use_case: str,
    case_number: str,
    remote_service: str | None = None,
) -> UUID | None:
    """An open requester case of the same CAD case and use case (and receiver, if one is given), if there is one."""
    query = select(CASES.c.id).where(
        CASES.c.side == "requester",
        CASES.c.local_service == local_service,
        CASES.c.use_case == use_case,
        CASES.c.case_number == case_number,
        CASES.c.state.in_(HELD_ELSEWHERE),
    )
    if remote_service is not None:
        query = query.where(CASES.c.remote_service == remote_service)
    found: UUID | None = (await connection.execute(query.limit(1))).scalar_one_or_none()
    return found


async def cases_of_request(
    connection: AsyncConnection, *, bundle_id: str, local_service: str | None = None
) -> list[StoredCase]:
    """Requester cases whose conversation knows this Bundle.id, sent or received (X-12, CORE-MH-18)."""
    named = select(MESSAGES.c.case_id).where(MESSAGES.c.bundle_id == bundle_id, MESSAGES.c.case_id.is_not(None))
    query = select(CASES).where(
        CASES.c.side == "requester", or_(CASES.c.request_bundle_id == bundle_id, CASES.c.id.in_(named))
    )
    if local_service is not None:
        query = query.where(CASES.c.local_service == local_service)
    return [stored_case(row) for row in await connection.execute(query.order_by(CASES.c.created_at.desc()))]


async def responder_cases(
    connection: AsyncConnection,
    *,
    local_service: str,
    remote_service: str,
    service_request_id: str | None,
    correlation_id: str,
    full_url: str | None,
) -> list[StoredCase]:
    """Received cases that a later message may mean, best kind of match first (decision 7).

    By the id that we issued, else by correlation id and fullUrl, else by a fullUrl among the cases of the same two
    services. Only the first kind that finds anything counts.
    """
    scope = and_(
        CASES.c.side == "responder",
        CASES.c.local_service == local_service,
        CASES.c.remote_service == remote_service,
    )
    by_id = CASES.c.service_request_id == service_request_id
    by_url = CASES.c.service_request_full_url == full_url
    kind = case((by_id, 1), (CASES.c.correlation_id == correlation_id, 2), else_=3)
    place = func.rank().over(order_by=kind).label("place")
    matches = select(CASES.c.id, place).where(scope, or_(by_id, by_url)).subquery()
    best = select(matches.c.id).where(matches.c.place == 1)
    query = select(CASES).where(CASES.c.id.in_(best)).order_by(CASES.c.created_at.desc())
    return [stored_case(row) for row in await connection.execute(query)]


async def case_of_service_request(engine: AsyncEngine, service_request_id: str) -> StoredCase | None:
    """The received case behind a ServiceRequest id that we issued."""
    async with engine.connect() as connection:
        return await case_with_issued_id(connection, service_request_id)


async def case_with_issued_id(connection: AsyncConnection, service_request_id: str) -> StoredCase | None:
    """The same, in a transaction."""
    query = select(CASES).where(CASES.c.side == "responder", CASES.c.service_request_id == service_request_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else stored_case(row)


async def cases_asked_of(connection: AsyncConnection, *, remote_service: str, correlation_id: str) -> list[UUID]:
    """Cases of ours that a service was asked about in a conversation."""
    query = select(CASES.c.id).where(
        CASES.c.side == "requester",
        CASES.c.remote_service == remote_service,
        CASES.c.correlation_id == correlation_id,
    )
    return list((await connection.execute(query)).scalars())


async def responder_cases_of(
    engine: AsyncEngine,
    *,
    patient: tuple[str, str] | None,
    request: tuple[str | None, str] | None,
    service: str | None,
) -> list[StoredCase]:
    """Received cases of a patient (system and value of an identifier), or with an identifier of the request."""
    query = select(CASES).where(CASES.c.side == "responder").order_by(CASES.c.created_at.desc()).limit(200)
    if service is not None:
        query = query.where(CASES.c.local_service == service)
    if patient is not None:
        query = query.where(_is_patient(*patient))
    if request is not None:
        query = query.where(or_(CASES.c.service_request_id == request[1], CASES.c.remote_case_number == request[1]))
    async with engine.connect() as connection:
        return [stored_case(row) for row in await connection.execute(query)]


def _is_patient(system: str, value: str) -> ColumnElement[bool]:
    known = CASES.c.content["patient"]
    local = and_(
        known["local_identifier"]["value"].astext == value, known["local_identifier"]["system"].astext == system
    )
    if system.lower().endswith("/nhs-number"):
        return or_(known["nhs_number"]["value"].astext == value, local)
    return local


async def request_was_withdrawn(engine: AsyncEngine, case_id: UUID) -> bool:
    """Whether the request of a case was taken back before anybody tried to send it."""
    query = select(OUTBOX.c.id).where(
        OUTBOX.c.case_id == case_id,
        OUTBOX.c.kind == "request",
        OUTBOX.c.state == "withdrawn",
        OUTBOX.c.id.not_in(select(ATTEMPTS.c.outbox_id)),
    )
    async with engine.connect() as connection:
        return (await connection.execute(query)).first() is not None


async def delivery_of(engine: AsyncEngine, case_id: UUID) -> list[dict[str, Any]]:
    """Outbox rows of a case with their tries, for the board and the API."""
    query = select(OUTBOX).where(OUTBOX.c.case_id == case_id).order_by(OUTBOX.c.seq)
    tries = (
        select(ATTEMPTS)
        .join(OUTBOX, OUTBOX.c.id == ATTEMPTS.c.outbox_id)
        .where(OUTBOX.c.case_id == case_id)
        .order_by(ATTEMPTS.c.at)
    )
    async with engine.connect() as connection:
        parcels = [dict(row._mapping) for row in await connection.execute(query)]
        attempts = [dict(row._mapping) for row in await connection.execute(tries)]
    return [parcel | {"tries": [item for item in attempts if item["outbox_id"] == parcel["id"]]} for parcel in parcels]
