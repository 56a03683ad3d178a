"""Nothing that a sender waits for is ever unwatched, and each silence is escalated once, whatever happens."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cad_bridge.engine.sweep import command_for
from cad_bridge.store.rows import Deadline
from cad_bridge.workflow import commands
from cad_bridge.workflow.case import Case
from cad_bridge.workflow.decide import WORKFLOWS, begin, decide
from cad_bridge.workflow.effects import Arm, Decision, Disarm, Escalate
from cad_bridge.workflow.referral_commands import ReferralUpdate, RefusalReceived, StatusReceived
from cad_bridge.workflow.vocabulary import DeadlineKind, Priority, Side, UseCase
from tests.unit.workflow.builders import CASE_ID, NOW
from tests.unit.workflow.referral_builders import ACKNOWLEDGED, POLICY, REFERRALS, new_case

_DELIVERY, _DISPATCH = frozenset({DeadlineKind.DELIVERY}), frozenset({DeadlineKind.DISPATCH})
_ANSWER, _STATUS = frozenset({DeadlineKind.ANSWER}), frozenset({DeadlineKind.STATUS})
_HAS_IT = {"accepted": _STATUS, "in_progress": _STATUS}
_SUPPORT = {"sent": _DELIVERY, "pending": _ANSWER, "undelivered": _DISPATCH, "returned": _DISPATCH} | _HAS_IT
WATCHED: dict[UseCase, dict[str, frozenset[DeadlineKind]]] = {
    UseCase.CAS_REFERRAL: {"sent": _DELIVERY, "undelivered": _DISPATCH},
    UseCase.OUT_OF_AREA: {"sent": _DELIVERY, "undelivered": _DISPATCH, "pending": _STATUS} | _HAS_IT,
    UseCase.CALL_ASSIST: _SUPPORT,
    UseCase.MUTUAL_AID: _SUPPORT,
}
"""What watches a case in a state: armed, or fired since it came there."""


class Sender(RuleBasedStateMachine):
    """A sender's referral under any sequence of commands, with its deadlines as a store keeps them."""

    case: Case

    @initialize(use_case=st.sampled_from(REFERRALS), arp=st.one_of(st.none(), st.sampled_from(Priority)))
    def refer(self, use_case: UseCase, arp: Priority | None) -> None:
        """The CAD refers a case."""
        self.now = NOW
        self.armed: dict[DeadlineKind, datetime] = {}
        self.fired: set[DeadlineKind] = set()
        self.keys: list[str] = []
        self._take(begin(new_case(use_case, Side.REQUESTER, arp=arp), now=NOW, policy=POLICY))

    def _take(self, decision: Decision) -> None:
        self.case = decision.case
        for effect in decision.effects:
            match effect:
                case Arm():
                    self.armed[effect.kind] = effect.due_at
                    self.fired.discard(effect.kind)
                case Disarm():
                    self.armed.pop(effect.kind, None)
                    self.fired.discard(effect.kind)
                case Escalate() if effect.key not in self.keys:
                    self.keys.append(effect.key)
                case _:
                    pass

    def _do(self, command: commands.Command) -> None:
        table = WORKFLOWS[self.case.use_case, Side.REQUESTER].table
        if command.trigger in table.triggers:
            self._take(decide(self.case, command, now=self.now, policy=POLICY))

    @rule(
        command=st.sampled_from(
            [
                ACKNOWLEDGED,
                commands.DeliveryProved(),
                commands.DeliveryRefused(attempts=1, last_error="422"),
                commands.UpdateConfirmed(breach_at=None),
                commands.Dispatch(),
                commands.Close(),
                commands.Cancel(reason="Found"),
                RefusalReceived(reason_code="RRNA", reason_text="No crew"),
            ]
        )
    )
    def something_happens(self, command: commands.Command) -> None:
        """An answer, a refusal, or what the CAD does."""
        self._do(command)

    @rule(status=st.sampled_from(["planned", "in-progress", "finished"]), ago=st.integers(min_value=0, max_value=90))
    def status(self, status: str, ago: int) -> None:
        """A status, as old as it says."""
        self._do(StatusReceived(status=status, at=self.now - timedelta(minutes=ago)))  # type: ignore[arg-type]

    @rule(arp=st.sampled_from(Priority), minutes=st.one_of(st.none(), st.integers(min_value=-5, max_value=60)))
    def update(self, arp: Priority, minutes: int | None) -> None:
        """The CAD has learnt more."""
        needed = None if minutes is None else self.now + timedelta(minutes=minutes)
        values = {"changed": ("triage",), "clock_start": NOW, "breach_at": None}
        self._do(ReferralUpdate(arp=arp, needed_by=needed, **values))  # type: ignore[arg-type]

    @rule(minutes=st.integers(min_value=1, max_value=300))
    def time_passes(self, minutes: int) -> None:
        """What falls due fires once, each with exactly one new escalation of its own."""
        self.now += timedelta(minutes=minutes)
        while due := sorted((at, kind) for kind, at in self.armed.items() if at <= self.now):
            at, kind = due[0]
            del self.armed[kind]
            self.fired.add(kind)
            before = len(self.keys)
            self._do(command_for(Deadline(id=CASE_ID, case_id=CASE_ID, kind=kind, subject="", due_at=at)))
            assert len(self.keys) - before <= 1
            assert len(self.keys) - before == 1 or kind in {DeadlineKind.DELIVERY, DeadlineKind.ANSWER}

    @invariant()
    def what_is_waited_for_is_watched(self) -> None:
        """A deadline is armed for it, or has fired since."""
        wanted = WATCHED[self.case.use_case].get(self.case.state, frozenset())
        assert wanted <= set(self.armed) | self.fired

    @invariant()
    def nothing_is_watched_that_is_not_waited_for(self) -> None:
        """No alarm rings for a case that is over, handed over or somebody else's."""
        assert set(self.armed) <= WATCHED[self.case.use_case].get(self.case.state, frozenset())


TestSender = Sender.TestCase
TestSender.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
