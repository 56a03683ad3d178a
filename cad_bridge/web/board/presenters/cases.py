"""Cases as rows of the board, and what a case counts down to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from cad_bridge.protocol.services import Site
from cad_bridge.store.board import ArmedDeadline
from cad_bridge.store.rows import Escalation, Event, StoredCase
from cad_bridge.web.board.presenters.moments import Countdown, Shown, at, countdown, left
from cad_bridge.web.board.presenters.place import holding, place_line
from cad_bridge.web.board.presenters.safety import Tag, tags
from cad_bridge.web.board.presenters.sheet import Item, Sheet
from cad_bridge.web.board.presenters.states import state_words
from cad_bridge.web.board.presenters.status_report import reason
from cad_bridge.web.board.presenters.timeline import LateResponse, late, other_name, service_name
from cad_bridge.web.board.presenters.words import (
    ESCALATIONS,
    SIDES,
    USE_CASES,
    arp_words,
    spoken,
)
from cad_bridge.workflow.case import Case
from cad_bridge.workflow.vocabulary import DeadlineKind, Duty, Priority, Side, UseCase

Deadlines = Mapping[str, datetime]
"""Armed deadlines of one case: due time by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One case in a list."""

    id: UUID
    number: str
    remote_number: str
    """The other side's case number; empty as long as it has given none."""
    side: str
    side_words: str
    own: str
    other: str
    use_case: str
    state: str
    state_words: str
    advice: str
    group: str
    arp: str
    arp_words: str
    complaint: str
    triage: str
    """What the triage was about, in the words of its codes: for where nobody named a complaint."""
    place: str
    tags: tuple[Tag, ...]
    duty: str
    """Who has to dispatch, where that is not told by the side alone."""
    claimed_by: str
    count: Countdown | None
    dispatch_by: Shown | None
    others_due: tuple[tuple[str, Shown], ...]
    """What else is due, in words: by when it must be accepted, reviewed, answered."""
    updated: Shown
    due_at: datetime | None


def case_row(stored: StoredCase, *, site: Site, deadlines: Deadlines, now: datetime) -> CaseRow:
    """A case as a row, as of `now` (aware UTC)."""
    case, conversation = stored.case, stored.conversation
    other = other_name(stored, site)
    words = state_words(case.use_case, case.side, case.state)
    due_at, count = what_is_due(case, deadlines=deadlines, now=now)
    return CaseRow(
        id=stored.id,
        number=conversation.case_number,
        remote_number=case.remote_case_number or "",
        side=case.side.value,
        side_words=SIDES[case.side],
        own=service_name(site, conversation.local_service),
        other=other,
        use_case=USE_CASES.get(case.use_case.value, case.use_case.value),
        state=case.state,
        state_words=words.name,
        advice=_advice(words.advice.format(other=other), stored),
        group=words.group,
        arp=case.arp.value if case.arp is not None else "",
        arp_words=arp_words(case.arp.value) if case.arp is not None else "",
        complaint=complaint_line(stored.content),
        triage=triage_line(stored.content),
        place=place_line(holding(stored.content, stored.outcome)),
        tags=tags(stored.content, stored.outcome, stored.warnings),
        duty=duty_words(case),
        claimed_by=case.claimed_by or "",
        count=count,
        dispatch_by=at(case.dispatch_by, today=now) if case.dispatch_by else None,
        others_due=tuple(
            (words_, at(deadlines[kind], today=now))
            for kind, words_ in _OTHERS_DUE
            if kind in deadlines and deadlines[kind] != due_at
        ),
        updated=at(stored.updated_at, today=now),
        due_at=due_at,
    )


def _advice(words: str, stored: StoredCase) -> str:
    """With the case that the responder raised over ITK, or that one was not named (APP4-VS-23, X-47)."""
    if stored.case.duplicate_of is not None:
        return f"{words} New CAD case {stored.case.duplicate_of}: mark this one as its duplicate."
    if stored.case.side is Side.REQUESTER and _is_upgrade(stored):
        return f"{words} The upgrade names no new CAD case: look for the one that came over ITK, and link it."
    return words


def _priority(code: object) -> Priority | None:
    """What came may have any shape: the page is shown all the same."""
    return Priority.parse(code) if isinstance(code, str) else None


def _is_upgrade(stored: StoredCase) -> bool:
    """Whether a final response raised the case to C1 or C2, which its responder asks for over ITK as well."""
    outcome, case = stored.outcome or {}, stored.case
    said, asked = _priority(outcome.get("arp")), _priority(case.triage.get("arp"))
    return case.use_case.is_validation and said in {Priority.C1, Priority.C2} and said.raises(asked)


