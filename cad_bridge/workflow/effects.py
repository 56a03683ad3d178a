"""What a decision asks for, as data. The engine makes all of it true in one commit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from cad_bridge.workflow.case import Case
from cad_bridge.workflow.vocabulary import DeadlineKind, EscalationReason, EventType, MessageKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """An event for the CAD, the board and the story of the case."""

    type: EventType
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Arm a deadline, or move it if it is armed already."""

    kind: DeadlineKind
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Disarm:
    """Take a deadline back; nothing happens if it is not armed."""

    kind: DeadlineKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate:
    """A person must look, and say that they have.

    `key` makes it happen once: the store refuses a second escalation of the same case with the same key.
    """

    reason: EscalationReason
    key: str
    due_at: datetime | None
    acknowledge_by: datetime
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Render a message from the case and put it into the outbox; `facts` are what the builder needs beside the case."""

    kind: MessageKind
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Stop trying to deliver what is still in the outbox of this case, of this kind."""

    kind: MessageKind


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleEscalation:
    """Mark one escalation acknowledged."""

    escalation_id: UUID
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatEscalation:
    """Raise the level of an unacknowledged escalation and wait again."""

    escalation_id: UUID
    acknowledge_by: datetime


EffectT = TypeVar("EffectT", Tell, Arm, Disarm, Escalate, Send, Withdraw, SettleEscalation, RepeatEscalation)
Effect = Tell | Arm | Disarm | Escalate | Send | Withdraw | SettleEscalation | RepeatEscalation


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The command does not fit the state; nothing changes. `why` is for a person."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome of one command: the case as it is now, what has to be done, and the row of the table that spoke."""

    case: Case
    rule: str
    effects: tuple[Effect, ...] = ()
    refusal: Refusal | None = None

    def of(self, kind: type[EffectT]) -> tuple[EffectT, ...]:
        """The effects of one kind, in order."""
        return tuple(effect for effect in self.effects if isinstance(effect, kind))
