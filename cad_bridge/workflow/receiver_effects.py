"""What each command means for a receiver's referral, beyond the state it moves to (Applications 3 and 6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from cad_bridge.workflow import commands, referral_commands, responder_effects
from cad_bridge.workflow import referral_rows as states
from cad_bridge.workflow.case import Case, StatusChange, dispatch_by
from cad_bridge.workflow.effects import Arm, Disarm, Effect, Send, Tell
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.referral_effects import overdue, with_duty
from cad_bridge.workflow.turn import Outcome, Turn
from cad_bridge.workflow.vocabulary import (
    DeadlineKind,
    Duty,
    EscalationReason,
    EventType,
    MessageKind,
    UseCase,
)

OWN_STATUS = {
    states.RECEIVED: "planned",
    states.ACCEPTED: "planned",
    states.IN_PROGRESS: "in-progress",
    states.FINISHED: "finished",
    states.REJECTED: "cancelled",
}
"""Encounter.status of our own case (APP6-RSP-02). A case that the sender cancelled keeps the one it had."""
_WAITS = (DeadlineKind.INTAKE, DeadlineKind.DISPATCH, DeadlineKind.CALLBACK)
_OURS_FROM_RECEIPT = frozenset({UseCase.OUT_OF_AREA, UseCase.CAS_REFERRAL})
_TAKEN_ON = frozenset({states.ACCEPTED, states.IN_PROGRESS, states.FINISHED})


def duty_after(case: Case) -> Duty:
    """Whose the duty to dispatch is, as the receiver knows it.

    After a refusal it stays where it was until the sender has taken the refusal, so that nobody never has it.
    """
    if case.use_case is UseCase.MUTUAL_AID or case.state == states.CANCELLED:
        return Duty.SENDER
    if case.state == states.REJECTED:
        return case.dispatch_duty
    ours = case.use_case in _OURS_FROM_RECEIPT or case.state in _TAKEN_ON
    return Duty.RECEIVER if ours else Duty.SENDER


def _stop_waiting() -> tuple[Effect, ...]:
    return tuple(Disarm(kind=kind) for kind in _WAITS)


def _promise(turn: Turn, case: Case) -> tuple[Effect, ...]:
    """By when a resource has to be allocated: what was asked for, else the ARP target; soon, if that has passed."""
    wanted = case.needed_by or case.dispatch_by
    if wanted is None:
        return ()
    due = wanted if wanted > turn.now else turn.now + turn.policy.dispatch_time(case.arp)
    return (Arm(kind=DeadlineKind.DISPATCH, due_at=due),)


def _tells_status(case: Case) -> bool:
    """A category 5 referral has no response workflow."""
    return case.use_case is not UseCase.CAS_REFERRAL


def _report(turn: Turn) -> Outcome:
    """A change of our own status: recorded, told here, and sent to the sender (APP6-RSP-01, APP6-RSP-08)."""
    status = OWN_STATUS[turn.after.state]
    case = turn.after.evolve(answer_by=None, unread_update=False)
    if case.status_history[-1].status != status:
        case = case.evolve(status_history=(*case.status_history, StatusChange(status, _since(turn))))
    accepted = turn.before.state == states.RECEIVED
    told = [Tell(type=EventType.CASE_STATUS, data={"status": status, "accepted": accepted, "by": turn.command.by})]
    if status == "finished":
        told.append(Tell(type=EventType.CASE_COMPLETED, data=_completed(case, turn.command.by)))
    promise = _promise(turn, case) if case.state == states.ACCEPTED and _tells_status(case) else ()
    sent = (Send(kind=MessageKind.STATUS, facts=_by_whom(turn)),) if _tells_status(case) else ()
    return case, (*_stop_waiting(), *told, *promise, *sent)


def _since(turn: Turn) -> datetime:
    """A status told by a message of the receiver's own stands there with its time, but never with one to come."""
    told = turn.command.at if isinstance(turn.command, referral_commands.ReportStatus) else None
    return min(told, turn.now) if told is not None else turn.now


