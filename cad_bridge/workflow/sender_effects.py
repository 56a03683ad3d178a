"""What each command means for a sender's referral, beyond the state it moves to (Applications 3 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from cad_bridge.workflow import cad_to_cad_sender, commands, referral_commands, referral_sender
from cad_bridge.workflow import referral_rows as states
from cad_bridge.workflow.case import Case, StatusChange, dispatch_by
from cad_bridge.workflow.effects import Arm, Disarm, Effect, Escalate, Send, Tell, Withdraw
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.referral_effects import overdue, with_duty
from cad_bridge.workflow.turn import Outcome, Turn, escalate, prove_delivery
from cad_bridge.workflow.vocabulary import DeadlineKind, Duty, EscalationReason, EventType, MessageKind, UseCase

HELD_BY_RECEIVER: Mapping[UseCase, frozenset[str]] = {
    **cad_to_cad_sender.HELD_BY_RECEIVER,
    UseCase.CAS_REFERRAL: referral_sender.HELD_BY_RECEIVER,
}
WITH_RECEIVER = frozenset({states.SENT, states.PENDING, states.ACCEPTED, states.IN_PROGRESS, states.HANDED_OVER})
"""States in which the receiver may be at work, so that ending the case here has to be told there."""
_WAITS = (DeadlineKind.DELIVERY, DeadlineKind.ANSWER, DeadlineKind.STATUS, DeadlineKind.DISPATCH)
_UNANSWERED = frozenset({states.SENT, states.PENDING, states.UNDELIVERED})
_UNDER_WAY = frozenset({states.ACCEPTED, states.IN_PROGRESS})
_NEEDS_ANSWER = frozenset({UseCase.CALL_ASSIST, UseCase.MUTUAL_AID})


def duty_after(case: Case) -> Duty:
    """Whose the duty to dispatch is, as the sender knows it; a case that is closed keeps it where it was."""
    if case.state == states.CLOSED:
        return case.dispatch_duty
    return Duty.RECEIVER if case.state in HELD_BY_RECEIVER[case.use_case] else Duty.SENDER


def _stop_waiting(*kept: DeadlineKind) -> tuple[Effect, ...]:
    return tuple(Disarm(kind=kind) for kind in _WAITS if kind not in kept)


def _sooner(first: datetime, *others: datetime | None) -> datetime:
    return min(first, *(time for time in others if time is not None)) if any(others) else first


# --- waiting for the receiver ---------------------------------------------------------------------


def _status_time(case: Case, policy: Policy) -> timedelta:
    return policy.allocated_status_within if case.state == states.IN_PROGRESS else policy.status_time(case.arp)


def _await_status(turn: Turn, case: Case) -> Arm:
    return Arm(kind=DeadlineKind.STATUS, due_at=turn.now + _status_time(case, turn.policy))


def _await_receiver(turn: Turn, case: Case) -> Outcome:
    """The receiver holds the referral: call assist and mutual aid wait for an answer, out of area for a status."""
    if case.use_case is UseCase.CAS_REFERRAL:
        return case, ()
    if case.use_case not in _NEEDS_ANSWER:
        return case, (_await_status(turn, case),)
    due = _sooner(turn.now + turn.policy.answer_time(case.arp), case.needed_by)
    return case.evolve(answer_by=due), (Arm(kind=DeadlineKind.ANSWER, due_at=due),)


def _delivered(turn: Turn, remote_case_number: str | None) -> Outcome:
    case, proof = prove_delivery(turn, remote_case_number)
    if not turn.moved:
        return case, proof
    case, waits = _await_receiver(turn, case)
    return case, (*proof, Disarm(kind=DeadlineKind.DISPATCH), *waits)


def _acknowledged(turn: Turn) -> Outcome:
    return _delivered(turn, cast(commands.RequestAcknowledged, turn.command).remote_case_number)


def _delivery_proved(turn: Turn) -> Outcome:
    return _delivered(turn, None)


def _delivery_refused(turn: Turn) -> Outcome:
    """Nobody has the case but us: it never left dispatch (H01)."""
    if not turn.moved:
        return turn.after, ()
    command = cast(commands.DeliveryRefused, turn.command)
    data = {"attempts": command.attempts, "last_error": command.last_error}
    return turn.after, (
        *_ours_again(turn, turn.after),
        Tell(type=EventType.DELIVERY_FAILED, data=data),
        escalate(turn, EscalationReason.UNDELIVERABLE, key=f"undeliverable:{turn.after.epoch}", data=data),
    )


def _ours_again(turn: Turn, case: Case) -> tuple[Effect, ...]:
    due = turn.now + turn.policy.dispatch_time(case.arp)
    return (*_stop_waiting(DeadlineKind.DISPATCH), Arm(kind=DeadlineKind.DISPATCH, due_at=due))


# --- what the receiver tells ----------------------------------------------------------------------


def _status(turn: Turn) -> Outcome:
    command = cast(referral_commands.StatusReceived, turn.command)
    case, proof = prove_delivery(turn, command.remote_case_number)
    if not turn.moved:
        return _known_or_late(turn, case, proof)
    at = command.at or turn.now
    case = case.evolve(answer_by=None, status_history=(*case.status_history, StatusChange(command.status, at)))
    told: list[Effect] = [Tell(type=EventType.CASE_STATUS, data=_status_data(turn, command, at))]
    if command.status == "finished" and case.use_case is not UseCase.MUTUAL_AID:
        told.append(Tell(type=EventType.CASE_COMPLETED, data=_completed(case)))
    waits = (_await_status(turn, case),) if case.state in _UNDER_WAY else ()
    return case, (*proof, *told, *_stop_waiting(), *waits)


def _status_data(turn: Turn, command: referral_commands.StatusReceived, at: datetime) -> dict[str, Any]:
    return {
        "status": command.status,
        "status_at": at,
        # For call assist and mutual aid the first status is the acceptance (G-11).
        "accepted": turn.before.state in _UNANSWERED,
        "history": [{"status": change.status, "at": change.at} for change in command.history],
    }


def _completed(case: Case) -> dict[str, Any]:
    """The resource has cleared: there is nothing left to dispatch."""
    return {
        "dispatch_required": False,
        "arp": case.arp,
        "clock_start": case.clock_start,
        "dispatch_by": case.dispatch_by,
        "outcome": {},
    }


def _known_or_late(turn: Turn, case: Case, proof: tuple[Effect, ...]) -> Outcome:
    """A repeat is a sign of life; anything else is kept and shown, and moves nothing (APP6-RSP-16)."""
    command = cast(referral_commands.StatusReceived, turn.command)
    repeated = {"planned": states.ACCEPTED, "in-progress": states.IN_PROGRESS, "finished": states.COMPLETED}
    outdated = turn.row.trigger == referral_commands.OUTDATED
    if not outdated and case.state == repeated[command.status]:
        return case, (*proof, *((_await_status(turn, case),) if command.status != "finished" else ()))
    data = {"response": "status", "status": command.status, "status_at": command.at, "outdated": outdated}
    return case, (*proof, Tell(type=EventType.RESPONSE_LATE, data=data | {"state": case.state}))


def _refusal(turn: Turn) -> Outcome:
    """The duty is ours again, if it ever was the receiver's; a person of ours has to act (APP6-RSP-12)."""
    command = cast(referral_commands.RefusalReceived, turn.command)
    case, proof = prove_delivery(turn, command.remote_case_number)
    reason = {"code": command.reason_code, "text": command.reason_text}
    if not turn.moved:
        return _late_refusal(turn, case, proof, reason)
    at = command.at or turn.now
    case = case.evolve(answer_by=None, status_history=(*case.status_history, StatusChange("cancelled", at)))
    return case, (
        *proof,
        Tell(type=EventType.CASE_RETURNED, data={"reason": reason}),
        *_ours_again(turn, case),
        escalate(turn, EscalationReason.REJECTED, key=f"refused:{case.epoch}", data={"rejection": reason}),
    )


