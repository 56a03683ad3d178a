"""What was negotiated with a remote service, shared by all nodes, forgotten within a day (CORE-CN-16, CORE-CN-17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from cad_bridge.store import tables
from cad_bridge.store.core_tables import table_of

NEGOTIATED = table_of(tables.NegotiatedRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiated:
    """The result for one service and use case; `advice` is set where nothing may be sent."""

    version: str | None
    reason: str | None
    advice: str | None


async def look_up(database: AsyncEngine, *, service: str, use_case: str, now: datetime) -> Negotiated | None:
    """What is known and has not run out."""
    query = select(NEGOTIATED).where(
        NEGOTIATED.c.service == service, NEGOTIATED.c.use_case == use_case, NEGOTIATED.c.expires_at > now
    )
    async with database.connect() as connection:
        row = (await connection.execute(query)).one_or_none()
        return None if row is None else Negotiated(version=row.version, reason=row.reason, advice=row.advice)


async def remember(
    database: AsyncEngine, found: Negotiated, *, service: str, use_case: str, expires_at: datetime
) -> None:
    """Keep a result until it runs out."""
    values = {"version": found.version, "reason": found.reason, "advice": found.advice, "expires_at": expires_at}
    statement = insert(NEGOTIATED).values(service=service, use_case=use_case, **values)
    key = [NEGOTIATED.c.service, NEGOTIATED.c.use_case]
    async with database.begin() as connection:
        await connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values))


async def forget_all(database: AsyncEngine) -> int:
    """Clear the cache by hand; says how many results were known."""
    async with database.begin() as connection:
        return (await connection.execute(delete(NEGOTIATED))).rowcount
