"""Connections: one async engine for a node, with the server settings that safety needs on every connection."""

from __future__ import annotations

import select
import time
from typing import cast

import orjson
import psycopg
from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, ExceptionContext, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from cad_bridge.store.plain import dumps

# A node that freezes in the middle of a transaction would hide its due cases from all others, because SKIP LOCKED
# skips them silently: the server has to end such a transaction (measured; see docs/decisions/0001). Whoever waits for
# a lock outlasts a frozen holder (3 s < 4 s): one frozen node makes the others late, and makes none of them fail.
SAFETY_SETTINGS = {
    "idle_in_transaction_session_timeout": "3s",
    "lock_timeout": "4s",
    "statement_timeout": "10s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
    "timezone": "UTC",
}
# The same from our end, or a loop would hang for minutes on a database whose machine has gone.
KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "connect_timeout": 5,
}


ASK_AFTER_IDLE_SECONDS = 1.0


def database_url(text: str) -> URL:
    """The URL with our driver, whatever PostgreSQL spelling was given. Raises ValueError for anything else."""
    try:
        url = make_url(text)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in {"postgresql", "postgres"}:
        # Not a word of what was given: it may hold a password.
        raise ValueError("CAD_BRIDGE_DATABASE_URL must name a PostgreSQL database, such as postgresql://user@host/name")
    return url.set(drivername="postgresql+psycopg")


def connect(url: str, *, pool_size: int = 20) -> AsyncEngine:
    """An engine whose connections all carry `SAFETY_SETTINGS`, and whose errors quote no values."""
    options = " ".join(f"-c {name}={value}" for name, value in SAFETY_SETTINGS.items())
    database = create_async_engine(
        database_url(url),
        pool_size=pool_size,
        max_overflow=10,
        hide_parameters=True,
        json_serializer=dumps,
        json_deserializer=orjson.loads,
        connect_args={"options": options, "application_name": "cad-bridge", **KEEPALIVES},
    )
    event.listen(database.sync_engine, "handle_error", _without_detail)
    _ask_idle_connections(database.sync_engine)
    return database


def _ask_idle_connections(engine: Engine) -> None:
    """Before a connection is used that was idle, or that the server has said something on, the server is asked.

    To ask each time (`pool_pre_ping`) is a tenth of the round trips of a message. A server that ends a connection says
    so on it, which is seen without asking; one that has vanished says nothing, and then a second of silence counts.
    """

    def used(_: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    def ask(connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
        used_at = record.info.get("used_at")
        if used_at is None:
            return
        try:
            if time.monotonic() - used_at < ASK_AFTER_IDLE_SECONDS and not _has_unread(record):
                return
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            if engine.dialect.is_disconnect(error, connection, None):  # type: ignore[arg-type] # its own name for it
                raise InvalidatePoolError("the server closed idle connections") from error
            raise

    event.listen(engine.pool, "checkin", used)
    event.listen(engine.pool, "checkout", ask)


def _has_unread(record: ConnectionPoolEntry) -> bool:
    """Whether something has arrived since the last answer was read: the end of the connection, most likely."""
    connection = cast("psycopg.AsyncConnection", record.driver_connection)
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def _without_detail(context: ExceptionContext) -> None:
    """Errors are logged, and the server's DETAIL quotes whole rows: only its first line is kept."""
    error, wrapped = context.original_exception, context.sqlalchemy_exception
    if not isinstance(error, psycopg.Error) or error.diag.message_primary is None:
        return
    error.args = (error.diag.message_primary,)
    if wrapped is not None:
        wrapped.args = (f"({type(error).__name__}) {error.diag.message_primary}",)
