"""Connections: one async engine for a node, with the server settings that safety needs on every connection."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

# A node that freezes in the middle of a transaction would hide its due cases from all others, because SKIP LOCKED
# skips them silently: the server has to end such a transaction (measured; see docs/decisions/0001).
SAFETY_SETTINGS = {
    "idle_in_transaction_session_timeout": "5s",
    "statement_timeout": "10s",
    "lock_timeout": "3s",
    "timezone": "UTC",
}
KEEPALIVES = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}


def database_url(text: str) -> URL:
    """The URL with our driver, whatever PostgreSQL spelling was given. Raises ValueError for anything else."""
    url = make_url(text)
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise ValueError("CAD_BRIDGE_DATABASE_URL must name a PostgreSQL database")
    return url.set(drivername="postgresql+psycopg")


def connect(url: str, *, pool_size: int = 20) -> AsyncEngine:
    """An engine whose connections all carry `SAFETY_SETTINGS`."""
    options = " ".join(f"-c {name}={value}" for name, value in SAFETY_SETTINGS.items())
    return create_async_engine(
        database_url(url),
        pool_size=pool_size,
        max_overflow=10,
        pool_pre_ping=True,
        connect_args={"options": options, "application_name": "cad-bridge", **KEEPALIVES},
    )
