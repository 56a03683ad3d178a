"""The unit of work: the only commit in the service.

Everything is read under the lock of the case, decided in memory, and written in one go at `commit`. Rolls back unless
committed. Locks are always taken in the same order (request id, cases, event cursor), so they cannot deadlock.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cad_bridge.store.core_tables import CASES, DEADLINES, ESCALATIONS, IDEMPOTENCY, RECEIPTS
from cad_bridge.store.due import ARMED, early_deadlines
from cad_bridge.store.mapping import stored_case
from cad_bridge.store.rows import Deadline, Loaded, Receipt, StoredCase
from cad_bridge.store.writes import Writes
from cad_bridge.workflow.case import EscalationFacts
from cad_bridge.workflow.vocabulary import DeadlineKind

log = logging.getLogger(__name__)


class UnitOfWork(Writes):
    """One transaction. Use as ``async with UnitOfWork(engine) as work: ...; await work.commit()``."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__()
        self._engine = engine
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
        query = select(CASES).where(_among(CASES.c.id, ids)).order_by(CASES.c.id).with_for_update()
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
        early = early_deadlines(now=now, passing_over=passing_over, only=only).limit(limit * 4)
        ids = {row.case_id for row in await self._connection.execute(early)}
        if not ids:
            return {}, []
        query = select(CASES).where(_among(CASES.c.id, ids)).limit(limit).with_for_update(skip_locked=True)
        loaded = await self._load([stored_case(row) for row in await self._connection.execute(query)])
        claimed = [item for found in loaded.values() for item in found.deadlines if item.due_at <= now]
        return loaded, sorted(claimed, key=lambda item: (item.due_at, item.kind))

    async def _load(self, cases: list[StoredCase]) -> dict[UUID, Loaded]:
        ids = [stored.id for stored in cases]
        if not ids:
            return {}
        deadlines = await self._deadlines(ids)
        escalations = await self._escalations(ids)
        loaded = {
            stored.id: Loaded(
                stored=stored,
                deadlines=tuple(deadlines[stored.id]),
                escalation_keys=frozenset(key for key, _ in escalations[stored.id]),
                escalations=tuple(facts for _, facts in escalations[stored.id]),
            )
            for stored in cases
        }
        for found in loaded.values():
            self.remember_loaded(found)
        return loaded

    async def _deadlines(self, ids: list[UUID]) -> dict[UUID, list[Deadline]]:
        query = select(DEADLINES).where(_among(DEADLINES.c.case_id, ids), ARMED)
        found: dict[UUID, list[Deadline]] = defaultdict(list)
        for row in await self._connection.execute(query):
            kind = DeadlineKind(row.kind)
            found[row.case_id].append(
                Deadline(id=row.id, case_id=row.case_id, kind=kind, subject=row.subject, due_at=row.due_at)
            )
        return found

    async def _escalations(self, ids: list[UUID]) -> dict[UUID, list[tuple[str, EscalationFacts]]]:
        query = select(ESCALATIONS).where(_among(ESCALATIONS.c.case_id, ids))
        found: dict[UUID, list[tuple[str, EscalationFacts]]] = defaultdict(list)
        for row in await self._connection.execute(query):
            facts = EscalationFacts(
                id=row.id,
                reason=row.reason,
                level=row.level,
                due_at=row.due_at,
                acknowledged_by=row.acknowledged_by,
            )
            found[row.case_id].append((row.key, facts))
        return found

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

    # --- the commit --------------------------------------------------------------------------------

    async def commit(self) -> None:
        """Write everything and commit. Once begun, it is brought to its end even where the caller is cancelled."""
        self._committing = asyncio.create_task(self._commit())
        await asyncio.shield(self._committing)

    async def _commit(self) -> None:
        await self.flush(self._connection)
        await self._connection.commit()


def _among(column: ColumnElement[UUID], ids: Iterable[UUID]) -> ColumnElement[bool]:
    """One array as the parameter: the statement is the same for any number of ids."""
    return column == any_(bindparam("ids", list(ids), type_=ARRAY(Uuid())))