def _late_refusal(turn: Turn, case: Case, proof: tuple[Effect, ...], reason: dict[str, Any]) -> Outcome:
    """After the case was closed here while the receiver had it, nobody would have it: that is told to a person."""
    if case.state == states.RETURNED:
        return case, proof
    late = Tell(type=EventType.RESPONSE_LATE, data={"response": "refusal", "reason": reason, "state": case.state})
    if case.dispatch_duty is not Duty.RECEIVER:
        return case, (*proof, late)
    alarm = escalate(turn, EscalationReason.REJECTED, key=f"refused:{case.epoch}", data={"rejection": reason})
    return case.evolve(dispatch_duty=Duty.SENDER), (*proof, late, alarm)


def _forbidden_refusal(turn: Turn) -> Outcome:
    command = cast(referral_commands.ForbiddenRefusalReceived, turn.command)
    data = {"rejection": {"code": command.reason_code, "text": command.reason_text}}
    return turn.after, (
        escalate(turn, EscalationReason.FORBIDDEN_REFUSAL, key=f"forbidden-refusal:{turn.after.epoch}", data=data),
    )


def _feedback(turn: Turn) -> Outcome:
    command = cast(referral_commands.FeedbackReceived, turn.command)
    data = {"feedback": {"code": command.reason_code, "text": command.reason_text}}
    told = Tell(type=EventType.CASE_UPDATED, data={"changed": ["feedback"]} | data)
    return turn.after, (told, escalate(turn, EscalationReason.SAFEGUARDING_FEEDBACK, data=data))


