"""Following the event list of a service, for several stories at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from .identity import Json
from .local_api import LocalApi, LocalApiError

_PAGE = 200
_FATAL = {400, 401, 403, 404, 405, 422}


class EventFeed:
    """Reads `GET /events` from where it stood when the shift began, and keeps the events of each case in order."""

    def __init__(self, api: LocalApi, *, poll_interval: float) -> None:
        self._api = api
        self._poll_interval = poll_interval
        self._cursor: str | None = None
        self._events: dict[str, list[Json]] = defaultdict(list)
        self._news = asyncio.Condition()
        self._failure: LocalApiError | None = None

    async def catch_up(self) -> None:
        """Reads past everything that happened before. Raises LocalApiError."""
        while True:
            events, self._cursor = await self._api.events(after=self._cursor, limit=_PAGE)
            if len(events) < _PAGE:
                return

    async def follow(self) -> None:
        """Polls until cancelled. A failure that cannot pass by itself ends it and reaches everybody who waits."""
        while self._failure is None:
            try:
                events, self._cursor = await self._api.events(after=self._cursor, limit=_PAGE)
            except LocalApiError as error:
                events = []
                self._failure = error if error.status in _FATAL else None
            await self._keep(events)
            if not events:
                await asyncio.sleep(self._poll_interval)

    def of(self, case_id: str) -> tuple[Json, ...]:
        """The events of a case so far, in order."""
        return tuple(self._events[case_id])

    async def wait_for(self, case_id: str, wanted: Callable[[int, Json], bool]) -> tuple[int, Json]:
        """The first event of a case, and its place, that is wanted. Raises LocalApiError when the feed broke."""
        async with self._news:
            while True:
                for place, event in enumerate(self._events[case_id]):
                    if wanted(place, event):
                        return place, event
                if self._failure is not None:
                    raise self._failure
                await self._news.wait()

    async def _keep(self, events: list[Json]) -> None:
        async with self._news:
            for event in events:
                self._events[str(event["case"]["id"])].append(event)
            if events or self._failure is not None:
                self._news.notify_all()
