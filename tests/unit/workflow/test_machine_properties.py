"""Whatever happens in whatever order: what holds for a requester's case after every command (DESIGN section 6)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from cad_bridge.workflow import commands
from cad_bridge.workflow.case import Case
from cad_bridge.workflow.decide import begin, decide
from cad_bridge.workflow.effects import Decision, Disarm, Escalate, Tell
from cad_bridge.workflow.requester_effects import PROTECTED
from cad_bridge.workflow.vocabulary import DeadlineKind, EventType, Priority
from tests.unit.workflow.builders import NOW, final, requester_case
from tests.unit.workflow.world import POLICY, PRIORITIES, SETTINGS, Machine, World

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


class Requester(Machine):
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


Requester.TestCase.settings = SETTINGS


@pytest.mark.req("APP4-VR-12", "HAZ-H02-02", "APP4-VS-16")
class TestRequester(Requester.TestCase):  # type: ignore[name-defined,misc]
    """The requester's machine."""


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
