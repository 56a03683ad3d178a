"""What is known of the health of endpoints, from the attempts to deliver to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cad_bridge.store import catalogue_tables
from cad_bridge.store.core_tables import table_of

HEALTH = table_of(catalogue_tables.EndpointHealthRow)
_NAMES = ("service_id", "last_success_at", "last_failure_at", "failures_since_success", "last_failure")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointHealthRecord:
    """The attempts to deliver to one service; times are aware, UTC."""

    service_id: str
    last_success_at: datetime | None
    last_failure_at: datetime | None
    failures_since_success: int
    last_failure: str
    """Status and codes; never a text that came back."""


async def locked(connection: AsyncConnection, service_id: str) -> EndpointHealthRecord:
    """The record of a service, made if it is the first, and locked until the transaction ends."""
    first = {"service_id": service_id, "failures_since_success": 0, "last_failure": ""}
    await connection.execute(insert(HEALTH).values(**first).on_conflict_do_nothing())
    query = select(HEALTH).where(HEALTH.c.service_id == service_id).with_for_update()
    return _record((await connection.execute(query)).one())


async def save(connection: AsyncConnection, record: EndpointHealthRecord) -> None:
    """Write a record that is locked."""
    values = {name: getattr(record, name) for name in _NAMES[1:]}
    await connection.execute(update(HEALTH).where(HEALTH.c.service_id == record.service_id).values(**values))


async def all_records(database: AsyncEngine) -> list[EndpointHealthRecord]:
    """Every service that was ever sent to, by id: for the health page, the metrics, the API and the board."""
    async with database.connect() as connection:
        rows = await connection.execute(select(HEALTH).order_by(HEALTH.c.service_id))
        return [_record(row) for row in rows]


def _record(row: Any) -> EndpointHealthRecord:
    return EndpointHealthRecord(**{name: getattr(row, name) for name in _NAMES})