def _by_whom(turn: Turn) -> dict[str, Any]:
    command = cast(commands.Accept | commands.Reject | referral_commands.ReportStatus, turn.command)
    return {"practitioner": command.practitioner, "bundle": command.bundle}


def _completed(case: Case, by: str, **more: Any) -> dict[str, Any]:
    return {
        "dispatch_required": False,
        "arp": case.arp,
        "clock_start": case.clock_start,
        "dispatch_by": case.dispatch_by,
        "outcome": {},
        "by": by,
    } | more


def _accept(turn: Turn) -> Outcome:
    """A person has seen the case and takes it on. For call assist and mutual aid this is the acceptance (G-11)."""
    if turn.after.use_case is UseCase.CAS_REFERRAL:
        return _taken_by_clinician(turn, Tell(type=EventType.CASE_UPDATED, data=_seen(turn)))
    return _report(turn)


def _seen(turn: Turn) -> dict[str, Any]:
    return {"changed": ["state"], "accepted": True, "by": turn.command.by}


def _start(turn: Turn) -> Outcome:
    case, effects = _taken_by_clinician(turn, Tell(type=EventType.CASE_IN_PROGRESS, data={"by": turn.command.by}))
    return case, (*effects, Disarm(kind=DeadlineKind.CALLBACK))


def _taken_by_clinician(turn: Turn, told: Tell) -> Outcome:
    """Category 5: the intake deadline ends; that of the call-back only with the call."""
    case = turn.after.evolve(claimed_by=turn.command.by, answer_by=None, unread_update=False)
    status = OWN_STATUS[case.state]
    if case.status_history[-1].status != status:
        case = case.evolve(status_history=(*case.status_history, StatusChange(status, turn.now)))
    return case, (Disarm(kind=DeadlineKind.INTAKE), told)


def _category_5_status(turn: Turn) -> Outcome:
    """The CAS's own record; waiting again means that the patient still has to be called."""
    case, effects = _report(turn)
    if case.state == states.ACCEPTED and case.breach_at is not None:
        return case, (*effects, Arm(kind=DeadlineKind.CALLBACK, due_at=case.breach_at))
    return case, effects


def _status(turn: Turn) -> Outcome:
    return _category_5_status(turn) if turn.after.use_case is UseCase.CAS_REFERRAL else _report(turn)


def _complete(turn: Turn) -> Outcome:
    """Category 5: the consultation has ended; its outcome is kept here and sent to nobody."""
    command = cast(commands.Complete, turn.command)
    case = turn.after.evolve(answer_by=None, unread_update=False)
    case = case.evolve(status_history=(*case.status_history, StatusChange("finished", turn.now)))
    data = _completed(case, command.by, dispatch_required=command.dispatch_required, outcome=command.outcome)
    return case, (*_stop_waiting(), Tell(type=EventType.CASE_COMPLETED, data=data))


def _reject(turn: Turn) -> Outcome:
    command = cast(commands.Reject, turn.command)
    reason = {"code": command.reason_code, "text": command.reason_text}
    history = (*turn.after.status_history, StatusChange("cancelled", turn.now))
    return turn.after.evolve(answer_by=None, status_history=history), (
        *_stop_waiting(),
        Tell(type=EventType.CASE_RETURNED, data={"reason": reason, "by": command.by}),
        Send(kind=MessageKind.REFUSAL, facts={"reason": reason} | _by_whom(turn)),
    )


def _response_taken(turn: Turn) -> Outcome:
    """With the sender's 200 to a refusal after an acceptance, the duty is the sender's again."""
    command = cast(referral_commands.ResponseTaken, turn.command)
    case = turn.after
    if command.kind != MessageKind.REFUSAL or case.dispatch_duty is Duty.SENDER:
        return case, ()
    data = {"changed": ["dispatch_duty"], "refusal": "taken"}
    return case.evolve(dispatch_duty=Duty.SENDER), (Tell(type=EventType.CASE_UPDATED, data=data),)


