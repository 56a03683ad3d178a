"""What each command means for a requester's validation case, beyond the state it moves to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from cad_bridge.workflow import commands
from cad_bridge.workflow import validation_requester as states
from cad_bridge.workflow.case import Case, dispatch_by
from cad_bridge.workflow.effects import Arm, Disarm, Effect, Escalate, Send, Tell, Withdraw
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.table import Kind, Row
from cad_bridge.workflow.vocabulary import DeadlineKind, EscalationReason, EventType, MessageKind, Priority

PROTECTED = (states.SENT, states.PENDING, states.IN_PROGRESS, states.AWAITING_REVIEW, states.UNDELIVERED)
"""States in which the breach deadline is armed."""
_PROTECTING = (DeadlineKind.BREACH, DeadlineKind.DELIVERY, DeadlineKind.DISPATCH, DeadlineKind.REVIEW)
HELD_BY_RESPONDER = (states.SENT, states.PENDING, states.IN_PROGRESS, states.BREACHED)
"""States in which the responder may still be working, so that ending the case here has to be told there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One command being decided: the case before and after the move, the row that spoke, the time and the policy."""

    before: Case
    after: Case
    command: commands.Command
    row: Row
    now: datetime
    policy: Policy

    @property
    def moved(self) -> bool:
        """Whether the row is a move (to another state or, with consequences, to the same one)."""
        return self.row.kind is Kind.MOVE


Outcome = tuple[Case, tuple[Effect, ...]]


def escalate(
    turn: Turn, reason: EscalationReason, *, key: str | None = None, data: dict[str, Any] | None = None
) -> Escalate:
    """An escalation of this turn; without a `key` it may happen again at another version of the case."""
    return Escalate(
        reason=reason,
        key=key or f"{reason}:{turn.after.version}",
        due_at=getattr(turn.command, "due_at", None),
        acknowledge_by=turn.now + turn.policy.acknowledge_within,
        data=data or {},
    )


def stop_protection() -> tuple[Effect, ...]:
    """Disarm everything that protects an open validation."""
    return tuple(Disarm(kind=kind) for kind in _PROTECTING)


def _hand_back(turn: Turn, case: Case) -> tuple[Effect, ...]:
    """The duty to dispatch is the requester's again: the breach deadline gives way to the dispatch deadline."""
    due = turn.now + turn.policy.dispatch_time(case.arp)
    return (
        Disarm(kind=DeadlineKind.BREACH),
        Disarm(kind=DeadlineKind.DELIVERY),
        Disarm(kind=DeadlineKind.REVIEW),
        Arm(kind=DeadlineKind.DISPATCH, due_at=due),
    )


def prove_delivery(turn: Turn, remote_case_number: str | None) -> Outcome:
    """A 200, a 409 duplicate or a genuine response: the responder holds the request (DESIGN section 6)."""
    case = turn.after
    news = remote_case_number is not None and case.remote_case_number is None
    if case.delivered and not news:
        return case, ()
    case = case.evolve(delivered=True, remote_case_number=case.remote_case_number or remote_case_number)
    told = Tell(type=EventType.CASE_ACKNOWLEDGED, data={"remote_case_number": case.remote_case_number})
    return case, (Disarm(kind=DeadlineKind.DELIVERY), told)


def _acknowledged(turn: Turn) -> Outcome:
    return prove_delivery(turn, cast(commands.RequestAcknowledged, turn.command).remote_case_number)


def _delivery_proved(turn: Turn) -> Outcome:
    return prove_delivery(turn, None)


