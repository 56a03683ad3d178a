"""Time for scripts: realistic, hurried, or moved by hand."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What scripts wait on. Aware UTC throughout."""

    def now(self) -> datetime:
        """The present, aware UTC."""

    async def wait(self, seconds: float) -> None:
        """Returns once that many scripted seconds have passed."""

    async def wait_until(self, due: datetime) -> None:
        """Returns once `now()` has reached `due`."""


class ScaledClock:
    """The real clock; scripted waits are multiplied by `scale`, times of day are not."""

    def __init__(self, scale: float = 1.0) -> None:
        if scale < 0:
            raise ValueError("a clock cannot run backwards")
        self._scale = scale

    def now(self) -> datetime:
        """The present, aware UTC."""
        return datetime.now(UTC)

    async def wait(self, seconds: float) -> None:
        """Sleeps `seconds * scale`."""
        await asyncio.sleep(seconds * self._scale)

    async def wait_until(self, due: datetime) -> None:
        """Sleeps until the real clock reads `due`; `scale` does not apply to a time of day."""
        if (left := (due - self.now()).total_seconds()) > 0:
            await asyncio.sleep(left)
            await self.wait_until(due)


class ManualClock:
    """Stands still until `advance` moves it: tests decide when a scripted step happens."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC)
        if self._now.tzinfo is None:
            raise ValueError("the clock needs an aware time")
        self._order = itertools.count()
        self._waiting: list[tuple[datetime, int, asyncio.Future[None]]] = []

    @property
    def waiting(self) -> int:
        """How many steps wait for the clock to move."""
        return sum(not future.done() for _, _, future in self._waiting)

    def now(self) -> datetime:
        """Where the clock stands, aware UTC."""
        return self._now

    async def wait(self, seconds: float) -> None:
        """Returns once the clock has been moved that far."""
        await self.wait_until(self._now + timedelta(seconds=seconds))

    async def wait_until(self, due: datetime) -> None:
        """Returns once the clock has been moved to `due`."""
        if due <= self._now:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (due, next(self._order), future))
        await future

    def advance(self, seconds: float) -> None:
        """Moves the clock; everything due by then goes on, in the order of its due times."""
        self._now += timedelta(seconds=seconds)
        while self._waiting and self._waiting[0][0] <= self._now:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