def _update(turn: Turn) -> Outcome:
    """What the sender has learnt since. What is known already is never lost by silence: the message was merged."""
    command = cast(referral_commands.ReferralUpdateReceived, turn.command)
    case = turn.after.evolve(
        arp=command.arp or turn.after.arp,
        clock_start=command.clock_start or turn.after.clock_start,
        breach_at=command.breach_at or turn.after.breach_at,
        needed_by=command.needed_by,
        unread_update=turn.before.state != states.RECEIVED,
    )
    case = case.evolve(dispatch_by=dispatch_by(case.arp, case.clock_start))
    data = {"changed": list(command.changed), "arp": case.arp, "dispatch_by": case.dispatch_by}
    case, waits = _wait_anew(turn, case)
    return case, (Tell(type=EventType.CASE_UPDATED, data=data), *waits)


def _wait_anew(turn: Turn, case: Case) -> Outcome:
    """Deadlines after an update: a more urgent case waits less for intake, and a promise follows what it is about."""
    waits: list[Effect] = []
    if case.state == states.RECEIVED and case.answer_by is not None:
        due = min(case.answer_by, turn.now + turn.policy.intake_time(case.arp))
        if due != case.answer_by:
            waits.append(Arm(kind=DeadlineKind.INTAKE, due_at=due))
            case = case.evolve(answer_by=due)
    if case.state == states.ACCEPTED and _tells_status(case) and _wanted(case) != _wanted(turn.before):
        waits += _promise(turn, case)
    if _awaits_call(case) and case.breach_at is not None and case.breach_at != turn.before.breach_at:
        waits.append(Arm(kind=DeadlineKind.CALLBACK, due_at=case.breach_at))
    return case, tuple(waits)


def _awaits_call(case: Case) -> bool:
    return case.use_case is UseCase.CAS_REFERRAL and case.state in {states.RECEIVED, states.ACCEPTED}


def _wanted(case: Case) -> datetime | None:
    return case.needed_by or case.dispatch_by


def _cancellation(turn: Turn) -> Outcome:
    command = cast(commands.CancellationReceived, turn.command)
    data = {"status": command.status, "reason": command.reason}
    case = turn.after.evolve(answer_by=None)
    return case, (*_stop_waiting(), Tell(type=EventType.CASE_CANCELLED, data=data))


EFFECTS = with_duty(
    {
        "accept": _accept,
        "start": _start,
        "contact_attempt": responder_effects.EFFECTS["contact_attempt"],
        "read": responder_effects.EFFECTS["read"],
        "correct": responder_effects.EFFECTS["correct"],
        "complete": _complete,
        "status_planned": _status,
        "status_in_progress": _status,
        "status_finished": _status,
        "reject": _reject,
        "update": _update,
        "collision": responder_effects.EFFECTS["collision"],
        "cancellation": _cancellation,
        "mismatched": responder_effects.EFFECTS["mismatched"],
        "intake_overdue": overdue(EscalationReason.INTAKE_OVERDUE, once=True),
        "dispatch_overdue": overdue(EscalationReason.DISPATCH_OVERDUE, once=False),
        "callback_overdue": overdue(EscalationReason.CALLBACK_OVERDUE, once=False),
        "response_refused": responder_effects.EFFECTS["response_refused"],
        "response_taken": _response_taken,
    },
    duty_after,
)


def received(case: Case, now: datetime, policy: Policy) -> Outcome:
    """A referral arrived: somebody has to look at it, and for category 5 to call the patient in time."""
    due = now + policy.intake_time(case.arp)
    case = case.evolve(answer_by=due, status_history=(StatusChange("planned", now),))
    effects: tuple[Effect, ...] = (
        Tell(type=EventType.CASE_CREATED),
        Arm(kind=DeadlineKind.INTAKE, due_at=due),
    )
    if case.use_case is UseCase.CAS_REFERRAL and case.breach_at is not None:
        effects = (*effects, Arm(kind=DeadlineKind.CALLBACK, due_at=case.breach_at))
    return case.evolve(dispatch_duty=duty_after(case)), effects
