"""The story of a case in plain words: what happened, when, through whom, and by which rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cad_bridge.protocol.services import Site
from cad_bridge.store.rows import Event, StoredCase
from cad_bridge.web.board.presenters.moments import Shown, at
from cad_bridge.web.board.presenters.outcome import Response, headline, read_response
from cad_bridge.web.board.presenters.parts import YES_NO
from cad_bridge.web.board.presenters.routing import routing
from cad_bridge.web.board.presenters.sheet import Item, Sheet, Value, each, is_empty, moment, plain, worded
from cad_bridge.web.board.presenters.states import state_words
from cad_bridge.web.board.presenters.status_report import STATUSES, past_status, reason
from cad_bridge.web.board.presenters.triage import priority
from cad_bridge.web.board.presenters.words import ESCALATIONS, MESSAGES, MISMATCHES, spoken
from cad_bridge.workflow.vocabulary import VALIDATION_USE_CASES, Side, UseCase


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One event of the story."""

    what: str
    at: Shown
    who: str
    rule: str
    tone: str
    items: tuple[Item, ...]
    """What the event says beside that, all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LateResponse:
    """A response that came when the duty had gone back; it changed nothing by itself."""

    at: Shown
    who: str
    what: str
    response: Response | None
    """For a late final response: all of it."""
    items: tuple[Item, ...]


def service_name(site: Site, service_id: str) -> str:
    """What people call a service."""
    own = site.service(service_id)
    return own.name if own is not None else site.remote(service_id).name


def other_name(stored: StoredCase, site: Site) -> str:
    """The other side's name: as configured, else as it calls itself, with the number of its service."""
    remote = stored.conversation.remote_service
    known = site.remotes.get(remote) or site.services.get(remote)
    sender = stored.content.get("sending_service") if stored.case.side is Side.RESPONDER else None
    name = sender.get("name") if isinstance(sender, Mapping) else None
    if known is None and isinstance(name, str) and name:
        return f"{name} ({service_name(site, remote)})"
    return service_name(site, remote)


def who(by: str, site: Site, *, other: str = "") -> str:
    """Who did it: a person or client by name, a service by its name, the service's own parts in words.

    `other` is what the case's other side is called where the configuration does not name it.
    """
    if "|" in by:
        known = by in site.services or by in site.remotes
        return service_name(site, by) if known or not other else other
    return {"": "the service", "delivery": "the service, delivering", "failsafe": "the failsafe"}.get(by, by)


def story(events: Iterable[Event], site: Site, *, other: str) -> tuple[Step, ...]:
    """All events, newest first."""
    return tuple(_step(event, site, other) for event in events)[::-1]


def _step(event: Event, site: Site, other: str) -> Step:
    tell = _TELLING.get(event.type)
    sheet = Sheet(event.data)
    what, tone = tell(sheet, event, other) if tell is not None else (spoken(event.type.replace(".", " ")), "")
    return Step(
        what=what,
        at=at(event.at),
        who=who(event.by, site, other=other),
        rule=event.rule,
        tone=tone,
        items=_told(sheet, event),
    )


def late(events: Iterable[Event], site: Site, *, content: Mapping[str, Any]) -> tuple[LateResponse, ...]:
    """The late responses among the events, oldest first."""
    return tuple(_late(event, site, content) for event in events if event.type == "response.late")


def _late(event: Event, site: Site, content: Mapping[str, Any]) -> LateResponse:
    shown, by = at(event.at), who(event.by, site)
    sheet = Sheet(event.data)
    outcome = sheet.take("outcome")
    response = None
    if isinstance(outcome, Mapping):
        response = read_response(outcome, content=content, source=f"late response of {by}, {shown.text}")
    elif not is_empty(outcome):
        sheet = Sheet(dict(event.data))
    what, _ = _late_words(sheet, event, by)
    return LateResponse(at=shown, who=by, what=what, response=response, items=_told(sheet, event))


# --- one sentence for each kind of event -----------------------------------------------------------

Telling = Callable[[Sheet, Event, str], tuple[str, str]]


def _is_responder(event: Event) -> bool:
    return event.case.get("side") == Side.RESPONDER


def _created(_sheet: Sheet, event: Event, other: str) -> tuple[str, str]:
    return (f"Request received from {other}" if _is_responder(event) else f"Request made, for {other}"), ""


def _acknowledged(sheet: Sheet, _event: Event, other: str) -> tuple[str, str]:
    number = sheet.string("remote_case_number")
    return f"{other} has it" + (f" as {number}" if number else "; it gave no case number"), "good"


