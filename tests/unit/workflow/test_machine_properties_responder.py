"""Whatever happens in whatever order: what holds for a responder's case after every command (DESIGN section 6)."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from cad_bridge.workflow import commands
from cad_bridge.workflow.case import Case
from cad_bridge.workflow.decide import begin
from cad_bridge.workflow.effects import Decision, Escalate, Send
from cad_bridge.workflow.vocabulary import DeadlineKind, MessageKind, Priority
from tests.unit.workflow.builders import NOW, responder_case
from tests.unit.workflow.world import POLICY, PRIORITIES, SETTINGS, Machine, World


class Responder(Machine):
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


Responder.TestCase.settings = SETTINGS


class TestResponder(Responder.TestCase):  # type: ignore[name-defined,misc]
    """The responder's machine."""
