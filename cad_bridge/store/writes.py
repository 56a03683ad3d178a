"""What one transaction is going to write: kept in memory while commands are decided, written in one go at commit."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields, replace
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, Table, Update, bindparam, insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cad_bridge.store.bulk import column_list, insert_rows, unpacked, update_rows
from cad_bridge.store.core_tables import CASES, DEADLINES, ESCALATIONS, IDEMPOTENCY, MESSAGES, OUTBOX, RECEIPTS
from cad_bridge.store.mapping import case_values, changed_values, snapshot
from cad_bridge.store.plain import dumps
from cad_bridge.store.rows import Deadline, Loaded, NewMessage, StoredCase
from cad_bridge.workflow.vocabulary import DeadlineKind, MessageKind

NOTIFY_CHANNEL = "cad_bridge"
SOON = timedelta(seconds=5)
"""A deadline farther away than this is announced to nobody: every node looks for itself each second."""

DeadlineKey = tuple[UUID, str, str]
"""Case, kind and subject."""


class Writes:
    """The rows of one transaction."""

    def __init__(self) -> None:
        self._writes: dict[str, list[dict[str, Any]]] = {}
        self._loaded: dict[UUID, Loaded] = {}
        self._cases: dict[UUID, StoredCase] = {}
        self._new_cases: set[UUID] = set()
        self._armed: dict[DeadlineKey, dict[str, Any] | None] = {}
        """What becomes of a deadline: its new values, or None where it is disarmed. The last word counts."""
        self._raised: dict[UUID, set[str]] = defaultdict(set)
        self._withdrawn: list[dict[str, Any]] = []
        self._topics: set[str] = set()

    def remember_loaded(self, loaded: Loaded) -> None:
        """A case that was locked, as it was then."""
        self._loaded[loaded.stored.id] = loaded
        self._cases[loaded.stored.id] = loaded.stored

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
        self._armed[case_id, kind.value, subject] = {
            "id": id_,
            "case_id": case_id,
            "kind": kind.value,
            "subject": subject,
            "due_at": due_at,
            "armed_at": now,
        }
        if due_at - now < SOON:
            self._topics.add("deadlines")

    def disarm(self, *, case_id: UUID, kind: DeadlineKind, subject: str = "") -> None:
        """Take back a deadline that has not fired."""
        self._armed[case_id, kind.value, subject] = None

    def fire(self, deadline: Deadline, *, at: datetime) -> None:
        """Mark a deadline as having fired; it never fires again."""
        self._write("fired", id=deadline.id, fired_at=at)

    def reloaded(self, loaded: Loaded) -> Loaded:
        """The locked case as this unit of work has changed it so far, for a second decision on it."""
        stored = self._cases[loaded.stored.id]
        return replace(loaded, stored=stored, escalation_keys=loaded.escalation_keys | self._raised[stored.id])

    def escalate(self, values: dict[str, Any]) -> None:
        """A new escalation; the unique key of the table is the last defence against a second one."""
        self._write("escalations", **values)
        self._raised[values["case_id"]].add(values["key"])

    def change_escalation(self, id_: UUID, **values: Any) -> None:
        """Acknowledge an escalation, or raise its level."""
        self._write(f"escalation:{','.join(sorted(values))}", id=id_, **values)

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
        self._write("messages", **_message_values(message))

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
        self._withdrawn.append({"case_id": case_id, "kind": kind.value})

    def _write(self, what: str, **values: Any) -> None:
        self._writes.setdefault(what, []).append(values)

    # --- the flush ---------------------------------------------------------------------------------

    async def flush(self, connection: AsyncConnection) -> None:
        """Write everything; the caller commits at once, since the last statement takes the lock of the event cursor."""
        await self._flush_cases(connection)
        await self._flush_deadlines(connection)
        await self._flush_escalations(connection)
        await self._flush_messages(connection)
        await insert_rows(connection, IDEMPOTENCY, self._rows("idempotency"))
        await self._flush_outbox(connection)
        if self._topics:
            await connection.execute(_NOTIFY, {"channel": NOTIFY_CHANNEL, "topics": sorted(self._topics)})
        await self._flush_events(connection)

    def _rows(self, what: str) -> list[dict[str, Any]]:
        return self._writes.get(what, [])

    async def _flush_cases(self, connection: AsyncConnection) -> None:
        await insert_rows(connection, CASES, [case_values(self._cases[case_id]) for case_id in self._new_cases])
        changed = {row["id"] for row in self._rows("changed_cases")} - self._new_cases
        by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for case_id in sorted(changed):
            # Most commands leave the clinical content as it is: it is not written anew.
            if news := changed_values(self._loaded[case_id].stored, self._cases[case_id]):
                by_columns[tuple(news)].append({"id": case_id} | news)
        for rows in by_columns.values():
            await update_rows(connection, CASES, rows)

    async def _flush_deadlines(self, connection: AsyncConnection) -> None:
        await update_rows(connection, DEADLINES, self._rows("fired"))
        disarmed = [
            {"case_id": case_id, "kind": kind, "subject": subject}
            for (case_id, kind, subject), values in self._armed.items()
            if values is None and self._was_armed(case_id, kind, subject)
        ]
        if disarmed:
            await connection.execute(_DISARM, {"rows": dumps(disarmed)})
        armed = [values for values in self._armed.values() if values is not None]
        if armed:
            await connection.execute(_ARM, {"rows": dumps(armed)})

    def _was_armed(self, case_id: UUID, kind: str, subject: str) -> bool:
        """Whether there is anything to disarm: nobody else arms a deadline of a case that is locked here."""
        loaded = self._loaded.get(case_id)
        return loaded is not None and any(item.kind == kind and item.subject == subject for item in loaded.deadlines)

    async def _flush_escalations(self, connection: AsyncConnection) -> None:
        await insert_rows(connection, ESCALATIONS, self._rows("escalations"))
        for what, rows in self._writes.items():
            if what.startswith("escalation:"):
                await update_rows(connection, ESCALATIONS, rows)

    async def _flush_messages(self, connection: AsyncConnection) -> None:
        """Messages hold bytes, which JSON can't carry: they are written row by row."""
        await self._insert_bytes(connection, MESSAGES, "messages")
        for what, rows in self._writes.items():
            if what.startswith("message:"):
                await _update_messages(connection, rows)
        if held := self._rows("held"):
            await connection.execute(_HOLD, held)
        await self._insert_bytes(connection, RECEIPTS, "receipts")

    async def _insert_bytes(self, connection: AsyncConnection, table: Table, what: str) -> None:
        if rows := self._rows(what):
            await connection.execute(_insert_statement(table), rows)

    async def _flush_outbox(self, connection: AsyncConnection) -> None:
        if rows := self._rows("outbox"):
            sequence = text("SELECT nextval('outbox_seq') FROM generate_series(1, :n)")
            numbers = (await connection.execute(sequence, {"n": len(rows)})).scalars().all()
            await insert_rows(connection, OUTBOX, [row | {"seq": seq} for row, seq in zip(rows, numbers, strict=True)])
        if self._withdrawn:
            await connection.execute(_WITHDRAW, {"rows": dumps(self._withdrawn)})

    async def _flush_events(self, connection: AsyncConnection) -> None:
        if rows := self._rows("events"):
            numbered = [row | {"cursor": number} for number, row in enumerate(rows, start=1)]
            await connection.execute(_TELL, {"rows": dumps(numbered), "n": len(rows)})


