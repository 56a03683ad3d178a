"""Whatever happens in whatever order: what holds for every case after every command (DESIGN section 6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cad_bridge.workflow import commands
from cad_bridge.workflow.case import Case, EscalationFacts
from cad_bridge.workflow.decide import begin, decide
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
from cad_bridge.workflow.requester_effects import PROTECTED
from cad_bridge.workflow.vocabulary import DeadlineKind, EventType, MessageKind, Priority
from tests.unit.workflow.builders import NOW, final, requester_case, responder_case

POLICY = Policy()
PRIORITIES = st.one_of(st.none(), st.sampled_from(Priority))
NUMBERS = st.one_of(st.none(), st.just("CAS-1"))
HANDED_BACK = {"returned", "dispatch_required"}
EXITS = {
    "final_closing": {"completed", "returned"},
    "final_dispatch": {"dispatch_required"},
    "final_contradictory": {"returned"},
    "rejection": {"returned"},
    "review_closing": {"completed"},
    "review_dispatch": {"dispatch_required"},
    "breach_due": {"breached"},
    "cancel": {"cancelled"},
    "dispatch": {"dispatched"},
}
"""Every way out of protection, with the states that it may lead to."""
_STARTED = (commands.RequestAcknowledged(remote_case_number="CAS-1"), commands.InterimReceived())
BEGINNINGS = (
    (),
    _STARTED[:1],
    _STARTED,
    (*_STARTED, final(needs_review=True)),
    (*_STARTED, final(dispatch_required=True, arp=Priority.C3)),
    (*_STARTED, commands.Dispatch(by="Dot")),
)

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


class _Machine(RuleBasedStateMachine):
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


class Requester(_Machine):
    """A requester's case under any sequence of commands."""

    on_their_way: list[datetime]
    """The breach times of our updates that nobody has answered yet."""
    held_there: datetime
    """The breach time that the responder holds."""

    @initialize(arp=PRIORITIES, cancel=st.booleans(), first=st.sampled_from(BEGINNINGS))
    def open(self, arp: Priority | None, cancel: bool, first: tuple[commands.Command, ...]) -> None:
        """The CAD opens a validation, and it gets as far as waiting for something."""
        case = requester_case(
            state="", version=0, delivered=False, remote_case_number=None, arp=arp, cancel_on_breach=cancel
        )
        self.world, self.on_their_way = World(case), []
        assert case.breach_at is not None
        self.held_there = case.breach_at
        self.world.take(begin(case, now=NOW, policy=POLICY))
        for command in first:
            self._apply(command)

    def _check_step(self, before: Case, command: commands.Command, decision: Decision) -> None:
        super()._check_step(before, command, decision)
        after = decision.case
        if after.breach_at != before.breach_at:
            assert command.trigger in {"update", "update_confirmed"}, "nothing but an update moves the breach time"
        assert after.epoch == before.epoch
        if before.state in PROTECTED and after.state not in PROTECTED:
            assert after.state in EXITS[command.trigger]
        if before.state == "awaiting_review" and after.state == "completed":
            assert command.trigger == "review_closing", "what waits for the hub is closed by the hub"
        if before.state not in PROTECTED:
            assert after.state not in PROTECTED, "what is over does not begin again"
        if command.trigger.startswith("final") and before.state not in {*PROTECTED, "completed", "dispatch_required"}:
            assert after.state == before.state, "a late final closes nothing"
        if command.trigger == "final_contradictory":
            assert after.state not in {"completed", "closed"} or after.state == before.state == "closed"
        if before.state in HANDED_BACK and after.state not in HANDED_BACK:
            assert command.trigger in {"dispatch", "close", "review_closing"}, "only people end the duty to dispatch"

    @rule(number=NUMBERS)
    def acknowledged(self, number: str | None) -> None:
        """The responder's 200."""
        self._apply(commands.RequestAcknowledged(remote_case_number=number))
        assert self.world.case.delivered

    @rule()
    def duplicate(self) -> None:
        """409 duplicate."""
        self._apply(commands.DeliveryProved())
        assert self.world.case.delivered

    @rule()
    def refused(self) -> None:
        """4xx to the request."""
        self._apply(commands.DeliveryRefused(attempts=1, last_error="refused"))

    @rule(number=NUMBERS)
    def interim(self, number: str | None) -> None:
        """The consultation started."""
        self._apply(commands.InterimReceived(remote_case_number=number))

    @rule(code=st.sampled_from(["FC", "RRNA", None]))
    def rejection(self, code: str | None) -> None:
        """The responder gives the case back."""
        self._apply(commands.RejectionReceived(reason_code=code, reason_text=None))

    @rule(
        required=st.booleans(),
        contradictory=st.booleans(),
        arp=PRIORITIES,
        review=st.booleans(),
        clock_start=st.one_of(st.none(), st.just(NOW + timedelta(minutes=3))),
    )
    def final(
        self,
        required: bool,
        contradictory: bool,
        arp: Priority | None,
        review: bool,
        clock_start: datetime | None,
    ) -> None:
        """The responder's full response."""
        before = self.world.case
        said = final(
            dispatch_required=required,
            contradictory=contradictory,
            arp=arp,
            clock_start=clock_start,
            needs_review=review,
        )
        decision = self._apply(said)
        if said.trigger == "final_review" and before.state in PROTECTED:
            assert decision.case.state == "awaiting_review", "what the hub has to see closes nothing by itself"
        raised = arp is not None and arp.raises(before.arp)
        if raised and before.state not in {*PROTECTED, "completed"} and (required or contradictory):
            assert decision.of(Escalate), "a late response that raises the priority escalates anew"

    @rule()
    def stranger(self) -> None:
        """A response that is not of this conversation."""
        before = self.world.case.state
        decision = self._apply(commands.UnrecognisedResponse(came_from="x|1"))
        assert self.world.case.state == before
        assert decision.of(Disarm) == ()

    @rule(required=st.booleans(), arp=PRIORITIES, amended=st.booleans())
    def review(self, required: bool, arp: Priority | None, amended: bool) -> None:
        """The EOC clinical hub decides."""
        self._apply(commands.Review(dispatch_required=required, arp=arp, amended=amended, by="Ann"))

    @precondition(lambda self: self.world.case.state in {"sent", "pending"})
    @rule(minutes=st.sampled_from([20, 60, 70]))
    def update(self, minutes: int) -> None:
        """The CAD sends an update with another breach time."""
        case = self.world.case
        breach_at = self.world.now + timedelta(minutes=minutes)
        command = commands.Update(
            changed=("breach_at",), arp=case.arp, clock_start=case.clock_start, breach_at=breach_at
        )
        if self._apply(command).refusal is None:
            self.on_their_way.append(breach_at)

    @precondition(lambda self: self.on_their_way)
    @rule(taken=st.booleans())
    def update_answered(self, taken: bool) -> None:
        """The oldest update on its way is answered: they go one after the other."""
        breach_at = self.on_their_way.pop(0)
        if taken:
            self.held_there = breach_at
            self._apply(commands.UpdateConfirmed(breach_at=breach_at))
        else:
            self._apply(commands.UpdateRefused(attempts=1, last_error="refused"))

    @rule(mistaken=st.booleans())
    def cancel(self, mistaken: bool) -> None:
        """The CAD cancels."""
        self._apply(commands.Cancel(reason="Called back", mistaken=mistaken))

    @rule()
    def dispatch(self) -> None:
        """A resource goes."""
        self._apply(commands.Dispatch(by="Dot"))

    @rule()
    def close(self) -> None:
        """The CAD ends its case."""
        decision = self._apply(commands.Close(by="Dot"))
        assert (decision.refusal is not None) == (self.world.case.state in PROTECTED)

    @rule(taken=st.booleans())
    def cancellation_answered(self, taken: bool) -> None:
        """What became of our cancellation."""
        command = (
            commands.CancellationConfirmed()
            if taken
            else commands.CancellationRefused(attempts=1, last_error="refused")
        )
        self._apply(command)

    @rule(seconds=st.sampled_from([1, 30, 61, 600, 900, 2399, 2400, 2401]))
    def time_passes(self, seconds: int) -> None:
        """The clock moves on, and all that is due fires."""
        protected = self.world.case.state in PROTECTED
        self.world.pass_time(timedelta(seconds=seconds))
        case = self.world.case
        assert case.breach_at is not None
        if protected:
            assert (case.state == "breached") == (self.world.now >= case.breach_at)

    @precondition(lambda self: self.world.case.state in PROTECTED)
    @rule()
    def the_breach_time_comes(self) -> None:
        """The clock reaches the breach time of an open validation."""
        breach_at = self.world.case.breach_at
        assert breach_at is not None
        self.world.pass_time(breach_at - self.world.now)
        assert self.world.case.state == "breached"

    @invariant()
    def protected_means_armed(self) -> None:
        """The breach deadline is armed exactly while the validation is open, and for the breach time."""
        armed = self.world.armed(DeadlineKind.BREACH)
        assert armed == (self.world.case.breach_at if self.world.case.state in PROTECTED else None)

    @invariant()
    def never_later_than_the_responder_holds(self) -> None:
        """A later breach time holds only when the responder has taken that very update."""
        assert self.world.case.breach_at is not None
        assert self.world.case.breach_at <= self.held_there

    @invariant()
    def one_breach_at_most(self) -> None:
        """One escalation and one notice for each request, and only together."""
        breaches = [key for key in self.world.keys if key.startswith("breach:")]
        assert len(breaches) == len(set(breaches)) == len(self.world.told_of(EventType.FAILSAFE_DISPATCH))
        assert len(breaches) <= self.world.case.epoch
        if self.world.case.state == "breached":
            assert breaches

    @invariant()
    def an_undelivered_request_is_never_silent(self) -> None:
        """Until the delivery is known, somebody is told of it in bounded time."""
        unknown = self.world.case.state == "sent" and not self.world.case.delivered
        raised = any(key.startswith("delivery-unknown") for key in self.world.keys)
        assert not unknown or raised or self.world.armed(DeadlineKind.DELIVERY) is not None
        if self.world.case.state == "undelivered":
            assert any(key.startswith("undeliverable") for key in self.world.keys)

    @invariant()
    def the_duty_handed_back_has_a_deadline_or_an_escalation(self) -> None:
        """A rejection or a final that needs dispatch is never left lying."""
        if self.world.case.state in HANDED_BACK:
            overdue = any(key.startswith("dispatch-overdue") for key in self.world.keys)
            assert self.world.armed(DeadlineKind.DISPATCH) is not None or overdue

    @invariant()
    def what_has_ended_has_no_deadline(self) -> None:
        """Nothing of an ended validation falls due but acknowledgements."""
        if self.world.case.state in {"completed", "breached", "cancelled", "dispatched", "closed"}:
            assert {kind for kind, _ in self.world.deadlines} <= {DeadlineKind.ACKNOWLEDGEMENT}


