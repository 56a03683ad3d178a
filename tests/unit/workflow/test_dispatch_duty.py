"""Who has to dispatch, on both sides of one referral, whatever order the messages come in.

Two machines and the messages between them: any message may overtake any other, come twice, or have its answer lost.
A side names one owner at every moment. That both always agree cannot be had between two systems; what holds is
that nobody never has the duty, and that both name the same owner as soon as nothing is under way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cad_bridge.workflow import commands
from cad_bridge.workflow.case import Case
from cad_bridge.workflow.decide import begin, decide
from cad_bridge.workflow.effects import Decision, Send
from cad_bridge.workflow.referral_commands import RefusalReceived, ReportStatus, ResponseTaken, StatusReceived
from cad_bridge.workflow.vocabulary import Duty, MessageKind, Side, UseCase
from tests.unit.workflow.builders import NOW
from tests.unit.workflow.referral_builders import POLICY, REFERRALS, new_case

ENCOUNTER = {"received": "planned", "accepted": "planned", "in_progress": "in-progress", "finished": "finished"}
TO_RECEIVER = frozenset({MessageKind.REQUEST, MessageKind.CANCELLATION})


@dataclass
class Message:
    """One message between the two, and whether it has arrived and only its answer is missing."""

    kind: MessageKind
    made_at: datetime
    status: str = ""
    arrived: bool = False
    taken: bool = field(default=False)


class TwoSides(RuleBasedStateMachine):
    """A sender, a receiver, and what is under way between them."""

    use_case: UseCase

    @initialize(use_case=st.sampled_from(REFERRALS))
    def refer(self, use_case: UseCase) -> None:
        """The sender's CAD refers a case."""
        self.use_case = use_case
        self.now = NOW
        self.under_way: list[Message] = []
        self.receiver: Case | None = None
        self.refused_cancellation = False
        opened = begin(new_case(use_case, Side.REQUESTER), now=self.now, policy=POLICY)
        self.sender = opened.case
        self._post(opened)

    # --- the post office -----------------------------------------------------------------------------

    def _post(self, decision: Decision) -> None:
        for effect in decision.of(Send):
            if effect.kind in {MessageKind.STATUS, MessageKind.REFUSAL}:
                assert self.receiver is not None
                status = ENCOUNTER.get(decision.case.state, "cancelled")
                self.under_way.append(Message(effect.kind, self.now, status))
            elif effect.kind is not MessageKind.UPDATE:
                self.under_way.append(Message(effect.kind, self.now))

    def _sender_does(self, command: commands.Command) -> None:
        decision = decide(self.sender, command, now=self.now, policy=POLICY)
        self.sender = decision.case
        self._post(decision)

    def _receiver_does(self, command: commands.Command) -> bool:
        assert self.receiver is not None
        decision = decide(self.receiver, command, now=self.now, policy=POLICY)
        self.receiver = decision.case
        self._post(decision)
        return decision.refusal is None

    @precondition(lambda self: self._deliverable())
    @rule(data=st.data(), answered=st.booleans())
    def deliver(self, data: st.DataObject, answered: bool) -> None:
        """Any message arrives, or arrives again; its answer may get lost."""
        message = data.draw(st.sampled_from(self._deliverable()))
        repeated = message.arrived
        if not repeated:
            message.taken = self._arrive(message)
            message.arrived = True
        if answered:
            self.under_way.remove(message)
            self._answered(message, repeated=repeated)

    def _deliverable(self) -> list[Message]:
        """A cancellation without its request is not found there, and comes again."""
        return [m for m in self.under_way if self.receiver is not None or m.kind is MessageKind.REQUEST]

    def _arrive(self, message: Message) -> bool:
        if message.kind is MessageKind.REQUEST:
            self.receiver = begin(new_case(self.use_case, Side.RESPONDER), now=self.now, policy=POLICY).case
            return True
        if message.kind is MessageKind.CANCELLATION:
            return self._receiver_does(commands.CancellationReceived(status="revoked"))
        if message.kind is MessageKind.REFUSAL:
            self._sender_does(RefusalReceived(reason_code="RRNA", reason_text="No crew", at=message.made_at))
        else:
            self._sender_does(StatusReceived(status=message.status, at=message.made_at))  # type: ignore[arg-type]
        return True

    def _answered(self, message: Message, *, repeated: bool) -> None:
        if message.kind is MessageKind.REQUEST:
            proved = commands.DeliveryProved() if repeated else commands.RequestAcknowledged(remote_case_number="NE-1")
            self._sender_does(proved)
        elif message.kind is MessageKind.CANCELLATION:
            self.refused_cancellation |= not message.taken
        else:
            self._receiver_does(ResponseTaken(kind=message.kind))

    @precondition(lambda self: any(m.kind is MessageKind.REQUEST and not m.arrived for m in self.under_way))
    @rule()
    def never_arrives(self) -> None:
        """The receiving system refuses the request for good, and nothing that follows it means anything there."""
        self.under_way = []
        self._sender_does(commands.DeliveryRefused(attempts=1, last_error="422"))

    # --- people --------------------------------------------------------------------------------------

    @rule(minutes=st.integers(min_value=0, max_value=5))
    def time_passes(self, minutes: int) -> None:
        """Statuses may have the same time."""
        self.now += timedelta(minutes=minutes)

    @precondition(lambda self: self.receiver is not None)
    @rule(
        command=st.sampled_from(
            [
                commands.Accept(by="B"),
                commands.Reject(reason_code="RRNA", reason_text="No crew", by="B"),
                ReportStatus(status="planned", by="B"),
                ReportStatus(status="in-progress", by="B"),
                ReportStatus(status="finished", by="B"),
            ]
        )
    )
    def receiver_acts(self, command: commands.Command) -> None:
        """The receiver's dispatcher; what does not fit is refused."""
        self._receiver_does(command)

    @rule(command=st.sampled_from([commands.Dispatch(), commands.Close(), commands.Cancel(reason="Found")]))
    def sender_acts(self, command: commands.Command) -> None:
        """The sender's dispatcher; what does not fit is refused."""
        self._sender_does(command)

    # --- what holds ----------------------------------------------------------------------------------

    @invariant()
    def nobody_never_has_the_duty(self) -> None:
        """At every moment one of the two knows that it has to dispatch."""
        assert self._sender_has_it() or self._receiver_has_it()

    @invariant()
    def both_name_the_same_owner_as_soon_as_nothing_is_under_way(self) -> None:
        """Exactly one has it, unless the receiver would not be cancelled: then both do, and a person has been told."""
        if not self.under_way and not self.refused_cancellation and self.receiver is not None:
            assert self._sender_has_it() != self._receiver_has_it()

    @invariant()
    def mutual_aid_never_passes(self) -> None:
        """The home AST stays responsible for its incident."""
        if self.use_case is UseCase.MUTUAL_AID:
            assert self._sender_has_it()
            assert not self._receiver_has_it()

    def _sender_has_it(self) -> bool:
        return self.sender.dispatch_duty is Duty.SENDER

    def _receiver_has_it(self) -> bool:
        return self.receiver is not None and self.receiver.dispatch_duty is Duty.RECEIVER


TestTwoSides = pytest.mark.req("APP6-REF-23", "APP6-REF-24", "APP6-REF-25")(TwoSides.TestCase)
TestTwoSides.settings = settings(max_examples=400, stateful_step_count=40, deadline=None)