def _unrecognised(turn: Turn) -> Outcome:
    came_from = cast(commands.UnrecognisedResponse, turn.command).came_from
    return turn.after, (escalate(turn, EscalationReason.UNRECOGNISED_RESPONSE, data={"came_from": came_from}),)


# --- what our CAD does ----------------------------------------------------------------------------


def _tell_receiver(turn: Turn, said: commands.Cancel) -> tuple[Effect, ...]:
    if turn.before.state not in WITH_RECEIVER:
        return ()
    return (
        Withdraw(kind=MessageKind.REQUEST),
        Withdraw(kind=MessageKind.UPDATE),
        Send(kind=MessageKind.CANCELLATION, facts=said.message),
    )


def _dispatch(turn: Turn) -> Outcome:
    """A resource of ours is going. The referral ends with it, except for mutual aid, which asks for more than ours."""
    if not turn.moved:
        return turn.after, ()
    told = Tell(type=EventType.CASE_UPDATED, data={"changed": ["state"], "dispatched": True, "by": turn.command.by})
    if turn.after.state != states.DISPATCHED:
        return turn.after, (told,)
    case = turn.after.evolve(answer_by=None)
    going = commands.Cancel(reason="A resource is being dispatched")
    return case, (told, *_stop_waiting(), *_tell_receiver(turn, going))


def _close(turn: Turn) -> Outcome:
    """Our case has ended. A receiver that goes on with it is told that: our Encounter is finished (APP6-REF-07)."""
    if not turn.moved:
        return turn.after, ()
    told = Tell(type=EventType.CASE_UPDATED, data={"changed": ["state"], "closed": True, "by": turn.command.by})
    goes_on = turn.after.state == states.HANDED_OVER and turn.after.use_case.is_cad_to_cad
    sent = (Send(kind=MessageKind.UPDATE, facts={"changed": []}),) if goes_on else ()
    return turn.after.evolve(answer_by=None), (told, *_stop_waiting(), *sent)


