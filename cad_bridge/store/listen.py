"""LISTEN: what another node (or this one) has just committed wakes the loops that care.

A lost notification costs time and nothing else: every loop also wakes by itself once a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import URL

from cad_bridge.store.database import KEEPALIVES, database_url
from cad_bridge.store.writes import NOTIFY_CHANNEL

log = logging.getLogger(__name__)

RECONNECT_SECONDS = 1.0


class Listener:
    """Calls `on_topic[topic]` for every notification; reconnects for as long as it runs.

    Its connection is always open, so it learns first when the database is gone.
    """

    def __init__(self, url: str, *, on_topic: Mapping[str, Callable[[], None]]) -> None:
        self._conninfo = conninfo(database_url(url))
        self._on_topic = on_topic
        self._on_lost: Callable[[], Awaitable[None]] | None = None
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()

    def start(self, *, on_lost: Callable[[], Awaitable[None]] | None = None) -> None:
        """Start listening. `on_lost` is called whenever the connection broke off, before the next try."""
        self._on_lost = on_lost
        self._task = asyncio.create_task(self._run(), name="listener")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except psycopg.Error as error:
                log.warning("listening for notifications broke off", extra={"error": type(error).__name__})
            self.connected.clear()
            await self._lost()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _lost(self) -> None:
        if self._on_lost is None:
            return
        try:
            await self._on_lost()
        except Exception:
            log.exception("the database could not be brought back; it is tried again")

    async def _listen(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        async with connection:
            await connection.execute(f"LISTEN {NOTIFY_CHANNEL}")
            self.connected.set()
            # Whatever was committed before the LISTEN took hold would go unnoticed otherwise.
            for wake in self._on_topic.values():
                wake()
            async for notification in connection.notifies():
                wake_topic = self._on_topic.get(notification.payload)
                if wake_topic is not None:
                    wake_topic()


def conninfo(url: URL) -> str:
    """The URL as libpq spells it."""
    parts = {
        "host": url.host or url.query.get("host"),
        "port": url.port,
        "dbname": url.database,
        "user": url.username,
        "password": url.password,
    }
    given = {name: str(value) for name, value in parts.items() if value is not None}
    return make_conninfo(**given, application_name="cad-bridge-listener", **{k: str(v) for k, v in KEEPALIVES.items()})