def _updated(sheet: Sheet, event: Event, other: str) -> tuple[str, str]:
    for name, words in (
        ("dispatched", "Resource going: the failsafe no longer watches the case"),
        ("closed", "Closed"),
        ("accepted", "Accepted"),
    ):
        if sheet.take(name) is True:
            sheet.take("changed")
            return words, "good"
    if sheet.has("conflict"):
        parts = _parts(sheet, "conflict")
        return f"Update by {other} not taken: it differs from what was corrected here ({parts}). Call them", "bad"
    if sheet.has("corrected"):
        parts = _parts(sheet, "corrected")
        return (f"Corrected here: {parts}" if parts else "Nothing is corrected here any more"), ""
    for name, words in (("cancellation", "our cancellation"), ("update", "our update")):
        if sheet.has(name):
            taken = sheet.string(name) == "taken"
            return f"{other} has {'taken' if taken else 'not taken'} {words}", "good" if taken else "bad"
    return ("Updated by " + (other if _is_responder(event) else "us")), ""


def _parts(sheet: Sheet, name: str) -> str:
    sheet.take("changed")
    return ", ".join(spoken(str(part)) for part in sheet.take(name) or ())


def _update_sent(_sheet: Sheet, _event: Event, other: str) -> tuple[str, str]:
    return f"Update made, for {other}", ""


def _cancelled(_sheet: Sheet, event: Event, other: str) -> tuple[str, str]:
    return (f"Cancelled by {other}" if _is_responder(event) else "Cancelled by us"), "bad"


def _in_progress(_sheet: Sheet, event: Event, other: str) -> tuple[str, str]:
    return ("Consultation started" if _is_responder(event) else f"{other} has started the consultation"), "good"


def _returned(_sheet: Sheet, event: Event, other: str) -> tuple[str, str]:
    return (f"Sent back to {other}" if _is_responder(event) else f"Sent back to us by {other}"), "bad"


def _completed(sheet: Sheet, event: Event, other: str) -> tuple[str, str]:
    if event.case.get("use_case") not in VALIDATION_USE_CASES:
        if event.data.get("dispatch_required") is False:
            sheet.take("dispatch_required")  # our own word for "nothing is left to dispatch": nobody has decided that
        return f"{'We have' if _is_responder(event) else other + ' has'} finished", "good"
    said = headline(event.data)
    sheet.take("dispatch_required")
    return f"Final response{' of ' + other if not _is_responder(event) else ''}: {said.text}", said.tone


def _failsafe(_sheet: Sheet, _event: Event, _other: str) -> tuple[str, str]:
    return "Failsafe: breach time passed without an answer, the case is back on dispatch", "bad"


def _escalation(words: str, tone: str) -> Telling:
    def tell(sheet: Sheet, _event: Event, _other: str) -> tuple[str, str]:
        reason = sheet.string("reason")
        sheet.take("escalation_id")  # our own key, no words for people
        by = sheet.string("by")
        name, _ = ESCALATIONS.get(reason, (spoken(reason), ""))
        return f"{words}{' by ' + by if by else ''}: {name}", tone

    return tell


def _review_required(sheet: Sheet, event: Event, other: str) -> tuple[str, str]:
    said = headline(event.data)
    sheet.take("dispatch_required")
    return f"{other} has answered ({said.text}): the clinical hub must review it", "bad"


def _reviewed(sheet: Sheet, event: Event, _other: str) -> tuple[str, str]:
    said = headline(event.data)
    sheet.take("dispatch_required")
    return f"Reviewed by the clinical hub: {said.text}", said.tone


def _contact_attempt(_sheet: Sheet, _event: Event, _other: str) -> tuple[str, str]:
    return "Tried to reach the patient, without success", ""


def _status_told(sheet: Sheet, event: Event, other: str) -> tuple[str, str]:
    status = sheet.string("status")
    teller = "We report" if _is_responder(event) else f"{other} reports"
    return f"{teller}: {STATUSES.get(status, status)}", "good"


def _failed(sheet: Sheet, _event: Event, other: str) -> tuple[str, str]:
    kind = sheet.string("message") or "request"
    return f"{MESSAGES.get(kind, spoken(kind))} could not be delivered to {other}", "bad"


def _late_words(sheet: Sheet, event: Event, _other: str) -> tuple[str, str]:
    kind = sheet.string("response")
    words = MESSAGES.get(kind, spoken(kind) if kind else "Response")
    if kind == "final":
        words = f"{words}: {headline(event.data | {'contradictory': _contradictory(event.data)}).text}"
        words += f" ({event.data['arp']})" if isinstance(event.data.get("arp"), str) else ""
        sheet.take("dispatch_required")
    return f"{words}. It came late and changed nothing by itself", "bad"