def _delivery_refused(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    command = cast(commands.DeliveryRefused, turn.command)
    data = {"attempts": command.attempts, "last_error": command.last_error}
    return turn.after, (
        Disarm(kind=DeadlineKind.DELIVERY),
        Tell(type=EventType.DELIVERY_FAILED, data=data),
        escalate(turn, EscalationReason.UNDELIVERABLE, data=data),
    )


def _delivery_overdue(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    return turn.after, (escalate(turn, EscalationReason.DELIVERY_UNKNOWN, key=f"delivery-unknown:{turn.after.epoch}"),)


def _late(turn: Turn, what: dict[str, Any]) -> tuple[Effect, ...]:
    return (Tell(type=EventType.RESPONSE_LATE, data=what | {"state": turn.before.state}),)


def _interim(turn: Turn) -> Outcome:
    command = cast(commands.InterimReceived, turn.command)
    case, proof = prove_delivery(turn, command.remote_case_number)
    if turn.moved:
        return case, (*proof, Tell(type=EventType.CASE_IN_PROGRESS))
    if turn.before.state == states.IN_PROGRESS:
        return case, proof
    return case, (*proof, *_late(turn, {"response": "interim"}))


def _rejection(turn: Turn) -> Outcome:
    command = cast(commands.RejectionReceived, turn.command)
    case, proof = prove_delivery(turn, command.remote_case_number)
    reason = {"code": command.reason_code, "text": command.reason_text}
    if not turn.moved:
        return case, (*proof, *_late(turn, {"response": "rejection", "reason": reason}))
    contradicts = turn.before.state == states.COMPLETED
    why = EscalationReason.CONTRADICTORY_FINAL if contradicts else EscalationReason.REJECTED
    return case, (
        *proof,
        Tell(type=EventType.CASE_RETURNED, data={"reason": reason}),
        *_hand_back(turn, case),
        escalate(turn, why, data={"rejection": reason}),
    )


def clock_start_after(case: Case, command: commands.FinalReceived) -> tuple[datetime | None, bool]:
    """Clock start by the T5 rule, and whether it had to be guessed from the message time (APP4-VS-20, defect V15).

    The same or a lower category keeps the original clock start whatever the response says; a higher one takes the
    responder's time. A responder that raised the category without moving the clock gets the time of its message.
    """
    if command.arp is None or case.arp is None or not command.arp.raises(case.arp):
        return case.clock_start or command.clock_start, False
    told = command.clock_start
    if told is not None and (case.clock_start is None or told > case.clock_start):
        return told, False
    return command.message_time or case.clock_start, True


def _final_data(command: commands.FinalReceived, case: Case, *, guessed: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "dispatch_required": command.dispatch_required or command.contradictory,
        "arp": command.arp,
        "clock_start": case.clock_start,
        "clock_start_from_message_time": guessed,
        "dispatch_by": case.dispatch_by,
        "outcome": command.outcome,
    }
    if command.new_cad_id is not None:
        data["new_cad_id"] = command.new_cad_id
    return data


def _take_outcome(case: Case, command: commands.FinalReceived) -> tuple[Case, bool]:
    clock_start, guessed = clock_start_after(case, command)
    arp = command.arp or case.arp
    return case.evolve(arp=arp, clock_start=clock_start, dispatch_by=dispatch_by(arp, clock_start)), guessed


def _late_final(turn: Turn, case: Case, command: commands.FinalReceived) -> Outcome:
    """Kept and shown, never acted on by itself; a higher priority than the one acted on escalates anew."""
    would_be, guessed = _take_outcome(case, command)
    told = _late(turn, {"response": "final"} | _final_data(command, would_be, guessed=guessed))
    # A contradictory one counts as asking for dispatch, late as well as in time: the safer of its two readings.
    asks_for_dispatch = command.dispatch_required or command.contradictory
    if not (asks_for_dispatch and command.arp is not None and command.arp.raises(case.arp)):
        return case, told
    return would_be, (*told, escalate(turn, EscalationReason.PRIORITY_RAISED, data={"arp": command.arp}))


def _final(turn: Turn) -> Outcome:
    command = cast(commands.FinalReceived, turn.command)
    case, proof = prove_delivery(turn, command.remote_case_number)
    if not turn.moved:
        case, effects = _late_final(turn, case, command)
        return case, (*proof, *effects)
    if case.state == states.AWAITING_REVIEW:
        return _await_review(turn, case, command, proof)
    case, guessed = _take_outcome(case.evolve(pending_final=None), command)
    effects = _finals_consequences(turn, case, _final_data(command, case, guessed=guessed))
    return case, (*proof, *effects, *_review_beside(turn, case, command))


def _await_review(turn: Turn, case: Case, command: commands.FinalReceived, proof: tuple[Effect, ...]) -> Outcome:
    """The breach deadline stays armed: a review that never comes must not hold the patient up (DESIGN section 6)."""
    pending = {
        "arp": command.arp,
        "clock_start": command.clock_start.isoformat() if command.clock_start else None,
        "new_cad_id": command.new_cad_id,
        "outcome": command.outcome,
    }
    told = Tell(type=EventType.CASE_REVIEW_REQUIRED, data=_to_review(command))
    due = turn.now + turn.policy.review_within
    return case.evolve(pending_final=pending), (*proof, told, Arm(kind=DeadlineKind.REVIEW, due_at=due))


def _review_beside(turn: Turn, case: Case, command: commands.FinalReceived) -> tuple[Effect, ...]:
    """C1 and C2 go to dispatch at once, and to the hub as well (APP4-VS-24)."""
    if not command.needs_review or case.state != states.DISPATCH_REQUIRED:
        return ()
    told = Tell(type=EventType.CASE_REVIEW_REQUIRED, data=_to_review(command))
    return (told, Arm(kind=DeadlineKind.REVIEW, due_at=turn.now + turn.policy.review_within))


def _to_review(command: commands.FinalReceived) -> dict[str, Any]:
    return {"dispatch_required": command.dispatch_required, "arp": command.arp, "outcome": command.outcome}


def _review(turn: Turn) -> Outcome:
    """What the hub decided counts as the final outcome; clock start by the same T5 rule, at the time of the review."""
    command = cast(commands.Review, turn.command)
    decided = _reviewed_final(turn, command)
    data = {"dispatch_required": command.dispatch_required, "arp": decided.arp, "amended": command.amended}
    reviewed = Tell(type=EventType.CASE_REVIEWED, data=data | {"note": command.note, "by": command.by})
    case, guessed = _take_outcome(turn.after.evolve(pending_final=None), decided)
    if turn.before.state == case.state:
        # The case went to dispatch at once; the hub has seen it now, and the dispatch deadline goes on as it was.
        return case, (reviewed, Disarm(kind=DeadlineKind.REVIEW))
    return case, (reviewed, *_finals_consequences(turn, case, _final_data(decided, case, guessed=guessed)))


def _reviewed_final(turn: Turn, command: commands.Review) -> commands.FinalReceived:
    pending = dict(turn.before.pending_final or {})
    told = pending.get("clock_start")
    return commands.FinalReceived(
        dispatch_required=command.dispatch_required,
        contradictory=False,
        arp=command.arp or Priority.parse(pending.get("arp")) or turn.before.arp,
        clock_start=datetime.fromisoformat(told) if told else None,
        message_time=turn.now,
        new_cad_id=pending.get("new_cad_id"),
        outcome=pending.get("outcome") or {},
    )


def _review_overdue(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    return turn.after, (escalate(turn, EscalationReason.REVIEW_OVERDUE),)


def _finals_consequences(turn: Turn, case: Case, data: dict[str, Any]) -> tuple[Effect, ...]:
    told = Tell(type=EventType.CASE_COMPLETED, data=data)
    if case.state == states.COMPLETED:
        return (told, *stop_protection())
    if case.state == states.DISPATCH_REQUIRED:
        return (told, *_hand_back(turn, case))
    returned = Tell(type=EventType.CASE_RETURNED, data={"reason": {"code": "contradictory-final", "text": None}} | data)
    return (
        returned,
        *_hand_back(turn, case),
        escalate(turn, EscalationReason.CONTRADICTORY_FINAL, data={"arp": data["arp"]}),
    )


def _unrecognised(turn: Turn) -> Outcome:
    came_from = cast(commands.UnrecognisedResponse, turn.command).came_from
    return turn.after, (escalate(turn, EscalationReason.UNRECOGNISED_RESPONSE, data={"came_from": came_from}),)


def _breach_due(turn: Turn) -> Outcome:
    """The failsafe: back to dispatch on the original triage outcome, and the CAD is told (APP4-VR-12, H02)."""
    if not turn.moved:
        return turn.after, ()
    case = turn.after.evolve(dispatch_by=dispatch_by(turn.after.arp, turn.after.clock_start))
    notice = Tell(
        type=EventType.FAILSAFE_DISPATCH,
        data={
            "arp": case.arp,
            "clock_start": case.clock_start,
            "dispatch_by": case.dispatch_by,
            "breach_at": case.breach_at,
            "fired_at": turn.now,
            "triage": dict(case.triage),
        },
    )
    raised = escalate(turn, EscalationReason.BREACH, key=f"breach:{case.epoch}")
    cancel = _cancel_at_responder("revoked", "Validation breach time passed") if case.cancel_on_breach else ()
    return case, (notice, raised, *stop_protection(), *cancel)


def _cancel_at_responder(status: str, reason: str) -> tuple[Effect, ...]:
    return (
        Withdraw(kind=MessageKind.REQUEST),
        Withdraw(kind=MessageKind.UPDATE),
        Send(kind=MessageKind.CANCELLATION, facts={"status": status, "reason": reason}),
    )


def _dispatch_overdue(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    return turn.after, (escalate(turn, EscalationReason.DISPATCH_OVERDUE),)


def _dispatch(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    told = Tell(type=EventType.CASE_UPDATED, data={"changed": ["state"], "dispatched": True, "by": turn.command.by})
    return turn.after, (told, *stop_protection(), *_tell_responder(turn, "A resource is being dispatched"))


def _tell_responder(turn: Turn, reason: str, status: str = "revoked") -> tuple[Effect, ...]:
    already = turn.before.state == states.BREACHED and turn.before.cancel_on_breach
    if turn.before.state not in HELD_BY_RESPONDER or already:
        return ()
    return _cancel_at_responder(status, reason)


def _close(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    told = Tell(type=EventType.CASE_UPDATED, data={"changed": ["state"], "closed": True, "by": turn.command.by})
    return turn.after, (told, *stop_protection(), *_tell_responder(turn, "The 999 case has been closed"))


def _cancel(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    command = cast(commands.Cancel, turn.command)
    status = "entered-in-error" if command.mistaken else "revoked"
    told = Tell(type=EventType.CASE_CANCELLED, data={"reason": command.reason, "by": command.by})
    return turn.after, (told, *stop_protection(), *_tell_responder(turn, command.reason, status))


def _update(turn: Turn) -> Outcome:
    """An earlier breach time holds at once; a later one only when the responder has taken it (DESIGN section 6)."""
    if not turn.moved:
        return turn.after, ()
    command = cast(commands.Update, turn.command)
    held = turn.after.breach_at
    earlier = held is None or command.breach_at <= held
    case = turn.after.evolve(
        arp=command.arp,
        clock_start=command.clock_start,
        dispatch_by=dispatch_by(command.arp, command.clock_start),
        breach_at=command.breach_at if earlier else held,
        pending_breach_at=None if earlier else command.breach_at,
    )
    armed = (Arm(kind=DeadlineKind.BREACH, due_at=command.breach_at),) if earlier else ()
    facts = {"changed": list(command.changed), "breach_at": command.breach_at, "bundle": command.bundle}
    return case, (*armed, Send(kind=MessageKind.UPDATE, facts=facts))


def _update_confirmed(turn: Turn) -> Outcome:
    later = _later_time_taken(turn)
    told = Tell(type=EventType.CASE_UPDATED, data={"changed": ["content"], "update": "taken", "breach_at": later})
    if later is None:
        return turn.after, (told,)
    case = turn.after.evolve(breach_at=later, pending_breach_at=None)
    armed = (Arm(kind=DeadlineKind.BREACH, due_at=later),) if turn.before.state in PROTECTED else ()
    return case, (told, *armed)


def _later_time_taken(turn: Turn) -> datetime | None:
    """The later breach time that waits, if this is the message that told it: another update may still be on its way."""
    later, taken = turn.after.pending_breach_at, cast(commands.UpdateConfirmed, turn.command).breach_at
    # A message may carry fewer digits of a second than the CAD gave.
    if later is None or taken is None or abs(taken - later) >= timedelta(seconds=1):
        return None
    return later


def _update_refused(turn: Turn) -> Outcome:
    command = cast(commands.UpdateRefused, turn.command)
    data = {"attempts": command.attempts, "last_error": command.last_error}
    return turn.after.evolve(pending_breach_at=None), (
        Tell(type=EventType.DELIVERY_FAILED, data={"message": "update"} | data),
        escalate(turn, EscalationReason.UPDATE_REFUSED, data=data),
    )


def _cancellation_confirmed(turn: Turn) -> Outcome:
    return turn.after, (Tell(type=EventType.CASE_UPDATED, data={"changed": ["cancellation"], "cancellation": "taken"}),)


def _cancellation_refused(turn: Turn) -> Outcome:
    command = cast(commands.CancellationRefused, turn.command)
    data = {"attempts": command.attempts, "last_error": command.last_error}
    return turn.after, (
        Tell(type=EventType.DELIVERY_FAILED, data={"message": "cancellation"} | data),
        escalate(turn, EscalationReason.CANCELLATION_REFUSED, data=data),
    )


EFFECTS: dict[str, Callable[[Turn], Outcome]] = {
    "acknowledged": _acknowledged,
    "delivery_proved": _delivery_proved,
    "delivery_refused": _delivery_refused,
    "delivery_overdue": _delivery_overdue,
    "interim": _interim,
    "rejection": _rejection,
    "final_closing": _final,
    "final_dispatch": _final,
    "final_contradictory": _final,
    "final_review": _final,
    "review_dispatch": _review,
    "review_closing": _review,
    "review_overdue": _review_overdue,
    "unrecognised": _unrecognised,
    "breach_due": _breach_due,
    "dispatch_overdue": _dispatch_overdue,
    "dispatch": _dispatch,
    "close": _close,
    "cancel": _cancel,
    "update": _update,
    "update_confirmed": _update_confirmed,
    "update_refused": _update_refused,
    "cancellation_confirmed": _cancellation_confirmed,
    "cancellation_refused": _cancellation_refused,
}


def opened(case: Case, now: datetime, policy: Policy) -> Outcome:
    """A request is made: deadline armed and message queued in the one commit that answers 201."""
    assert case.breach_at is not None, "a validation request without a breach time is refused before it gets here"
    return case, (
        Tell(type=EventType.CASE_CREATED),
        Arm(kind=DeadlineKind.BREACH, due_at=case.breach_at),
        Arm(kind=DeadlineKind.DELIVERY, due_at=now + policy.delivery_unknown_after),
        Send(kind=MessageKind.REQUEST),
    )
