"""A loop that works whenever there is something to do: woken by a notification, and once a second by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
FINISH_SECONDS = 5.0
"""What is on its way when the service stops in good order gets this long to be settled."""


class SideBySide:
    """Jobs that run at the same time, at most `limit` of them, so that a slow one does not hold up the others."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures = 0

    @property
    def room(self) -> int:
        """How many more may begin."""
        return self._limit - len(self._tasks)

    def begin(self, job: Coroutine[Any, Any, None], *, name: str) -> None:
        """Start a job. Whatever it raises is logged and counted."""
        task = asyncio.create_task(job, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def some(self) -> None:
        """Wait until there is room."""
        if self.room <= 0:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def all(self) -> None:
        """Wait for every job."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def finish(self, seconds: float = FINISH_SECONDS) -> None:
        """Wait for every job, but not for ever; what is not done by then is given up."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures += 1
            log.error("a job failed", exc_info=error, extra={"job": task.get_name()})


class WorkLoop:
    """Calls `work` until it says that nothing is left, then waits to be woken. A failure never ends it."""

    def __init__(
        self, name: str, work: Callable[[], Awaitable[bool]], *, finish: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._name = name
        self._work = work
        self._finish = finish
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.failures = 0

    def start(self) -> None:
        """Start the loop."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Stop, and let what has begun come to its end; what does not is free again when its lease has passed."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._finish is not None:
            await self._finish()

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            if not await self._turn():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), IDLE_SECONDS)
                self._wake.clear()

    async def _turn(self) -> bool:
        try:
            return await self._work()
        except Exception:
            self.failures += 1
            log.exception("a loop's turn failed", extra={"loop": self._name})
            return False
