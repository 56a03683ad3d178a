"""Decisions about the receiver of a case: kept in the commit that opens it, read when somebody asks why."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cad_bridge.store import catalogue_tables
from cad_bridge.store.core_tables import table_of

DECISIONS = table_of(catalogue_tables.ReceiverDecisionRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverDecision:
    """Who decided that a case goes to which service, when, by which boundaries, and against which alternatives."""

    id: UUID
    case_id: UUID
    how: str
    """``automatic`` (by place), ``named`` (by the sender, and the place agrees), ``confirmed`` (by a person, against
    the `doubts`), or ``manual`` (by a person, who gave a `reason`)."""
    use_case: str
    ods_code: str | None
    service_id: str | None
    decided_by: str
    decided_at: datetime
    boundary_version: str
    answer: dict[str, Any]
    reason: str | None = None
    alternatives: list[dict[str, Any]] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


async def add(connection: AsyncConnection, decision: ReceiverDecision) -> None:
    """Keep a decision; its case may be written later in the same transaction."""
    await connection.execute(insert(DECISIONS).values(**asdict(decision)))


async def of_case(database: AsyncEngine, case_id: UUID) -> list[ReceiverDecision]:
    """The decisions about a case, oldest first."""
    query = select(DECISIONS).where(DECISIONS.c.case_id == case_id).order_by(DECISIONS.c.decided_at, DECISIONS.c.id)
    async with database.connect() as connection:
        return [ReceiverDecision(**row._mapping) for row in await connection.execute(query)]
