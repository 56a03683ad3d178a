"""What each command means for a requester's validation case, beyond the state it moves to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast

from cad_bridge.workflow import commands
from cad_bridge.workflow import validation_requester as states
from cad_bridge.workflow.case import Case, dispatch_by
from cad_bridge.workflow.effects import Arm, Disarm, Effect, Send, Tell, Withdraw
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.requester_finals import final, hand_back, late, review, review_overdue, stop_protection
from cad_bridge.workflow.turn import Outcome, Turn, escalate, prove_delivery
from cad_bridge.workflow.vocabulary import DeadlineKind, EscalationReason, EventType, MessageKind

PROTECTED = (states.SENT, states.PENDING, states.IN_PROGRESS, states.AWAITING_REVIEW, states.UNDELIVERED)
"""States in which the breach deadline is armed."""
HELD_BY_RESPONDER = (states.SENT, states.PENDING, states.IN_PROGRESS, states.BREACHED)
"""States in which the responder may still be working, so that ending the case here has to be told there."""


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


def _interim(turn: Turn) -> Outcome:
    command = cast(commands.InterimReceived, turn.command)
    case, proof = prove_delivery(turn, command.remote_case_number)
    if turn.moved:
        return case, (*proof, Tell(type=EventType.CASE_IN_PROGRESS))
    if turn.before.state == states.IN_PROGRESS:
        return case, proof
    return case, (*proof, *late(turn, {"response": "interim"}))


def _rejection(turn: Turn) -> Outcome:
    command = cast(commands.RejectionReceived, turn.command)
    case, proof = prove_delivery(turn, command.remote_case_number)
    reason = {"code": command.reason_code, "text": command.reason_text}
    if not turn.moved:
        return case, (*proof, *late(turn, {"response": "rejection", "reason": reason}))
    contradicts = turn.before.state == states.COMPLETED
    why = EscalationReason.CONTRADICTORY_FINAL if contradicts else EscalationReason.REJECTED
    return case, (
        *proof,
        Tell(type=EventType.CASE_RETURNED, data={"reason": reason}),
        *hand_back(turn, case),
        escalate(turn, why, data={"rejection": reason}),
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
    passed = commands.Cancel(reason="Validation breach time passed")
    cancel = _cancel_at_responder(passed) if case.cancel_on_breach else ()
    return case, (notice, raised, *stop_protection(), *cancel)


def _cancel_at_responder(said: commands.Cancel) -> tuple[Effect, ...]:
    return (
        Withdraw(kind=MessageKind.REQUEST),
        Withdraw(kind=MessageKind.UPDATE),
        Send(kind=MessageKind.CANCELLATION, facts=said.message),
    )


def _dispatch_overdue(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    return turn.after, (escalate(turn, EscalationReason.DISPATCH_OVERDUE),)


def _dispatch(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    told = Tell(type=EventType.CASE_UPDATED, data={"changed": ["state"], "dispatched": True, "by": turn.command.by})
    return turn.after, (
        told,
        *stop_protection(),
        *_tell_responder(turn, commands.Cancel(reason="A resource is being dispatched")),
    )


def _tell_responder(turn: Turn, said: commands.Cancel) -> tuple[Effect, ...]:
    already = turn.before.state == states.BREACHED and turn.before.cancel_on_breach
    if turn.before.state not in HELD_BY_RESPONDER or already:
        return ()
    return _cancel_at_responder(said)


def _close(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    told = Tell(type=EventType.CASE_UPDATED, data={"changed": ["state"], "closed": True, "by": turn.command.by})
    return turn.after, (
        told,
        *stop_protection(),
        *_tell_responder(turn, commands.Cancel(reason="The 999 case has been closed")),
    )


def _cancel(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    command = cast(commands.Cancel, turn.command)
    told = Tell(type=EventType.CASE_CANCELLED, data={"reason": command.reason, "by": command.by})
    return turn.after, (told, *stop_protection(), *_tell_responder(turn, command))


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
    moved = {"changed": ["breach_at"], "breach_at": case.breach_at, "by": command.by}
    told = (Tell(type=EventType.CASE_UPDATED, data=moved),) if case.breach_at != held else ()
    facts = {"changed": list(command.changed), "breach_at": command.breach_at, "bundle": command.bundle}
    sent = Tell(type=EventType.CASE_UPDATE_SENT, data={"changed": list(command.changed), "by": command.by})
    return case, (sent, *told, *armed, Send(kind=MessageKind.UPDATE, facts=facts))


def _update_confirmed(turn: Turn) -> Outcome:
    later = _later_time_taken(turn)
    changed = ["content"] if later is None else ["content", "breach_at"]
    data = {"changed": changed, "update": "taken", "breach_at": later or turn.after.breach_at}
    told = Tell(type=EventType.CASE_UPDATED, data=data)
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
    "final_closing": final,
    "final_dispatch": final,
    "final_contradictory": final,
    "final_review": final,
    "review_dispatch": review,
    "review_closing": review,
    "review_overdue": review_overdue,
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
