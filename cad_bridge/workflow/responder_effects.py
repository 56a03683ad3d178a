"""What each command means for a responder's validation case, beyond the state it moves to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from cad_bridge.workflow import commands
from cad_bridge.workflow import validation_responder as states
from cad_bridge.workflow.case import Case, dispatch_by
from cad_bridge.workflow.effects import Arm, Disarm, Effect, Send, Tell
from cad_bridge.workflow.mismatch import MismatchReceived
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.turn import Outcome, Turn, escalate
from cad_bridge.workflow.vocabulary import DeadlineKind, EscalationReason, EventType, MessageKind, UseCase

_TAKEN = Disarm(kind=DeadlineKind.INTAKE)


def _interim(turn: Turn) -> Send:
    command = cast(commands.Accept | commands.Start, turn.command)
    return Send(kind=MessageKind.INTERIM, facts={"practitioner": command.practitioner, "bundle": command.bundle})


def _accept(turn: Turn) -> Outcome:
    """A CAS tells the requester when it starts; falls and community services when they accept (APP4-VS-01)."""
    told = Tell(type=EventType.CASE_UPDATED, data={"changed": ["state"], "accepted": True, "by": turn.command.by})
    case = turn.after.evolve(claimed_by=turn.command.by)
    if case.use_case is UseCase.CAS_VALIDATION or case.interim_sent:
        return case, (_TAKEN, told)
    return case.evolve(interim_sent=True), (_TAKEN, told, _interim(turn))


def _start(turn: Turn) -> Outcome:
    told = Tell(type=EventType.CASE_IN_PROGRESS, data={"by": turn.command.by})
    case = turn.after.evolve(claimed_by=turn.command.by)
    if case.interim_sent:
        return case, (_TAKEN, told)
    return case.evolve(interim_sent=True), (_TAKEN, told, _interim(turn))


def _contact_attempt(turn: Turn) -> Outcome:
    """Recorded for the story of the case; the intake deadline goes on, because nobody has taken the case by trying."""
    command = cast(commands.ContactAttempt, turn.command)
    data = {"contact": command.contact, "note": command.note, "by": command.by}
    return turn.after, (Tell(type=EventType.CASE_CONTACT_ATTEMPT, data=data),)


def _read(turn: Turn) -> Outcome:
    """For the story of the case too: an incident review asks who knew what, and when."""
    if not turn.before.unread_update:
        return turn.after, ()
    told = Tell(type=EventType.CASE_UPDATED, data={"changed": [], "update_read": True, "by": turn.command.by})
    return turn.after.evolve(unread_update=False), (told,)


def _correct(turn: Turn) -> Outcome:
    """Our own records differ from the request from now on, or no longer; what was received stays as it came."""
    command = cast(commands.Correct, turn.command)
    data = {"changed": [], "corrected": list(command.parts), "note": command.note, "by": command.by}
    return turn.after.evolve(corrected=command.parts), (Tell(type=EventType.CASE_UPDATED, data=data),)


def _collision(turn: Turn) -> Outcome:
    """Nothing of the update was taken: a person has to settle with the sender which of the two is right."""
    command = cast(commands.UpdateCollided, turn.command)
    data = {"changed": [], "conflict": list(command.parts), "by": command.by}
    case = turn.after.evolve(unread_update=turn.before.state != states.RECEIVED)
    return case, (Tell(type=EventType.CASE_UPDATED, data=data),)


def _reject(turn: Turn) -> Outcome:
    command = cast(commands.Reject, turn.command)
    reason = {"code": command.reason_code, "text": command.reason_text}
    return turn.after, (
        _TAKEN,
        Tell(type=EventType.CASE_RETURNED, data={"reason": reason, "by": command.by}),
        Send(
            kind=MessageKind.REJECTION,
            facts={"reason": reason, "practitioner": command.practitioner, "bundle": command.bundle},
        ),
    )


def _complete(turn: Turn) -> Outcome:
    command = cast(commands.Complete, turn.command)
    arp = command.arp or turn.after.arp
    case = turn.after.evolve(
        arp=arp,
        clock_start=command.clock_start,
        dispatch_by=dispatch_by(arp, command.clock_start),
        unread_update=False,
    )
    data: dict[str, Any] = {
        "dispatch_required": command.dispatch_required,
        "arp": case.arp,
        "clock_start": case.clock_start,
        "dispatch_by": case.dispatch_by,
        "outcome": command.outcome,
        "by": command.by,
    }
    if command.new_cad_id is not None:
        data["new_cad_id"] = command.new_cad_id
    facts = {"interim_sent": case.interim_sent, "outcome": command.outcome, "bundle": command.bundle}
    sent = Send(kind=MessageKind.FINAL, facts=facts)
    return case, (_TAKEN, Tell(type=EventType.CASE_COMPLETED, data=data), sent)


def _update(turn: Turn) -> Outcome:
    """What the requester has learnt since; a clinician at work must see it before they complete."""
    command = cast(commands.UpdateReceived, turn.command)
    case = turn.after.evolve(
        arp=command.arp or turn.after.arp,
        clock_start=command.clock_start or turn.after.clock_start,
        breach_at=command.breach_at or turn.after.breach_at,
        unread_update=turn.before.state != states.RECEIVED,
    )
    case = case.evolve(dispatch_by=dispatch_by(case.arp, case.clock_start))
    data = {"changed": list(command.changed), "breach_at": case.breach_at, "arp": case.arp}
    return case, (Tell(type=EventType.CASE_UPDATED, data=data),)


def _cancellation(turn: Turn) -> Outcome:
    command = cast(commands.CancellationReceived, turn.command)
    data = {"status": command.status, "reason": command.reason}
    return turn.after, (_TAKEN, Tell(type=EventType.CASE_CANCELLED, data=data))


def _mismatched(turn: Turn) -> Outcome:
    """Refused already, and the case goes on; a person asks the sender what was meant. Once for each kind and reason."""
    command = cast(MismatchReceived, turn.command)
    data = {"message": command.message, "why": command.why, "came_from": command.came_from}
    key = f"mismatched-message:{command.message}:{command.why}:{turn.after.epoch}"
    return turn.after, (escalate(turn, EscalationReason.MISMATCHED_MESSAGE, key=key, data=data),)


def _intake_overdue(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    return turn.after, (escalate(turn, EscalationReason.INTAKE_OVERDUE, key=f"intake-overdue:{turn.after.epoch}"),)


def _response_refused(turn: Turn) -> Outcome:
    command = cast(commands.ResponseRefused, turn.command)
    data = {"message": command.kind, "attempts": command.attempts, "last_error": command.last_error}
    return turn.after, (
        Tell(type=EventType.DELIVERY_FAILED, data=data),
        escalate(turn, EscalationReason.RESPONSE_UNDELIVERABLE, data=data),
    )


EFFECTS: dict[str, Callable[[Turn], Outcome]] = {
    "accept": _accept,
    "start": _start,
    "contact_attempt": _contact_attempt,
    "read": _read,
    "correct": _correct,
    "reject": _reject,
    "complete": _complete,
    "update": _update,
    "collision": _collision,
    "cancellation": _cancellation,
    "mismatched": _mismatched,
    "intake_overdue": _intake_overdue,
    "response_refused": _response_refused,
}


def received(case: Case, now: datetime, policy: Policy) -> tuple[Case, tuple[Effect, ...]]:
    """A request arrived: with our 200 the duty to look at it is ours, although nobody has seen it yet."""
    return case, (
        Tell(type=EventType.CASE_CREATED),
        Arm(kind=DeadlineKind.INTAKE, due_at=now + policy.intake_time(case.arp)),
    )