def _contradictory(data: Mapping[str, Any]) -> bool:
    outcome = data.get("outcome")
    return bool(outcome.get("contradictory")) if isinstance(outcome, Mapping) else False


_TELLING: dict[str, Telling] = {
    "case.created": _created,
    "case.acknowledged": _acknowledged,
    "case.update_sent": _update_sent,
    "case.updated": _updated,
    "case.cancelled": _cancelled,
    "case.in_progress": _in_progress,
    "case.returned": _returned,
    "case.completed": _completed,
    "case.review_required": _review_required,
    "case.reviewed": _reviewed,
    "case.contact_attempt": _contact_attempt,
    "case.status": _status_told,
    "failsafe.dispatch": _failsafe,
    "escalation.raised": _escalation("Escalated", "bad"),
    "escalation.repeated": _escalation("Raised again, nobody had acknowledged it", "bad"),
    "escalation.acknowledged": _escalation("Acknowledged", "good"),
    "delivery.failed": _failed,
    "response.late": _late_words,
}


# --- everything else that an event says ------------------------------------------------------------


def _detail(label: str, value: Any) -> Item:
    """What lies behind an escalation."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    return Item(
        label=label,
        items=(
            *sheet.item("Reason", "rejection", reason),
            *sheet.item("Priority (ARP)", "arp", priority),
            *sheet.item("New CAD case", "new_cad_id"),
            *sheet.item("Feedback", "feedback", reason),
            *sheet.item("Came from", "came_from"),
            *sheet.item("What happened", "last_error"),
            *sheet.item("Tries", "attempts"),
            *sheet.item("Message", "message", worded(MESSAGES)),
            *sheet.item("Why it does not fit", "why", worded(MISMATCHES)),
            *sheet.rest(),
        ),
    )


def _told(sheet: Sheet, event: Event) -> tuple[Item, ...]:
    state = sheet.string("state")
    return (
        *sheet.item("Reason", "reason", reason),
        *sheet.item("What happened", "last_error"),
        *sheet.item("Tries", "attempts"),
        *sheet.item("Priority (ARP)", "arp", priority),
        *sheet.item("Clock start (T5)", "clock_start", moment),
        *_clock_start_note(sheet.take("clock_start_from_message_time")),
        *sheet.item("Dispatch by", "dispatch_by", moment),
        *sheet.item("Breach time", "breach_at", moment),
        *sheet.item("Fired at", "fired_at", moment),
        *sheet.item("Due", "due_at", moment),
        *sheet.item("New CAD case", "new_cad_id"),
        *sheet.item("Amended by the hub", "amended", worded(YES_NO)),
        *sheet.item("Whom", "contact"),
        *sheet.item("Note", "note"),
        *sheet.item("Feedback", "feedback", reason),
        *sheet.item("Status", "status", worded(STATUSES)),
        *sheet.item("Since", "status_at", moment),
        *sheet.item("Accepted with it", "accepted", worded(YES_NO)),
        *sheet.item("Older than what is known", "outdated", worded(YES_NO)),
        *sheet.item("Statuses so far", "history", each(past_status)),
        *sheet.item("Changed", "changed", _changed),
        *sheet.item("Original triage", "triage"),
        *sheet.item("Why it went to this service", "discovery", routing),
        *sheet.item("Behind it", "detail", _detail),
        *((plain("State then", _state_name(event, state)),) if state else ()),
        *sheet.item("By", "by"),
        *sheet.item("The response in full", "outcome"),
        *sheet.rest(),
    )


def _state_name(event: Event, state: str) -> str:
    try:
        use_case, side = UseCase(event.case.get("use_case", "")), Side(event.case.get("side", ""))
    except ValueError:
        return state
    return state_words(use_case, side, state).name


def _changed(label: str, value: Any) -> Item:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return Item(label=label, values=tuple(Value(text=spoken(name)) for name in value))
    return plain(label, value)


def _clock_start_note(guessed: Any) -> tuple[Item, ...]:
    """Only where the time was taken from the message itself (APP4-VS-20); otherwise there is nothing to say."""
    if guessed is not True:
        return ()
    text = "The response raised the priority and left the clock as it was: the time of its message counts."
    return (Item(label="Clock start", values=(Value(text=text, tone="warning"),)),)
