"""Everything on the page of one case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from cad_bridge.protocol.services import Site
from cad_bridge.store.rows import Escalation, Event, StoredCase, StoredMessage
from cad_bridge.web.board.presenters.cases import (
    CaseRow,
    EscalationCard,
    case_row,
    complaint_line,
    escalation_card,
)
from cad_bridge.web.board.presenters.content import BREACH, Reading, read_content
from cad_bridge.web.board.presenters.moments import Shown, age, at
from cad_bridge.web.board.presenters.outcome import Response, read_response, settled_clock_start
from cad_bridge.web.board.presenters.people import Banner, CallBack, banner, call_backs
from cad_bridge.web.board.presenters.place import holding, place_line, place_note
from cad_bridge.web.board.presenters.routing import routing_group
from cad_bridge.web.board.presenters.safety import (
    DANGER,
    WARNING,
    Alert,
    gravest_first,
    is_said_in,
    merged,
    place_alerts,
)
from cad_bridge.web.board.presenters.sheet import Item, Value
from cad_bridge.web.board.presenters.states import state_words
from cad_bridge.web.board.presenters.status_report import read_status_report
from cad_bridge.web.board.presenters.timeline import LateResponse, Step, late, story
from cad_bridge.web.board.presenters.words import ASKED, DEADLINES, MESSAGES, OUTBOX, TRIES, spoken
from cad_bridge.workflow.vocabulary import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Pertinent:
    """What stands at the very top (CORE-REN-05)."""

    patient: Banner
    place: str
    former_place: str
    """Where the request said that it is, if the response says otherwise."""
    place_note: Value | None
    """Whether the location is to be confirmed still; None where it is confirmed."""
    call_backs: tuple[CallBack, ...]
    complaint: str
    asked: str
    in_their_words: tuple[str, ...]
    by_when: tuple[Due, ...]
    """What has to happen by when, the soonest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A time by which something has to happen."""

    what: str
    at: Shown
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DueLine:
    """An armed deadline."""

    what: str
    due: Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One try to deliver a message."""

    at: Shown
    verdict: str
    took: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of a message of ours."""

    state: str
    tone: str
    attempts: int
    next_try: Shown | None
    tries: tuple[Try, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLine:
    """A message of the case."""

    id: UUID
    at: Shown
    direction: str
    kind: str
    partner: str
    size: str
    warnings: int
    has_answer: bool
    delivery: Delivery | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A deviation of a message that was tolerated."""

    text: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """The page."""

    row: CaseRow
    clock_start: Shown | None
    created: Shown
    source: str
    pertinent: Pertinent
    escalations: tuple[EscalationCard, ...]
    alerts: tuple[Alert, ...]
    response: Response | None
    clock_item: Item | None
    late: tuple[LateResponse, ...]
    reading: Reading
    steps: tuple[Step, ...]
    deadlines: tuple[DueLine, ...]
    messages: tuple[MessageLine, ...]
    warnings: tuple[Deviation, ...]

    @property
    def open_escalations(self) -> tuple[EscalationCard, ...]:
        """Those that nobody has acknowledged."""
        return tuple(card for card in self.escalations if card.acknowledged is None)

    @property
    def settled_escalations(self) -> tuple[EscalationCard, ...]:
        """Those that somebody has acknowledged."""
        return tuple(card for card in self.escalations if card.acknowledged is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """What is stored about one case."""

    stored: StoredCase
    escalations: Sequence[Escalation]
    deadlines: Sequence[Mapping[str, Any]]
    events: Sequence[Event]
    messages: Sequence[StoredMessage]
    deliveries: Sequence[Mapping[str, Any]]


def case_page(facts: CaseFacts, *, site: Site, now: datetime) -> CasePage:
    """The page as of `now` (aware UTC)."""
    stored = facts.stored
    case, content = stored.case, stored.content
    due = {deadline["kind"]: deadline["due_at"] for deadline in reversed(facts.deadlines)}
    row = case_row(stored, site=site, deadlines=due, now=now)
    requester = case.side is Side.REQUESTER
    source = _source(facts, row, requester=requester)
    reading = _with_routing(read_content(content, source=source, age=_age(content, now)), stored)
    response = None
    if stored.outcome is not None:
        read = read_response if case.use_case.is_validation else read_status_report
        response = read(stored.outcome, content=content, source=_response_source(facts, row, requester))
    lates = late(facts.events, site, content=content)
    return CasePage(
        row=row,
        clock_start=at(case.clock_start, today=now) if case.clock_start else None,
        created=at(stored.created_at),
        source=source,
        pertinent=_pertinent(stored, now),
        escalations=tuple(
            escalation_card(item, row, stored=stored, events=facts.events, site=site, now=now)
            for item in facts.escalations
        ),
        alerts=_alerts(stored, reading, response, lates),
        response=response,
        clock_item=settled_clock_start(stored.outcome, case.clock_start) if stored.outcome else None,
        late=lates,
        reading=reading,
        steps=story(facts.events, site, other=row.other),
        deadlines=tuple(
            DueLine(what=DEADLINES.get(item["kind"], spoken(item["kind"])), due=at(item["due_at"], today=now))
            for item in facts.deadlines
        ),
        messages=tuple(_messages(facts, row, now)),
        warnings=tuple(_warning(item) for item in stored.warnings),
    )


def _with_routing(reading: Reading, stored: StoredCase) -> Reading:
    """Why it went there, or whose area it is, stands beside where it is."""
    place = next((n for n, group in enumerate(reading.groups, 1) if group.key == "place"), 0)
    groups = (*reading.groups[:place], *routing_group(stored.discovery), *reading.groups[place:])
    return replace(reading, groups=groups)


def _source(facts: CaseFacts, row: CaseRow, *, requester: bool) -> str:
    told = [message for message in facts.messages if message.kind in {"request", "update"}]
    when = told[-1].at if told else facts.stored.created_at
    verb = "sent" if requester else "received"
    return f"Request of {row.own if requester else row.other}, {verb} {at(when).text}"


def _response_source(facts: CaseFacts, row: CaseRow, requester: bool) -> str:
    told = [message for message in facts.messages if message.kind in _RESPONSES]
    what = MESSAGES[told[-1].kind or ""] if told else "Response"
    when = f", {at(told[-1].at).text}" if told else ""
    return f"{what} of {row.other if requester else row.own}{when}"


_RESPONSES = {"final", "status", "refusal"}


def _alerts(
    stored: StoredCase, reading: Reading, response: Response | None, lates: Iterable[LateResponse]
) -> tuple[Alert, ...]:
    """What holds now; a late response holds nothing, but what it warns of is shown."""
    found = merged(reading.alerts, response.alerts) if response is not None else reading.alerts
    late = [alert for item in lates if item.response is not None for alert in item.response.alerts]
    warned = (alert for alert in late if alert.tone in {DANGER, WARNING} and not is_said_in(alert, found))
    holding = gravest_first(
        [*(item for item in found if not item.superseded), *place_alerts(stored.content, stored.warnings)]
    )
    return (*warned, *holding, *(item for item in found if item.superseded))


def _age(content: Mapping[str, Any], now: datetime) -> str | None:
    patient = content.get("patient")
    born = patient.get("birth_date") if isinstance(patient, Mapping) else None
    return age(born, today=now) if isinstance(born, str) else None


def _pertinent(stored: StoredCase, now: datetime) -> Pertinent:
    content, use_case = stored.content, stored.case.use_case.value
    where = holding(content, stored.outcome)
    resource = content.get("resource_requested")
    said = (content.get("requested_action"), resource.get("text") if isinstance(resource, Mapping) else None)
    return Pertinent(
        patient=banner(content, age=_age(content, now)),
        place=place_line(where),
        former_place=before if (before := place_line(content)) != place_line(where) else "",
        place_note=place_note(where),
        call_backs=call_backs(content),
        complaint=complaint_line(content),
        asked=ASKED.get(use_case, use_case),
        in_their_words=tuple(text for text in said if isinstance(text, str)),
        by_when=_by_when(stored, now),
    )


def _by_when(stored: StoredCase, now: datetime) -> tuple[Due, ...]:
    """The breach time as long as it binds; where the case is back with us, by when a resource has to go."""
    case = stored.case
    back = state_words(case.use_case, case.side, case.state).group == "dispatch"
    known = (
        (BREACH.get(case.use_case.value, "validation breach").lower(), case.breach_at),
        ("resource needed by", case.needed_by),
        ("dispatch by", case.dispatch_by if back or not case.use_case.is_validation else None),
    )
    found = sorted((due, words) for words, due in known if due is not None)
    return tuple(Due(what=words, at=at(due, today=now), passed=due <= now) for due, words in found)


def _messages(facts: CaseFacts, row: CaseRow, now: datetime) -> Iterable[MessageLine]:
    deliveries = {parcel["message_id"]: parcel for parcel in facts.deliveries}
    for message in facts.messages:
        parcel = deliveries.get(message.id)
        yield MessageLine(
            id=message.id,
            at=at(message.at),
            direction="in" if message.direction == "in" else "out",
            kind=MESSAGES.get(message.kind or "", spoken(message.kind or "message")),
            partner=row.other,
            size=f"{max(1, round(len(message.body) / 1024))} KB",
            warnings=len(message.issues),
            has_answer=message.answer is not None,
            delivery=_delivery(parcel, now) if parcel is not None else None,
        )


def _delivery(parcel: Mapping[str, Any], now: datetime) -> Delivery:
    state = parcel["state"]
    waiting = state == "pending" and parcel["attempts"] > 0
    return Delivery(
        state="not arrived yet, tried again" if waiting else OUTBOX.get(state, spoken(state)),
        tone="bad" if waiting or state == "refused" else "good" if state == "delivered" else "",
        attempts=parcel["attempts"],
        next_try=at(parcel["next_attempt_at"], today=now) if waiting else None,
        tries=tuple(
            Try(
                at=at(item["at"]),
                verdict="no answer, tried again"
                if item["status"] is None
                else TRIES.get(item["verdict"], spoken(item["verdict"])),
                took=f"{item['took_ms']:.0f} ms",
            )
            for item in parcel["tries"]
        ),
    )


def _warning(item: Mapping[str, Any]) -> Deviation:
    return Deviation(
        text=str(item.get("diagnostics") or "A part of the message does not follow the standard."),
        where=str(item.get("expression") or ""),
    )