_OTHERS_DUE = (
    (DeadlineKind.INTAKE.value, "Accept by"),
    (DeadlineKind.REVIEW.value, "Hub review by"),
    (DeadlineKind.ANSWER.value, "Their answer due"),
    (DeadlineKind.STATUS.value, "Their next status due"),
)


def duty_words(case: Case) -> str:
    """Whose the duty is; empty for a validation, where it is always its requester's."""
    if case.use_case.is_validation:
        return ""
    ours = (case.dispatch_duty is Duty.SENDER) is (case.side is Side.REQUESTER)
    what = "duty of care" if case.use_case is UseCase.CAS_REFERRAL else "to dispatch"
    whose = ("Our " if ours else "Their ") if what == "duty of care" else ("Ours " if ours else "Theirs ")
    return whose + what


def what_is_due(case: Case, *, deadlines: Deadlines, now: datetime) -> tuple[datetime | None, Countdown | None]:
    """What a case counts down to (docs/board.md): the breach, a dispatch, a call-back, or what the others owe us."""
    group = state_words(case.use_case, case.side, case.state).group
    if group in {"ended", "answered"}:
        return None, None
    if case.use_case.is_validation and (group != "dispatch" or case.state == "undelivered"):
        calm = "act now" if group == "dispatch" else "in time"
        return _counted(case.breach_at, now, label="to breach", passed="breached", calm=calm)
    if case.use_case is UseCase.CAS_REFERRAL and case.side is Side.RESPONDER:
        due = case.breach_at if case.state != "in_progress" else None
        return _counted(due, now, label="to call back", passed="late")
    if case.use_case.is_cad_to_cad and case.side is Side.RESPONDER:
        return _of_receiver(case, deadlines, now)
    if group == "dispatch" or duty_words(case).startswith("Ours"):
        return _to_dispatch(case, deadlines.get(DeadlineKind.DISPATCH.value), now)
    awaited = (deadlines.get(DeadlineKind.ANSWER.value), deadlines.get(DeadlineKind.STATUS.value))
    return _counted(_soonest(*awaited), now, label="to their news", passed="late")


def _to_dispatch(case: Case, deadline: datetime | None, now: datetime) -> tuple[datetime | None, Countdown | None]:
    """The site's own deadline, after which it escalates, or the national target: whichever comes first."""
    due = _soonest(deadline, case.dispatch_by)
    label = "until it escalates" if due == deadline else f"to the {case.arp} target"
    return _counted(due, now, label=label, passed="late", calm="dispatch now")


def _of_receiver(case: Case, deadlines: Deadlines, now: datetime) -> tuple[datetime | None, Countdown | None]:
    """By when to accept, by when the resource is needed, or the national target where the duty is ours: the soonest."""
    waiting = case.state != "in_progress"
    ours = duty_words(case).startswith("Ours")
    known = (
        (deadlines.get(DeadlineKind.INTAKE.value), "to accept it"),
        (deadlines.get(DeadlineKind.DISPATCH.value), "until it escalates"),
        (case.needed_by if waiting else None, "until the resource is needed"),
        (case.dispatch_by if waiting and ours else None, f"to the {case.arp} target"),
    )
    due, label = min(((at_, words) for at_, words in known if at_ is not None), default=(None, ""))
    return _counted(due, now, label=label, passed="late", calm="act now" if case.state == "received" else "in time")


def _soonest(*times: datetime | None) -> datetime | None:
    return min((due for due in times if due is not None), default=None)


def _counted(
    due: datetime | None, now: datetime, *, label: str, passed: str, calm: str = "in time"
) -> tuple[datetime | None, Countdown | None]:
    return due, countdown(due, now=now, label=label, passed=passed, calm=calm) if due is not None else None


def complaint_line(content: Mapping[str, object]) -> str:
    """What is wrong, in the words of the sender: the presenting complaint, the chief concern, or both."""
    said = (content.get("presenting_complaint"), content.get("chief_concern"))
    return " / ".join(dict.fromkeys(text for text in said if isinstance(text, str)))


def triage_line(content: Mapping[str, object]) -> str:
    """The symptom group and discriminator, or the AMPDS code, in words."""
    triage = content.get("triage")
    triage = triage if isinstance(triage, Mapping) else {}
    pathways = triage.get("pathways")
    pathways = pathways if isinstance(pathways, Mapping) else {}
    said = (pathways.get("sg"), pathways.get("sd"), triage.get("ampds"))
    words = (code.get("display") or code.get("code") for code in said if isinstance(code, Mapping))
    return ", ".join(word for word in words if isinstance(word, str))


_FAR = datetime.max.replace(tzinfo=UTC)


def by_due(rows: Iterable[CaseRow]) -> list[CaseRow]:
    """The soonest first, those with nothing due last."""
    return sorted(rows, key=lambda row: (row.due_at or _FAR, row.number))


