"""Everything on the page of one case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from cad_bridge.web.board.presenters.people import CallBack, call_backs
from cad_bridge.web.board.presenters.safety import DANGER, WARNING, Alert, is_said_in, merged
from cad_bridge.web.board.presenters.sheet import Item
from cad_bridge.web.board.presenters.timeline import LateResponse, Step, late, service_name, story
from cad_bridge.web.board.presenters.words import ASKED, DEADLINES, MESSAGES, OUTBOX, TRIES, spoken
from cad_bridge.workflow.vocabulary import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Pertinent:
    """What stands at the very top (CORE-REN-05)."""

    call_backs: tuple[CallBack, ...]
    complaint: str
    asked: str
    in_their_words: tuple[str, ...]
    by_when: tuple[tuple[str, Shown], ...]
    """What has to happen by when, the soonest first."""


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
    source = _source(facts, site, requester=requester)
    reading = read_content(content, source=source, age=_age(content, now))
    response = None
    if stored.outcome is not None:
        response = read_response(stored.outcome, content=content, source=_response_source(facts, row, requester))
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
        alerts=_alerts(reading, response, lates),
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


def _source(facts: CaseFacts, site: Site, *, requester: bool) -> str:
    conversation = facts.stored.conversation
    sender = conversation.local_service if requester else conversation.remote_service
    told = [message for message in facts.messages if message.kind in {"request", "update"}]
    when = told[-1].at if told else facts.stored.created_at
    verb = "sent" if requester else "received"
    return f"Request of {service_name(site, sender)}, {verb} {at(when).text}"


def _response_source(facts: CaseFacts, row: CaseRow, requester: bool) -> str:
    finals = [message for message in facts.messages if message.kind == "final"]
    when = f", {at(finals[-1].at).text}" if finals else ""
    return f"Final response of {row.other if requester else row.own}{when}"


def _alerts(reading: Reading, response: Response | None, lates: Iterable[LateResponse]) -> tuple[Alert, ...]:
    """What holds now; a late response holds nothing, but what it warns of is shown."""
    found = merged(reading.alerts, response.alerts) if response is not None else reading.alerts
    late = [alert for item in lates if item.response is not None for alert in item.response.alerts]
    return (*(alert for alert in late if alert.tone in {DANGER, WARNING} and not is_said_in(alert, found)), *found)


def _age(content: Mapping[str, Any], now: datetime) -> str | None:
    patient = content.get("patient")
    born = patient.get("birth_date") if isinstance(patient, Mapping) else None
    return age(born, today=now) if isinstance(born, str) else None


def _pertinent(stored: StoredCase, now: datetime) -> Pertinent:
    content, use_case = stored.content, stored.case.use_case.value
    resource = content.get("resource_requested")
    said = (content.get("requested_action"), resource.get("text") if isinstance(resource, Mapping) else None)
    return Pertinent(
        call_backs=call_backs(content),
        complaint=complaint_line(content),
        asked=ASKED.get(use_case, use_case),
        in_their_words=tuple(text for text in said if isinstance(text, str)),
        by_when=_by_when(stored, now),
    )


def _by_when(stored: StoredCase, now: datetime) -> tuple[tuple[str, Shown], ...]:
    case = stored.case
    known = (
        (BREACH.get(case.use_case.value, "validation breach").lower(), case.breach_at),
        ("resource needed by", case.needed_by),
        ("dispatch by", case.dispatch_by if not case.use_case.is_validation else None),
    )
    found = sorted((due, words) for words, due in known if due is not None)
    return tuple((words, at(due, today=now)) for due, words in found)


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
