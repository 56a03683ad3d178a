"""One look at the database for all who ask at the same time: for the same thing, or each for one of a kind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


@dataclass(slots=True)
class _Look(Generic[Found]):
    task: asyncio.Task[Found]
    generation: int = -1
    """What had been notified when the reading began; -1 before it has."""
    begun: float = 0.0


class Shared(Generic[Key, Found]):
    """Shares the result of `look` among all who ask for the same key.

    Whoever asks gets a result that includes everything committed before the last `changed`, and that is never older
    than `fresh` seconds. Between two looks lie at least `pause` seconds, however often things change.
    """

    def __init__(self, look: Callable[[Key], Awaitable[Found]], *, fresh: float, pause: float) -> None:
        self._read = look
        self._fresh = fresh
        self._pause = pause
        self._generation = 0
        self._looks: dict[Key, _Look[Found]] = {}

    def changed(self) -> None:
        """Something was committed: results of before are not given to whoever asks from now on."""
        self._generation += 1

    async def close(self) -> None:
        """End the looks that are under way: nobody waits for them any more, and each may hold a connection."""
        tasks = [look.task for look in self._looks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def get(self, key: Key) -> Found:
        """The result for this key. Raises what `look` raised."""
        asked_at = self._generation
        while True:
            look = self._looks.get(key)
            if look is None or self._is_old(look):
                look = self._looks[key] = self._begin(key, after=look)
            found = await asyncio.shield(look.task)
            if look.generation >= asked_at:
                return found

    def _is_old(self, look: _Look[Found]) -> bool:
        if not look.task.done():
            return False
        if look.task.cancelled() or look.task.exception() is not None:
            return True
        return look.generation != self._generation or time.monotonic() - look.begun > self._fresh

    def _begin(self, key: Key, *, after: _Look[Found] | None) -> _Look[Found]:
        wait = after.begun + self._pause - time.monotonic() if after is not None else 0.0

        async def read() -> Found:
            await asyncio.sleep(max(0.0, wait))
            look.generation, look.begun = self._generation, time.monotonic()
            return await self._read(key)

        look = _Look(asyncio.create_task(read()))
        return look


@dataclass(slots=True)
class _Question(Generic[Key, Found]):
    keys: set[Key]
    task: asyncio.Task[Mapping[Key, Found]]


class Gathered(Generic[Key, Found]):
    """Answers all who have asked while a question was under way by one next question for all of their keys.

    Whoever asks gets what a look that began after the asking has found: nothing is kept. A hundred boards that fetch at
    once take one connection after the other so, and not a hundred at once.
    """

    def __init__(self, look: Callable[[Collection[Key]], Awaitable[Mapping[Key, Found]]]) -> None:
        self._look = look
        self._next: _Question[Key, Found] | None = None
        """Who asks now is asked for in this one; it has not begun."""
        self._last: asyncio.Task[Mapping[Key, Found]] | None = None
        self._open: set[asyncio.Task[Mapping[Key, Found]]] = set()

    async def get(self, key: Key) -> Found | None:
        """What is found for this key, None where there is nothing. Raises what `look` raised."""
        if self._next is None:
            keys: set[Key] = set()
            self._last = asyncio.create_task(self._ask(keys, after=self._last))
            self._next = _Question(keys, self._last)
            self._open.add(self._last)
            self._last.add_done_callback(self._open.discard)
        question = self._next
        question.keys.add(key)
        return (await asyncio.shield(question.task)).get(key)

    async def close(self) -> None:
        """End the questions that are under way: nobody waits for them any more, and each may hold a connection."""
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, keys: set[Key], *, after: asyncio.Task[Mapping[Key, Found]] | None) -> Mapping[Key, Found]:
        if after is not None:
            await asyncio.wait([after])
        self._next = None
        return await self._look(keys)