def _cancel(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    command = cast(commands.Cancel, turn.command)
    told = Tell(type=EventType.CASE_CANCELLED, data={"reason": command.reason, "by": command.by})
    case = turn.after.evolve(answer_by=None)
    return case, (told, *_stop_waiting(), *_tell_receiver(turn, command))


def _update(turn: Turn) -> Outcome:
    """What has been learnt since; a more urgent case, or one needed sooner, waits less for its answer."""
    command = cast(referral_commands.ReferralUpdate, turn.command)
    case = turn.after.evolve(
        arp=command.arp,
        clock_start=command.clock_start,
        dispatch_by=dispatch_by(command.arp, command.clock_start),
        breach_at=command.breach_at,
        needed_by=command.needed_by,
    )
    changed = {"changed": list(command.changed)}
    told = Tell(type=EventType.CASE_UPDATE_SENT, data=changed | {"by": command.by})
    sent = (told, Send(kind=MessageKind.UPDATE, facts=changed | command.facts))
    if case.answer_by is None:
        return case, sent
    due = _sooner(case.answer_by, case.needed_by, turn.now + turn.policy.answer_time(case.arp))
    if due == case.answer_by:
        return case, sent
    return case.evolve(answer_by=due), (*sent, Arm(kind=DeadlineKind.ANSWER, due_at=due))


def _update_confirmed(turn: Turn) -> Outcome:
    told = Tell(type=EventType.CASE_UPDATED, data={"changed": ["content"], "update": "taken"})
    return turn.after, (told,)


def _cancellation_confirmed(turn: Turn) -> Outcome:
    told = Tell(type=EventType.CASE_UPDATED, data={"changed": ["cancellation"], "cancellation": "taken"})
    return turn.after, (told,)


def _not_taken(message: str, reason: EscalationReason) -> Callable[[Turn], Outcome]:
    def effect(turn: Turn) -> Outcome:
        command = cast(commands.UpdateRefused | commands.CancellationRefused, turn.command)
        data = {"attempts": command.attempts, "last_error": command.last_error}
        raised: Escalate = escalate(turn, reason, data=data)
        return turn.after, (Tell(type=EventType.DELIVERY_FAILED, data={"message": message} | data), raised)

    return effect


EFFECTS = with_duty(
    {
        "acknowledged": _acknowledged,
        "delivery_proved": _delivery_proved,
        "delivery_refused": _delivery_refused,
        "delivery_overdue": overdue(EscalationReason.DELIVERY_UNKNOWN, once=True),
        "unrecognised": _unrecognised,
        "dispatch_overdue": overdue(EscalationReason.DISPATCH_OVERDUE, once=False),
        "dispatch": _dispatch,
        "close": _close,
        "update": _update,
        "update_confirmed": _update_confirmed,
        "update_refused": _not_taken("update", EscalationReason.UPDATE_REFUSED),
        "cancel": _cancel,
        "cancellation_confirmed": _cancellation_confirmed,
        "cancellation_refused": _not_taken("cancellation", EscalationReason.CANCELLATION_REFUSED),
        "status_planned": _status,
        "status_in_progress": _status,
        "status_finished": _status,
        referral_commands.OUTDATED: _status,
        "status_overdue": overdue(EscalationReason.STATUS_OVERDUE, once=False),
        "refusal": _refusal,
        "answer_overdue": overdue(EscalationReason.ANSWER_OVERDUE, once=True),
        "forbidden_refusal": _forbidden_refusal,
        "feedback": _feedback,
    },
    duty_after,
)


def opened(case: Case, now: datetime, policy: Policy) -> Outcome:
    """A referral is made: the duty stays ours until the receiver has it, and its silence is noticed."""
    return case.evolve(dispatch_duty=Duty.SENDER), (
        Tell(type=EventType.CASE_CREATED),
        Arm(kind=DeadlineKind.DELIVERY, due_at=now + policy.delivery_unknown_after),
        Send(kind=MessageKind.REQUEST),
    )
