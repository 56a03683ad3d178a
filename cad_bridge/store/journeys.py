"""Cases of one patient journey: what was asked before about the same patient and incident."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cad_bridge.store.core_tables import CASES


async def correlation_of_journey(connection: AsyncConnection, *, local_service: str, journey_id: str) -> str | None:
    """The correlation id under which a service of ours first spoke of a journey; None where it has not."""
    query = (
        select(CASES.c.correlation_id)
        .where(CASES.c.local_service == local_service, CASES.c.journey_id == journey_id)
        .order_by(CASES.c.created_at, CASES.c.id)
        .limit(1)
    )
    found: str | None = (await connection.execute(query)).scalar_one_or_none()
    return found
