"""One command being decided, and what every workflow makes of one: an escalation, a proof of delivery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cad_bridge.workflow import commands
from cad_bridge.workflow.case import Case
from cad_bridge.workflow.effects import Disarm, Effect, Escalate, Tell
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.table import Kind, Row
from cad_bridge.workflow.vocabulary import DeadlineKind, EscalationReason, EventType


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


def prove_delivery(turn: Turn, remote_case_number: str | None) -> Outcome:
    """A 200, a 409 duplicate or a genuine response: the responder holds the request (DESIGN section 6)."""
    case = turn.after
    news = remote_case_number is not None and case.remote_case_number is None
    if case.delivered and not news:
        return case, ()
    case = case.evolve(delivered=True, remote_case_number=case.remote_case_number or remote_case_number)
    told = Tell(type=EventType.CASE_ACKNOWLEDGED, data={"remote_case_number": case.remote_case_number})
    return case, (Disarm(kind=DeadlineKind.DELIVERY), told)
