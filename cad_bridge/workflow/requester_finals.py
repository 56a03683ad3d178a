"""Final responses and their review by the EOC clinical hub: what they mean for a requester's case."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from cad_bridge.workflow import commands
from cad_bridge.workflow import validation_requester as states
from cad_bridge.workflow.case import Case, dispatch_by
from cad_bridge.workflow.effects import Arm, Disarm, Effect, Tell
from cad_bridge.workflow.turn import Outcome, Turn, escalate, prove_delivery
from cad_bridge.workflow.vocabulary import DeadlineKind, EscalationReason, EventType, Priority

_PROTECTING = (DeadlineKind.BREACH, DeadlineKind.DELIVERY, DeadlineKind.DISPATCH, DeadlineKind.REVIEW)


def stop_protection() -> tuple[Effect, ...]:
    """Disarm everything that protects an open validation."""
    return tuple(Disarm(kind=kind) for kind in _PROTECTING)


def hand_back(turn: Turn, case: Case) -> tuple[Effect, ...]:
    """The duty to dispatch is the requester's again: the breach deadline gives way to the dispatch deadline."""
    due = turn.now + turn.policy.dispatch_time(case.arp)
    return (
        Disarm(kind=DeadlineKind.BREACH),
        Disarm(kind=DeadlineKind.DELIVERY),
        Disarm(kind=DeadlineKind.REVIEW),
        Arm(kind=DeadlineKind.DISPATCH, due_at=due),
    )


def late(turn: Turn, what: dict[str, Any]) -> tuple[Effect, ...]:
    return (Tell(type=EventType.RESPONSE_LATE, data=what | {"state": turn.before.state}),)


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
    told = late(turn, {"response": "final"} | _final_data(command, would_be, guessed=guessed))
    linked = {"new_cad_id": command.new_cad_id} if command.new_cad_id is not None else {}
    # A contradictory one counts as asking for dispatch, late as well as in time: the safer of its two readings.
    asks_for_dispatch = command.dispatch_required or command.contradictory
    if asks_for_dispatch and command.arp is not None and command.arp.raises(case.arp):
        return would_be, (*told, escalate(turn, EscalationReason.PRIORITY_RAISED, data={"arp": command.arp} | linked))
    return case, (*told, *_second_case(turn, linked))


def _second_case(turn: Turn, linked: dict[str, str]) -> tuple[Effect, ...]:
    """A late response names a CAD case that nobody here knew of: of two live cases two ambulances would come."""
    new = linked.get("new_cad_id")
    if new in {None, turn.before.duplicate_of} or turn.before.state == states.CLOSED:
        return ()
    return (escalate(turn, EscalationReason.SECOND_CASE, key=f"second-case:{new}", data=linked),)


def final(turn: Turn) -> Outcome:
    command = cast(commands.FinalReceived, turn.command)
    case, proof = prove_delivery(turn, command.remote_case_number)
    case = case.evolve(duplicate_of=command.new_cad_id or case.duplicate_of)
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


def review(turn: Turn) -> Outcome:
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


def review_overdue(turn: Turn) -> Outcome:
    if not turn.moved:
        return turn.after, ()
    return turn.after, (escalate(turn, EscalationReason.REVIEW_OVERDUE),)


def _finals_consequences(turn: Turn, case: Case, data: dict[str, Any]) -> tuple[Effect, ...]:
    told = Tell(type=EventType.CASE_COMPLETED, data=data)
    if case.state == states.COMPLETED:
        return (told, *stop_protection())
    if case.state == states.DISPATCH_REQUIRED:
        return (told, *hand_back(turn, case))
    returned = Tell(type=EventType.CASE_RETURNED, data={"reason": {"code": "contradictory-final", "text": None}} | data)
    return (
        returned,
        *hand_back(turn, case),
        escalate(turn, EscalationReason.CONTRADICTORY_FINAL, data={"arp": data["arp"]}),
    )
