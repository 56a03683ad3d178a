"""What the boards show, read once for all boards of the same people, however many are open."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cad_bridge.protocol.services import Site
from cad_bridge.store import board, queries
from cad_bridge.store.nodes import failsafe_health
from cad_bridge.store.queries import CaseFilter
from cad_bridge.store.rows import Escalation, Event, StoredCase, Subscription
from cad_bridge.web.board.pages import render
from cad_bridge.web.board.presenters.cases import (
    CaseRow,
    EscalationCard,
    Section,
    case_row,
    deadlines_by_case,
    escalation_card,
    most_pressing_first,
    sections,
)
from cad_bridge.web.board.presenters.moments import Shown, at
from cad_bridge.web.board.presenters.timeline import service_name
from cad_bridge.web.board.presenters.words import MESSAGES, spoken
from cad_bridge.web.board.sharing import Shared
from cad_bridge.web.context import WebContext

LIMIT = 1000
"""Rows of each kind on one board. If there are more, the board says so."""


@dataclass(frozen=True, slots=True)
class Live:
    """The changing part of a board as a page has it, and the same compressed."""

    html: str
    compressed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckMessage:
    """A message that was tried and has not arrived."""

    case_id: UUID
    case_number: str
    kind: str
    to: str
    attempts: int
    next_try: Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What a board shows."""

    version: str
    """Differs whenever the board has to be shown anew."""
    faults: tuple[str, ...]
    escalations: tuple[EscalationCard, ...]
    sections: tuple[Section, ...]
    stuck: tuple[StuckMessage, ...]
    failing: tuple[str, ...]
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What the database holds for a board, as of `now` (aware UTC)."""

    now: datetime
    version: str
    faults: tuple[str, ...]
    cases: Sequence[StoredCase]
    """The open ones, and those of open escalations."""
    escalations: Sequence[Escalation]
    late: Sequence[Event]
    deadlines: Sequence[board.ArmedDeadline]
    undelivered: Sequence[board.Undelivered]
    failing: Sequence[Subscription]


class _Seen:
    """A board, made into a page for those who may acknowledge and for those who may not when first asked for."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._pages: dict[bool, asyncio.Task[Live]] = {}

    async def page(self, *, may_acknowledge: bool) -> Live:
        page = self._pages.get(may_acknowledge)
        if page is None:
            making = asyncio.to_thread(_rendered, self._board, may_acknowledge=may_acknowledge)
            page = self._pages[may_acknowledge] = asyncio.create_task(making)
        return await asyncio.shield(page)


class Watch:
    """The boards' eyes on the database."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._versions: Shared[tuple[str, ...], str] = Shared(self._version, fresh=1.0, pause=0.1)
        self._boards: Shared[tuple[str, ...], _Seen] = Shared(self._look, fresh=1.0, pause=0.4)
        context.on_events(self.changed)

    def changed(self) -> None:
        """Something was committed, or somebody wants to see what is there now and not what was a moment ago."""
        self._versions.changed()
        self._boards.changed()

    async def close(self) -> None:
        """Stop looking: the service ends."""
        await self._versions.close()
        await self._boards.close()

    async def version(self, services: Sequence[str]) -> str:
        """A text that differs whenever a board of these services has to be shown anew."""
        return await self._versions.get(tuple(sorted(services)))

    async def live(self, services: Sequence[str], *, may_acknowledge: bool) -> Live:
        """What a board of these services shows."""
        seen = await self._boards.get(tuple(sorted(services)))
        return await seen.page(may_acknowledge=may_acknowledge)

    async def _look(self, services: tuple[str, ...]) -> _Seen:
        kept = await self._read(services)
        # In a thread: hundreds of rows take a while, and messages that arrive meanwhile must not wait for them.
        return _Seen(await asyncio.to_thread(_board, kept, services, self._context.engine.site))

    async def _faults(self) -> tuple[str, ...]:
        health = await failsafe_health(self._context.database)
        return tuple(health.faults(now=self._context.now()))

    async def _version(self, services: tuple[str, ...]) -> str:
        state = await board.state_of_services(self._context.database, services)
        return hashlib.sha256("\n".join((state, *await self._faults())).encode()).hexdigest()[:20]

    async def _read(self, services: tuple[str, ...]) -> _Kept:
        database, now = self._context.database, self._context.now()
        # The version is read first: if more is committed meanwhile, the next tick differs and the board looks again.
        version, faults = await self._version(services), await self._faults()
        escalations = await queries.escalations(database, open_only=True, services=services)
        cases = await self._cases(services, {item.case_id for item in escalations})
        return _Kept(
            now=now,
            version=version,
            faults=faults,
            cases=cases,
            escalations=escalations,
            late=await board.late_responses(database, [item.case_id for item in escalations]),
            deadlines=await board.armed_deadlines(database, services),
            undelivered=await board.undelivered(database, services),
            failing=await board.failing_subscriptions(database, services),
        )

    async def _cases(self, services: tuple[str, ...], escalated: set[UUID]) -> list[StoredCase]:
        database = self._context.database
        found = await queries.list_cases(database, CaseFilter(services=services, open_only=True, limit=LIMIT))
        found += await queries.list_cases(database, CaseFilter(services=services, state="completed", limit=LIMIT))
        for case_id in escalated - {case.id for case in found}:
            case = await queries.case_by_id(database, case_id, services=services)
            if case is not None:
                found.append(case)
        return found


def _rendered(seen: Board, *, may_acknowledge: bool) -> Live:
    html = render("live.html", seen=seen, may_acknowledge=may_acknowledge)
    return Live(html, gzip.compress(html.encode(), 3))


def _board(kept: _Kept, services: tuple[str, ...], site: Site) -> Board:
    deadlines = deadlines_by_case(kept.deadlines)
    rows = {
        case.id: case_row(case, site=site, deadlines=deadlines.get(case.id, {}), now=kept.now) for case in kept.cases
    }
    return Board(
        version=kept.version,
        faults=kept.faults,
        escalations=_cards(kept, rows, site),
        sections=sections(rows.values(), site=site, services=services),
        stuck=tuple(_stuck(item, site, kept.now) for item in kept.undelivered),
        failing=tuple(item.client for item in kept.failing),
        truncated=len(kept.cases) >= LIMIT,
    )


def _cards(kept: _Kept, rows: Mapping[UUID, CaseRow], site: Site) -> tuple[EscalationCard, ...]:
    """Open escalations, also of cases that have ended."""
    stored = {case.id: case for case in kept.cases}
    cards = (
        escalation_card(
            item,
            rows[item.case_id],
            stored=stored[item.case_id],
            events=[event for event in kept.late if event.case_id == item.case_id],
            site=site,
            now=kept.now,
        )
        for item in kept.escalations
        if item.case_id in rows
    )
    return most_pressing_first(cards)


def _stuck(item: board.Undelivered, site: Site, now: datetime) -> StuckMessage:
    return StuckMessage(
        case_id=item.case_id,
        case_number=item.case_number,
        kind=MESSAGES.get(item.kind, spoken(item.kind)),
        to=service_name(site, item.remote_service),
        attempts=item.attempts,
        next_try=at(item.next_attempt_at, today=now),
    )
