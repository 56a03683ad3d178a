"""A loop that works whenever there is something to do: woken by a notification, and once a second by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0


class WorkLoop:
    """Calls `work` until it says that nothing is left, then waits to be woken. A failure never ends it."""

    def __init__(self, name: str, work: Callable[[], Awaitable[bool]]) -> None:
        self._name = name
        self._work = work
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.failures = 0

    def start(self) -> None:
        """Start the loop."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Stop; what was leased is free again when its lease has passed."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

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
