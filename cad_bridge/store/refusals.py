"""Local API calls that were refused for their content, kept for audit."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from cad_bridge.store import tables
from cad_bridge.store.core_tables import table_of

REFUSED_CALLS = table_of(tables.RefusedCallRow)


async def keep(
    database: AsyncEngine,
    *,
    id_: UUID,
    at: datetime,
    client: str,
    path: str,
    status: int,
    body: bytes,
    problems: list[dict[str, Any]],
) -> None:
    """Keep the exact body of a refused call, and what was wrong with it.

    A NUL, which PostgreSQL keeps in no text, stands as U+FFFD in the path and the problems, never in the body.
    """
    values = {"id": id_, "at": at, "client": client, "path": _storable(path), "status": status, "body": body}
    async with database.begin() as connection:
        await connection.execute(insert(REFUSED_CALLS).values(**values, problems=_storable(problems)))


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value