class Responder(_Machine):
    """A responder's case under any sequence of commands."""

    sent: list[MessageKind]

    @initialize(arp=PRIORITIES)
    def receive(self, arp: Priority | None) -> None:
        """A request arrives."""
        case = responder_case(state="", version=0, arp=arp)
        self.world, self.sent = World(case), []
        self.world.take(begin(case, now=NOW, policy=POLICY))

    def _check_step(self, before: Case, command: commands.Command, decision: Decision) -> None:
        super()._check_step(before, command, decision)
        if before.state in {"rejected", "finished", "cancelled"}:
            assert decision.case.state == before.state, "what has ended does not begin again"
            assert decision.of(Send) == ()
        self.sent += [send.kind for send in decision.of(Send)]

    @rule()
    def accept(self) -> None:
        """Somebody takes it on."""
        self._apply(commands.Accept(by="Nurse"))

    @rule()
    def start(self) -> None:
        """The consultation starts."""
        self._apply(commands.Start(by="Nurse"))

    @rule()
    def reject(self) -> None:
        """It goes back."""
        self._apply(commands.Reject(reason_code="FC", reason_text="No answer"))

    @rule(required=st.booleans(), arp=PRIORITIES)
    def complete(self, required: bool, arp: Priority | None) -> None:
        """The consultation ends."""
        self._apply(commands.Complete(dispatch_required=required, arp=arp, clock_start=NOW))

    @rule()
    def cancelled_by_requester(self) -> None:
        """The requester cancels."""
        self._apply(commands.CancellationReceived(status="revoked"))

    @rule(arp=PRIORITIES)
    def update_received(self, arp: Priority | None) -> None:
        """The requester has learnt more."""
        self._apply(commands.UpdateReceived(changed=("triage",), arp=arp, clock_start=None, breach_at=None))

    @rule()
    def response_refused(self) -> None:
        """A response of ours is not taken."""
        decision = self._apply(commands.ResponseRefused(kind="final", attempts=12, last_error="no answer"))
        assert decision.of(Escalate)

    @rule(seconds=st.sampled_from([1, 61, 600, 900]))
    def time_passes(self, seconds: int) -> None:
        """The clock moves on, and all that is due fires."""
        self.world.pass_time(timedelta(seconds=seconds))

    @invariant()
    def unseen_means_armed_or_escalated(self) -> None:
        """With our 200 the duty is ours: until somebody has the case, a deadline or an escalation stands for it."""
        raised = any(key.startswith("intake-overdue") for key in self.world.keys)
        armed = self.world.armed(DeadlineKind.INTAKE) is not None
        if self.world.case.state == "received":
            assert armed != raised
        else:
            assert not armed

    @invariant()
    def one_answer_of_a_kind(self) -> None:
        """The requester is told once that we started, and once how it ended."""
        assert self.sent.count(MessageKind.INTERIM) <= 1
        assert self.sent.count(MessageKind.REJECTION) + self.sent.count(MessageKind.FINAL) <= 1


