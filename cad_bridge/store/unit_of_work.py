"""The unit of work: the only commit in the service.

Everything is read under the lock of the case, decided in memory, and written in one go at `commit`. Rolls back unless
committed. Locks are always taken in the same order (request id, cases, event cursor), so they cannot deadlock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import datetime
from hashlib import sha256
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Table, and_, bindparam, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cad_bridge.store import tables
from cad_bridge.store.due import ARMED, early_deadlines
from cad_bridge.store.mapping import case_values, snapshot, stored_case
from cad_bridge.store.rows import Deadline, Loaded, NewMessage, Receipt, StoredCase
from cad_bridge.workflow.case import EscalationFacts
from cad_bridge.workflow.vocabulary import DeadlineKind, MessageKind

log = logging.getLogger(__name__)


def table_of(row_class: type[Any]) -> Table:
    """The Core table of a table class."""
    table: Table = row_class.__table__
    return table


CASES = table_of(tables.CaseRow)
MESSAGES = table_of(tables.MessageRow)
RECEIPTS = table_of(tables.ReceiptRow)
DEADLINES = table_of(tables.DeadlineRow)
ESCALATIONS = table_of(tables.EscalationRow)
EVENTS = table_of(tables.EventRow)
OUTBOX = table_of(tables.OutboxRow)
IDEMPOTENCY = table_of(tables.IdempotencyRow)

NOTIFY_CHANNEL = "cad_bridge"


class UnitOfWork:
    """One transaction. Use as ``async with UnitOfWork(engine) as work: ...; await work.commit()``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writes: dict[str, list[dict[str, Any]]] = {}
        self._cases: dict[UUID, StoredCase] = {}
        self._new_cases: set[UUID] = set()
        self._disarmed: list[dict[str, Any]] = []
        self._withdrawn: list[dict[str, Any]] = []
        self._topics: set[str] = set()
        self._committing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._connection: AsyncConnection = await self._engine.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self._end())

    async def _end(self) -> None:
        """Give the connection back, never in the middle of a commit. Closing rolls back what was not committed."""
        try:
            if self._committing is not None and not self._committing.done():
                await self._finish_unattended(self._committing)
        finally:
            await self._connection.close()

    async def _finish_unattended(self, commit: asyncio.Task[None]) -> None:
        await asyncio.wait({commit})
        if not commit.cancelled() and (error := commit.exception()) is not None:
            log.error("a commit failed whose caller had been cancelled", exc_info=error)

    # --- locks and reads ---------------------------------------------------------------------------

    async def try_request_lock(self, request_id: str) -> bool:
        """Take the lock that stands for "this X-Request-Id is being worked on"; it ends with the transaction."""
        query = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
        return bool((await self._connection.execute(query, {"key": request_id})).scalar_one())

    async def lock_cases(self, ids: Iterable[UUID]) -> dict[UUID, Loaded]:
        """Lock cases (in the order of their ids) and load what a decision needs."""
        query = select(CASES).where(CASES.c.id.in_(list(ids))).order_by(CASES.c.id).with_for_update()
        return await self._load([stored_case(row) for row in await self._connection.execute(query)])

    async def lock_case(self, case_id: UUID) -> Loaded | None:
        """Lock one case, or None where there is no such case."""
        return (await self.lock_cases([case_id])).get(case_id)

    async def claim_due(
        self, *, now: datetime, limit: int, passing_over: Iterable[UUID] = (), only: UUID | None = None
    ) -> tuple[dict[UUID, Loaded], list[Deadline]]:
        """Lock up to `limit` cases with a deadline at or before `now`, passing over those that another node holds.

        The cases are locked, not the deadlines: every other writer locks the case first, too. `only` narrows it down
        to one case.
        """
        early = early_deadlines(now=now, passing_over=passing_over, only=only).limit(limit * 4).subquery()
        query = (
            select(CASES).where(CASES.c.id.in_(select(early.c.case_id))).limit(limit).with_for_update(skip_locked=True)
        )
        loaded = await self._load([stored_case(row) for row in await self._connection.execute(query)])
        claimed = [item for found in loaded.values() for item in found.deadlines if item.due_at <= now]
        return loaded, sorted(claimed, key=lambda item: (item.due_at, item.kind))

    async def _load(self, cases: list[StoredCase]) -> dict[UUID, Loaded]:
        ids = [stored.id for stored in cases]
        if not ids:
            return {}
        deadlines = await self._deadlines(ids)
        escalations = await self._escalations(ids)
        self._cases |= {stored.id: stored for stored in cases}
        return {
            stored.id: Loaded(
                stored=stored,
                deadlines=tuple(item for item in deadlines if item.case_id == stored.id),
                escalation_keys=frozenset(key for case_id, key, _ in escalations if case_id == stored.id),
                escalations=tuple(facts for case_id, _, facts in escalations if case_id == stored.id),
            )
            for stored in cases
        }

    async def _deadlines(self, ids: list[UUID]) -> list[Deadline]:
        query = select(DEADLINES).where(DEADLINES.c.case_id.in_(ids), ARMED)
        return [
            Deadline(
                id=row.id, case_id=row.case_id, kind=DeadlineKind(row.kind), subject=row.subject, due_at=row.due_at
            )
            for row in await self._connection.execute(query)
        ]

    async def _escalations(self, ids: list[UUID]) -> list[tuple[UUID, str, EscalationFacts]]:
        query = select(ESCALATIONS).where(ESCALATIONS.c.case_id.in_(ids))
        return [
            (
                row.case_id,
                row.key,
                EscalationFacts(
                    id=row.id,
                    reason=row.reason,
                    level=row.level,
                    due_at=row.due_at,
                    acknowledged_by=row.acknowledged_by,
                ),
            )
            for row in await self._connection.execute(query)
        ]

    async def receipt(self, request_id: str) -> Receipt | None:
        """The verdict that this X-Request-Id got before, if any."""
        query = select(RECEIPTS).where(RECEIPTS.c.request_id == request_id)
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        return Receipt(request_id=request_id, status=row.status, answer=bytes(row.answer), inherited=row.inherited)

    async def idempotent_case(self, client: str, key: str) -> tuple[UUID, str] | None:
        """The case that this Idempotency-Key made before, with the hash of the body that made it."""
        await self._connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 1))"), {"key": f"{client}\n{key}"}
        )
        query = select(IDEMPOTENCY).where(IDEMPOTENCY.c.client == client, IDEMPOTENCY.c.key == key)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else (row.case_id, row.request_sha256)

    @property
    def connection(self) -> AsyncConnection:
        """For the read queries of this package, on the same transaction."""
        return self._connection

    # --- writes, kept until commit -----------------------------------------------------------------

    def add_case(self, stored: StoredCase) -> None:
        """A new case."""
        self._new_cases.add(stored.id)
        self._cases[stored.id] = stored

    def save_case(self, stored: StoredCase) -> None:
        """A changed case; it must have been locked in this unit of work."""
        if stored.id not in self._cases:
            raise LookupError("a case is changed only under its lock")
        self._cases[stored.id] = stored
        self._write("changed_cases", id=stored.id)

    def arm(
        self, *, id_: UUID, case_id: UUID, kind: DeadlineKind, subject: str, due_at: datetime, now: datetime
    ) -> None:
        """Arm or move a deadline."""
        self._disarmed = [
            item
            for item in self._disarmed
            if (item["b_case"], item["b_kind"], item["b_subject"]) != (case_id, kind, subject)
        ]
        self._write("deadlines", id=id_, case_id=case_id, kind=kind.value, subject=subject, due_at=due_at, armed_at=now)
        self._topics.add("deadlines")

    def disarm(self, *, case_id: UUID, kind: DeadlineKind, subject: str = "") -> None:
        """Take back a deadline that has not fired."""
        armed = self._writes.get("deadlines", [])
        armed[:] = [
            item for item in armed if (item["case_id"], item["kind"], item["subject"]) != (case_id, kind, subject)
        ]
        self._disarmed.append({"b_case": case_id, "b_kind": kind.value, "b_subject": subject})

    def fire(self, deadline: Deadline, *, at: datetime) -> None:
        """Mark a deadline as having fired; it never fires again."""
        self._write("fired", b_id=deadline.id, fired_at=at)

    def reloaded(self, loaded: Loaded) -> Loaded:
        """The locked case as this unit of work has changed it so far, for a second decision on it."""
        stored = self._cases[loaded.stored.id]
        raised = {row["key"] for row in self._writes.get("escalations", []) if row["case_id"] == stored.id}
        return replace(loaded, stored=stored, escalation_keys=loaded.escalation_keys | raised)

    def escalate(self, values: dict[str, Any]) -> None:
        """A new escalation; the unique key of the table is the last defence against a second one."""
        self._write("escalations", **values)

    def change_escalation(self, id_: UUID, **values: Any) -> None:
        """Acknowledge an escalation, or raise its level."""
        self._write(f"escalation:{','.join(sorted(values))}", b_id=id_, **values)

    def tell(self, stored: StoredCase, **values: Any) -> None:
        """An event about the case as it is now; its cursor is given at commit."""
        self._write(
            "events",
            case_id=stored.id,
            local_service=stored.conversation.local_service,
            case=snapshot(stored),
            **values,
        )
        self._topics.add("events")

    def add_message(self, message: NewMessage) -> None:
        """Keep a message and its exact bytes."""
        self._write("messages", **message_values(message))

    def hold_request(self, case_id: UUID, body: bytes, *, at: datetime) -> None:
        """The request of a case as it stands from now on."""
        self._write("held", case_id=case_id, body=body, at=at)

    def settle_message(self, id_: UUID, **values: Any) -> None:
        """Say what became of a message that is kept already."""
        self._write(f"message:{','.join(sorted(values))}", b_id=id_, **values)

    def give_verdict(self, **values: Any) -> None:
        """Keep the verdict on an X-Request-Id."""
        self._write("receipts", **values)

    def remember(self, **values: Any) -> None:
        """Keep what an Idempotency-Key made."""
        self._write("idempotency", **values)

    def enqueue(self, **values: Any) -> None:
        """Put a kept message into the outbox."""
        self._write("outbox", state="pending", attempts=0, **values)
        self._topics.add("outbox")

    def withdraw(self, case_id: UUID, kind: MessageKind) -> None:
        """Take back messages of a kind that have never been tried."""
        self._withdrawn.append({"b_case": case_id, "b_kind": kind.value})

    def _write(self, what: str, **values: Any) -> None:
        self._writes.setdefault(what, []).append(values)

    # --- the commit --------------------------------------------------------------------------------

    async def commit(self) -> None:
        """Write everything and commit. Once begun, it is brought to its end even where the caller is cancelled."""
        self._committing = asyncio.create_task(self._commit())
        await asyncio.shield(self._committing)

    async def _commit(self) -> None:
        await self._flush_cases()
        await self._flush_deadlines()
        await self._insert(ESCALATIONS, "escalations")
        await self._insert(MESSAGES, "messages")
        for what, rows in self._writes.items():
            if what.startswith("escalation:"):
                await self._update(ESCALATIONS, rows)
            elif what.startswith("message:"):
                await self._update(MESSAGES, rows)
        held = self._writes.get("held", [])
        if held:
            await self._connection.execute(text(_HOLD), held)
        await self._insert(RECEIPTS, "receipts")
        await self._insert(IDEMPOTENCY, "idempotency")
        await self._flush_outbox()
        await self._flush_events()
        for topic in sorted(self._topics):
            await self._connection.execute(text("SELECT pg_notify(:c, :t)"), {"c": NOTIFY_CHANNEL, "t": topic})
        await self._connection.commit()

    async def _flush_cases(self) -> None:
        new = [case_values(self._cases[case_id]) for case_id in self._new_cases]
        if new:
            await self._connection.execute(insert(CASES), new)
        changed = {row["id"] for row in self._writes.get("changed_cases", [])} - self._new_cases
        if changed:
            rows = [{"b_id": case_id} | case_values(self._cases[case_id]) for case_id in sorted(changed)]
            for row in rows:
                del row["id"], row["created_at"]
            await self._update(CASES, rows)

    async def _flush_deadlines(self) -> None:
        await self._update(DEADLINES, self._writes.get("fired", []))
        if self._disarmed:
            where = and_(
                DEADLINES.c.case_id == bindparam("b_case"),
                DEADLINES.c.kind == bindparam("b_kind"),
                DEADLINES.c.subject == bindparam("b_subject"),
                DEADLINES.c.fired_at.is_(None),
            )
            await self._connection.execute(delete(DEADLINES).where(where), self._disarmed)
        armed = self._writes.get("deadlines", [])
        if armed:
            await self._connection.execute(text(_ARM), armed)

    async def _flush_outbox(self) -> None:
        rows = self._writes.get("outbox", [])
        if rows:
            sequence = text("SELECT nextval('outbox_seq') FROM generate_series(1, :n)")
            numbers = (await self._connection.execute(sequence, {"n": len(rows)})).scalars().all()
            await self._connection.execute(
                insert(OUTBOX), [row | {"seq": seq} for row, seq in zip(rows, numbers, strict=True)]
            )
        if self._withdrawn:
            await self._connection.execute(text(_WITHDRAW), self._withdrawn)

    async def _flush_events(self) -> None:
        rows = self._writes.get("events", [])
        if not rows:
            return
        # The lock on this single row is held until commit, so cursors are given in the order of the commits and a
        # reader can never be overtaken by a smaller cursor (decision 13).
        query = text("UPDATE event_cursor SET value = value + :n WHERE id = 1 RETURNING value")
        last = (await self._connection.execute(query, {"n": len(rows)})).scalar_one()
        start = last - len(rows) + 1
        await self._connection.execute(insert(EVENTS), [row | {"cursor": start + i} for i, row in enumerate(rows)])

    async def _insert(self, table: Table, what: str) -> None:
        rows = self._writes.get(what, [])
        if rows:
            await self._connection.execute(insert(table), rows)

    async def _update(self, table: Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            names = [name for name in rows[0] if name != "b_id"]
            statement = (
                update(table).where(table.c.id == bindparam("b_id")).values({name: bindparam(name) for name in names})
            )
            await self._connection.execute(statement, rows)


# A deadline that has fired may be armed again (an escalation that is repeated, a new dispatch deadline).
_ARM = """
INSERT INTO deadlines (id, case_id, kind, subject, due_at, armed_at, fired_at)
VALUES (:id, :case_id, :kind, :subject, :due_at, :armed_at, NULL)
ON CONFLICT (case_id, kind, subject)
DO UPDATE SET due_at = excluded.due_at, armed_at = excluded.armed_at, fired_at = NULL
"""
# Only what nobody has tried to send: an attempt without an answer may have arrived, and must be followed up.
_WITHDRAW = """
UPDATE outbox SET state = 'withdrawn'
WHERE case_id = :b_case AND kind = :b_kind AND state = 'pending' AND attempts = 0 AND lease_until IS NULL
"""


_HOLD = """
INSERT INTO held_requests (case_id, body, versions, updated_at) VALUES (:case_id, :body, 1, :at)
ON CONFLICT (case_id) DO UPDATE
SET body = excluded.body, versions = held_requests.versions + 1, updated_at = excluded.updated_at
"""
_MESSAGE_COLUMNS = tuple(field.name for field in fields(NewMessage))


def message_values(message: NewMessage) -> dict[str, Any]:
    """Column values of a message."""
    values = {name: getattr(message, name) for name in _MESSAGE_COLUMNS}
    return values | {"sha256": sha256(message.body).hexdigest(), "issues": []}
