"""What the boards show, read once for all boards of the same services, however many are open."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cad_bridge.store import board, queries
from cad_bridge.store.nodes import failsafe_health
from cad_bridge.store.queries import CaseFilter
from cad_bridge.store.rows import StoredCase
from cad_bridge.web.board.pages import render
from cad_bridge.web.board.presenters.cases import (
    CaseRow,
    EscalationCard,
    Section,
    case_row,
    deadlines_by_case,
    escalation_card,
    sections,
)
from cad_bridge.web.board.presenters.moments import Shown, at
from cad_bridge.web.board.presenters.timeline import service_name
from cad_bridge.web.board.presenters.words import MESSAGES, spoken
from cad_bridge.web.board.sharing import Services, Shared
from cad_bridge.web.context import WebContext

LIMIT = 1000
"""Rows of each kind on one board. If there are more, the board says so."""


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
class Seen:
    """What a board shows, and the text that differs whenever it does."""

    version: str
    faults: tuple[str, ...]
    escalations: tuple[EscalationCard, ...]
    sections: tuple[Section, ...]
    stuck: tuple[StuckMessage, ...]
    failing: tuple[str, ...]
    truncated: bool
    rendered: dict[bool, tuple[str, bytes]] = field(default_factory=dict)

    def live(self, *, may_acknowledge: bool) -> tuple[str, bytes]:
        """The changing part of the page, and the same compressed: rendered once for all who may do the same."""
        if may_acknowledge not in self.rendered:
            html = render("live.html", seen=self, may_acknowledge=may_acknowledge)
            self.rendered[may_acknowledge] = (html, gzip.compress(html.encode(), 3))
        return self.rendered[may_acknowledge]


class Watch:
    """The boards' eyes on the database."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._versions = Shared(self._version, fresh=1.0, pause=0.1)
        self._boards = Shared(self._board, fresh=1.0, pause=0.4)
        context.on_events(self.changed)

    def changed(self) -> None:
        """Something was committed, or somebody wants to see what is there now and not what was a moment ago."""
        self._versions.changed()
        self._boards.changed()

    async def version(self, services: Sequence[str]) -> str:
        """A text that differs whenever a board of these services has to be shown anew."""
        return await self._versions.get(tuple(sorted(services)))

    async def board(self, services: Sequence[str]) -> Seen:
        """What a board of these services shows."""
        return await self._boards.get(tuple(sorted(services)))

    async def _faults(self) -> tuple[str, ...]:
        health = await failsafe_health(self._context.database)
        return tuple(health.faults(now=self._context.now()))

    async def _version(self, services: Services) -> str:
        state = await board.state_of_services(self._context.database, services)
        return hashlib.sha256("\n".join((state, *await self._faults())).encode()).hexdigest()[:20]

    async def _board(self, services: Services) -> Seen:
        # The version is read first: if more is committed meanwhile, the next tick differs and the board looks again.
        version, faults = await self._version(services), await self._faults()
        database, site, now = self._context.database, self._context.engine.site, self._context.now()
        stored = await self._open_cases(services)
        deadlines = deadlines_by_case(await board.armed_deadlines(database, services))
        rows = {case.id: case_row(case, site=site, deadlines=deadlines.get(case.id, {}), now=now) for case in stored}
        return Seen(
            version=version,
            faults=faults,
            escalations=await self._escalations(services, {case.id: case for case in stored}, rows, now),
            sections=sections(rows.values(), site=site, services=services),
            stuck=await self._stuck(services, now),
            failing=tuple(item.client for item in await board.failing_subscriptions(database, services)),
            truncated=len(stored) >= LIMIT,
        )

    async def _open_cases(self, services: Services) -> list[StoredCase]:
        database = self._context.database
        open_cases = CaseFilter(services=services, open_only=True, limit=LIMIT)
        answered = CaseFilter(services=services, state="completed", limit=LIMIT)
        return [*await queries.list_cases(database, open_cases), *await queries.list_cases(database, answered)]

    async def _escalations(
        self, services: Services, stored: dict[UUID, StoredCase], rows: dict[UUID, CaseRow], now: datetime
    ) -> tuple[EscalationCard, ...]:
        """Open escalations, also of cases that have ended, gravest first: raised again most often, then oldest."""
        database, site = self._context.database, self._context.engine.site
        found = await queries.escalations(database, open_only=True, services=services)
        for case_id in {item.case_id for item in found} - set(stored):
            case = await queries.case_by_id(database, case_id, services=services)
            if case is not None:
                stored[case_id] = case
                rows[case_id] = case_row(case, site=site, deadlines={}, now=now)
        late = await board.late_responses(database, [item.case_id for item in found])
        cards = [
            escalation_card(
                item,
                rows[item.case_id],
                stored=stored[item.case_id],
                events=[event for event in late if event.case_id == item.case_id],
                site=site,
                now=now,
            )
            for item in found
        ]
        return tuple(sorted(cards, key=lambda card: (-card.repeated, card.raised.iso)))

    async def _stuck(self, services: Services, now: datetime) -> tuple[StuckMessage, ...]:
        site = self._context.engine.site
        return tuple(
            StuckMessage(
                case_id=item.case_id,
                case_number=item.case_number,
                kind=MESSAGES.get(item.kind, spoken(item.kind)),
                to=service_name(site, item.remote_service),
                attempts=item.attempts,
                next_try=at(item.next_attempt_at, today=now),
            )
            for item in await board.undelivered(self._context.database, services)
        )