_SETTINGS = settings(max_examples=400, stateful_step_count=10, deadline=None)
Requester.TestCase.settings = _SETTINGS
Responder.TestCase.settings = _SETTINGS


@pytest.mark.req("APP4-VR-12", "HAZ-H02-02", "APP4-VS-16")
class TestRequester(Requester.TestCase):  # type: ignore[name-defined,misc]
    """The requester's machine."""


class TestResponder(Responder.TestCase):  # type: ignore[name-defined,misc]
    """The responder's machine."""


def test_a_later_breach_time_waits_for_the_answer_to_its_own_update() -> None:
    """Two updates on their way: what the responder takes first is not the time that was told last."""
    case = requester_case()
    first, second = (
        commands.Update(changed=("breach_at",), arp=case.arp, clock_start=None, breach_at=NOW + timedelta(minutes=m))
        for m in (60, 90)
    )
    for update in (first, second):
        case = decide(case, update, now=NOW, policy=POLICY).case
    case = decide(case, commands.UpdateConfirmed(breach_at=first.breach_at), now=NOW, policy=POLICY).case
    assert case.breach_at == NOW + timedelta(minutes=40)
    case = decide(case, commands.UpdateConfirmed(breach_at=second.breach_at), now=NOW, policy=POLICY).case
    assert case.breach_at == second.breach_at


@pytest.mark.parametrize("state", ["returned", "dispatch_required", "breached", "cancelled", "dispatched", "closed"])
def test_a_late_contradictory_final_that_raises_the_priority_escalates_anew(state: str) -> None:
    """CarePlan completed with C2: late as well as in time, the reading that needs an ambulance counts."""
    case = requester_case(state=state)
    decision = decide(case, final(contradictory=True, arp=Priority.C2), now=NOW, policy=POLICY)
    assert decision.case.state == state
    assert [effect.reason for effect in decision.of(Escalate)] == ["priority-raised"]
    assert [tell.type for tell in decision.of(Tell)] == [EventType.RESPONSE_LATE]
