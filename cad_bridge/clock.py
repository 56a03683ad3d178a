"""Time: the one place where the service reads a clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine


def system_now() -> datetime:
    """This machine's time, aware UTC."""
    return datetime.now(UTC)


class DatabaseClock:
    """The database's time, so that all nodes agree on what is due whatever their own clocks say.

    Between two looks at the database the time goes on by the monotonic clock, which no step of the wall clock moves.
    """

    def __init__(self) -> None:
        self._base = system_now()
        self._at = time.monotonic()

    def __call__(self) -> datetime:
        """The time now, aware UTC."""
        return self._base + timedelta(seconds=time.monotonic() - self._at)

    async def synchronise(self, database: AsyncEngine) -> None:
        """Look at the database's clock; half of the round trip is taken off."""
        before = time.monotonic()
        async with database.connect() as connection:
            there = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        after = time.monotonic()
        self._base, self._at = there.astimezone(UTC), (before + after) / 2


class ManualClock:
    """A clock that is moved by hand, for tests and rehearsals."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs aware times")
        self._now = start

    def __call__(self) -> datetime:
        """The time that it was set to, aware UTC."""
        return self._now

    def advance(self, delta: timedelta) -> datetime:
        """Move the time on and say what it is now."""
        self._now += delta
        return self._now

    def set(self, to: datetime) -> None:
        """Set the time."""
        self._now = to
