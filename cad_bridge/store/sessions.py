"""Sessions of people signed in on the board. Of the cookie's token only the SHA-256 ever gets here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cad_bridge.store import tables
from cad_bridge.store.core_tables import table_of

SESSIONS = table_of(tables.BoardSessionRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSession:
    """A signed-in person."""

    token_sha256: str
    username: str
    csrf: str
    """What every form of this session must carry."""
    expires_at: datetime
    """Aware UTC."""


async def open_session(engine: AsyncEngine, session: BoardSession, *, now: datetime) -> None:
    """Keep a new session, and drop those that have expired."""
    values = {name: getattr(session, name) for name in BoardSession.__dataclass_fields__}
    async with engine.begin() as connection:
        await connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at <= now))
        await connection.execute(insert(SESSIONS).values(**values, created_at=now))


async def sessions_of(engine: AsyncEngine, tokens: Collection[str], *, now: datetime) -> dict[str, BoardSession]:
    """The sessions behind these tokens, by token; those that there are and that have not expired."""
    query = select(SESSIONS).where(SESSIONS.c.token_sha256.in_(tokens), SESSIONS.c.expires_at > now)
    async with engine.connect() as connection:
        rows = (await connection.execute(query)).all()
    found = (BoardSession(**{name: row._mapping[name] for name in BoardSession.__dataclass_fields__}) for row in rows)
    return {session.token_sha256: session for session in found}


async def end_session(engine: AsyncEngine, token_sha256: str) -> None:
    """Sign out; nothing happens where there is no such session."""
    async with engine.begin() as connection:
        await connection.execute(delete(SESSIONS).where(SESSIONS.c.token_sha256 == token_sha256))
