"""What the effects of both sides of a referral share: overdue deadlines, and whose the duty is after every move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from cad_bridge.workflow.case import Case
from cad_bridge.workflow.turn import Outcome, Turn, escalate
from cad_bridge.workflow.vocabulary import Duty, EscalationReason

Effects = Mapping[str, Callable[[Turn], Outcome]]


def overdue(reason: EscalationReason, *, once: bool) -> Callable[[Turn], Outcome]:
    """An escalation for a deadline that passed: once for each request, or once for each time that it was armed."""

    def effect(turn: Turn) -> Outcome:
        if not turn.moved:
            return turn.after, ()
        due_at: datetime = turn.command.due_at  # type: ignore[attr-defined]
        key = f"{reason}:{turn.after.epoch}" if once else f"{reason}:{due_at.isoformat()}"
        return turn.after, (escalate(turn, reason, key=key),)

    return effect


def with_duty(effects: Effects, duty_after: Callable[[Case], Duty]) -> Effects:
    """The same effects, where every move says anew whose the duty is: none of them can forget it."""

    def settling(effect: Callable[[Turn], Outcome]) -> Callable[[Turn], Outcome]:
        def settled(turn: Turn) -> Outcome:
            case, found = effect(turn)
            return (case.evolve(dispatch_duty=duty_after(case)) if turn.moved else case), found

        return settled

    return {trigger: settling(effect) for trigger, effect in effects.items()}


def only(effects: Effects, triggers: tuple[str, ...]) -> Effects:
    """The effects of one table."""
    return {trigger: effects[trigger] for trigger in triggers}