def deadlines_by_case(armed: Iterable[ArmedDeadline]) -> dict[UUID, dict[str, datetime]]:
    """The armed deadlines of each case; of several of a kind the earliest."""
    found: dict[UUID, dict[str, datetime]] = {}
    for deadline in armed:
        of_case = found.setdefault(deadline.case_id, {})
        of_case[deadline.kind] = min(deadline.due_at, of_case.get(deadline.kind, deadline.due_at))
    return found


# --- the sections of the board ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One list of the board."""

    key: str
    title: str
    short: str
    """The same for the summary at the top of the board."""
    empty: str
    rows: tuple[CaseRow, ...]
    shown: bool

    @property
    def first(self) -> CaseRow | None:
        """The case that is due first, if anything is due in this list."""
        return next((row for row in self.rows if row.count is not None), None)


_SECTIONS = (
    ("dispatch", "Dispatch: back with us", "To dispatch", "Nothing is waiting to be dispatched."),
    ("review", "For the clinical hub", "For the hub", "Nothing is waiting for a review."),
    ("out", "Out with other services", "Out", "Nothing is out with other services."),
    ("ours", "In from other services", "In", "Nothing has come in from other services."),
    ("answered", "Settled by others: close", "To close", "Nothing is waiting to be closed."),
)


def sections(rows: Iterable[CaseRow], *, site: Site, services: Sequence[str]) -> tuple[Section, ...]:
    """The lists, each by what is due first. An empty list that the user's services never fill is left out."""
    listed = by_due(rows)
    expected = _expected(site, services)
    found = []
    for key, title, short, empty in _SECTIONS:
        of_group = tuple(row for row in listed if row.group == key)
        shown = key in expected or bool(of_group)
        found.append(Section(key=key, title=title, short=short, empty=empty, rows=of_group, shown=shown))
    return tuple(found)


def _expected(site: Site, services: Sequence[str]) -> set[str]:
    own = [service for service in map(site.service, services) if service is not None]
    asks = any(service.plays(use_case, Side.REQUESTER) for service in own for use_case in service.use_cases)
    answers = any(service.plays(use_case, Side.RESPONDER) for service in own for use_case in service.use_cases)
    return ({"dispatch", "out", "answered"} if asks else set()) | ({"ours"} if answers else set())


# --- escalations -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationCard:
    """One escalation: what happened, what to do, and what has come since."""

    id: UUID
    case_id: UUID
    title: str
    advice: str
    reason: str
    items: tuple[Item, ...]
    raised: Shown
    due: Shown | None
    repeated: int
    acknowledged: Shown | None
    acknowledged_by: str
    late: tuple[LateResponse, ...]
    case: CaseRow
    open_for: str


def escalation_card(
    escalation: Escalation, row: CaseRow, *, stored: StoredCase, events: Iterable[Event], site: Site, now: datetime
) -> EscalationCard:
    """An escalation as it stands, with the late responses of its case beside it."""
    title, advice = ESCALATIONS.get(escalation.reason, (spoken(escalation.reason), "Look at the case."))
    acknowledged = escalation.acknowledged_at
    return EscalationCard(
        id=escalation.id,
        case_id=escalation.case_id,
        title=title.format(other=row.other),
        advice=advice.format(other=row.other),
        reason=escalation.reason,
        items=_behind(escalation),
        raised=at(escalation.raised_at, today=now),
        due=at(escalation.due_at, today=now) if escalation.due_at else None,
        repeated=escalation.level,
        acknowledged=at(acknowledged, today=now) if acknowledged else None,
        acknowledged_by=escalation.acknowledged_by or "",
        late=late(events, site, content=stored.content),
        case=row,
        open_for=left((now - escalation.raised_at).total_seconds()),
    )


_EMERGENCIES = {"C1": 0, "C2": 1}


def most_pressing_first(cards: Iterable[EscalationCard]) -> tuple[EscalationCard, ...]:
    """Category 1, then category 2; then what was raised again most often; then the oldest."""

    def place(card: EscalationCard) -> tuple[int, int, str]:
        return _EMERGENCIES.get(card.case.arp, len(_EMERGENCIES)), -card.repeated, card.raised.iso

    return tuple(sorted(cards, key=place))


def _behind(escalation: Escalation) -> tuple[Item, ...]:
    sheet = Sheet(escalation.data)
    return (
        *sheet.item("Reason", "rejection", reason),
        *sheet.item("What happened", "last_error"),
        *sheet.item("Tries", "attempts"),
        *sheet.item("Priority (ARP) now", "arp"),
        *sheet.item("New CAD case", "new_cad_id"),
        *sheet.item("Feedback", "feedback", reason),
        *sheet.item("Came from", "came_from"),
        *sheet.rest(),
    )
