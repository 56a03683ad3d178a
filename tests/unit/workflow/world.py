"""A case under any sequence of commands, kept as a store would keep it: what the property tests of both sides share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cad_bridge.workflow import commands
from cad_bridge.workflow.case import Case, EscalationFacts
from cad_bridge.workflow.decide import decide
from cad_bridge.workflow.effects import (
    Arm,
    Decision,
    Disarm,
    Escalate,
    RepeatEscalation,
    Send,
    SettleEscalation,
    Tell,
    Withdraw,
)
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.vocabulary import DeadlineKind, EventType, Priority
from tests.unit.workflow.builders import NOW

POLICY = Policy()
PRIORITIES = st.one_of(st.none(), st.sampled_from(Priority))
SETTINGS = settings(max_examples=400, stateful_step_count=10, deadline=None)

_COMMANDS_OF = {
    DeadlineKind.BREACH: commands.BreachDue,
    DeadlineKind.DISPATCH: commands.DispatchOverdue,
    DeadlineKind.DELIVERY: commands.DeliveryOverdue,
    DeadlineKind.REVIEW: commands.ReviewOverdue,
    DeadlineKind.INTAKE: commands.IntakeOverdue,
}


@dataclass
class World:
    """A case with its deadlines and escalations, as a store would keep them."""

    case: Case
    now: datetime = NOW
    deadlines: dict[tuple[DeadlineKind, str], datetime] = field(default_factory=dict)
    escalations: dict[UUID, EscalationFacts] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    told: list[Tell] = field(default_factory=list)
    acknowledged: set[UUID] = field(default_factory=set)

    def take(self, decision: Decision) -> None:
        """Make a decision true; the second escalation under one key is refused, as the table's unique key does."""
        self.case = decision.case
        for effect in decision.effects:
            match effect:
                case Tell():
                    self.told.append(effect)
                case Arm():
                    self.deadlines[effect.kind, ""] = effect.due_at
                case Disarm():
                    self.deadlines.pop((effect.kind, ""), None)
                case Escalate():
                    self._raise(effect)
                case RepeatEscalation():
                    self.deadlines[DeadlineKind.ACKNOWLEDGEMENT, str(effect.escalation_id)] = effect.acknowledge_by
                case SettleEscalation():
                    self.acknowledged.add(effect.escalation_id)
                    del self.deadlines[DeadlineKind.ACKNOWLEDGEMENT, str(effect.escalation_id)]
                    facts = self.escalations[effect.escalation_id]
                    self.escalations[effect.escalation_id] = EscalationFacts(
                        id=facts.id, reason=facts.reason, level=facts.level, due_at=None, acknowledged_by=effect.by
                    )
                case Send() | Withdraw():
                    pass

    def _raise(self, effect: Escalate) -> None:
        if effect.key in self.keys:
            return
        id_ = uuid4()
        self.keys.append(effect.key)
        self.escalations[id_] = EscalationFacts(
            id=id_, reason=effect.reason, level=0, due_at=effect.due_at, acknowledged_by=None
        )
        self.deadlines[DeadlineKind.ACKNOWLEDGEMENT, str(id_)] = effect.acknowledge_by

    def do(self, command: commands.Command, escalation: EscalationFacts | None = None) -> Decision:
        """Decide and take."""
        decision = decide(self.case, command, now=self.now, policy=POLICY, escalation=escalation)
        self.take(decision)
        return decision

    def pass_time(self, delta: timedelta) -> None:
        """Move the clock and fire what is due, in the order in which it fell due, until nothing is."""
        self.now += delta
        while due := sorted((at, key) for key, at in self.deadlines.items() if at <= self.now):
            at, (kind, subject) = due[0]
            del self.deadlines[kind, subject]
            if kind is DeadlineKind.ACKNOWLEDGEMENT:
                id_ = UUID(subject)
                self.do(commands.AcknowledgementOverdue(escalation_id=id_, due_at=at), self.escalations[id_])
            else:
                self.do(_COMMANDS_OF[kind](due_at=at))

    def armed(self, kind: DeadlineKind) -> datetime | None:
        """When a deadline falls due, if it is armed."""
        return self.deadlines.get((kind, ""))

    def told_of(self, type_: EventType) -> list[dict[str, Any]]:
        """The data of every event of a type."""
        return [tell.data for tell in self.told if tell.type is type_]


class Machine(RuleBasedStateMachine):
    """What holds on either side."""

    world: World

    def _apply(self, command: commands.Command) -> Decision:
        before = self.world.case
        decision = self.world.do(command)
        self._check_step(before, command, decision)
        return decision

    def _check_step(self, before: Case, command: commands.Command, decision: Decision) -> None:
        after = decision.case
        assert after.version >= before.version
        if decision.refusal is not None:
            assert after == before
            assert decision.effects == ()
        elif after != before or decision.effects:
            assert after.version == before.version + 1

    @precondition(lambda self: any(e.acknowledged_by is None for e in self.world.escalations.values()))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """A named person acknowledges an escalation."""
        open_ = [facts for facts in self.world.escalations.values() if facts.acknowledged_by is None]
        facts = data.draw(st.sampled_from(open_))
        self.world.do(commands.AcknowledgeEscalation(escalation_id=facts.id, by="Dot"), facts)
        assert self.world.escalations[facts.id].acknowledged_by == "Dot"

    @invariant()
    def every_open_escalation_waits_for_its_acknowledgement(self) -> None:
        """Nothing that a person must see is ever forgotten, and an acknowledged one is not repeated."""
        waiting = {subject for kind, subject in self.world.deadlines if kind is DeadlineKind.ACKNOWLEDGEMENT}
        assert waiting == {str(id_) for id_ in self.world.escalations if id_ not in self.world.acknowledged}