async def _update_messages(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    await connection.execute(_update_statement(tuple(name for name in rows[0] if name != "b_id")), rows)


@cache
def _insert_statement(table: Table) -> Insert:
    return insert(table)


@cache
def _update_statement(names: tuple[str, ...]) -> Update:
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    return update(MESSAGES).where(MESSAGES.c.id == bindparam("b_id")).values(values)


# The f-strings below are put together from names of ours, never from values.
# A deadline that has fired may be armed again (an escalation that is repeated, a new dispatch deadline).
_ARM = text(f"""
INSERT INTO deadlines (id, case_id, kind, subject, due_at, armed_at, fired_at)
SELECT id, case_id, kind, subject, due_at, armed_at, NULL FROM {unpacked("deadlines")}
ON CONFLICT (case_id, kind, subject)
DO UPDATE SET due_at = excluded.due_at, armed_at = excluded.armed_at, fired_at = NULL
""")  # noqa: S608
_DISARM = text(f"""
DELETE FROM deadlines USING {unpacked("deadlines")} AS r
WHERE deadlines.case_id = r.case_id AND deadlines.kind = r.kind AND deadlines.subject = r.subject
AND deadlines.fired_at IS NULL
""")  # noqa: S608
# Only what nobody has tried to send: an attempt without an answer may have arrived, and must be followed up.
_WITHDRAW = text(f"""
UPDATE outbox SET state = 'withdrawn' FROM {unpacked("outbox")} AS r
WHERE outbox.case_id = r.case_id AND outbox.kind = r.kind
AND outbox.state = 'pending' AND outbox.attempts = 0 AND outbox.lease_until IS NULL
""")  # noqa: S608
_NOTIFY = text("SELECT pg_notify(:channel, topic) FROM unnest(CAST(:topics AS text[])) AS topic")
_EVENT_COLUMNS = ("id", "type", "at", "case_id", "local_service", "case", "data", "rule", "by")
# The lock on the single row of event_cursor is held until commit, so cursors are given in the order of the commits and
# a reader can never be overtaken by a smaller cursor (decision 13). Nothing but the commit comes after it.
_TELL = text(f"""
WITH given AS (UPDATE event_cursor SET value = value + :n WHERE id = 1 RETURNING value - :n AS start)
INSERT INTO events (cursor, {column_list(_EVENT_COLUMNS)})
SELECT given.start + r.cursor, {column_list(_EVENT_COLUMNS, prefix="r.")}
FROM given, {unpacked("events")} AS r
""")  # noqa: S608


_HOLD = text("""
INSERT INTO held_requests (case_id, body, versions, updated_at) VALUES (:case_id, :body, 1, :at)
ON CONFLICT (case_id) DO UPDATE
SET body = excluded.body, versions = held_requests.versions + 1, updated_at = excluded.updated_at
""")
_MESSAGE_COLUMNS = tuple(field.name for field in fields(NewMessage))


def _message_values(message: NewMessage) -> dict[str, Any]:
    """Column values of a message."""
    values = {name: getattr(message, name) for name in _MESSAGE_COLUMNS}
    return values | {"sha256": sha256(message.body).hexdigest(), "issues": []}
