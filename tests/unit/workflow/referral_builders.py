"""Referral cases for the tests of the workflow."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cad_bridge.workflow import commands
from cad_bridge.workflow.case import Case, StatusChange, dispatch_by
from cad_bridge.workflow.decide import begin, decide
from cad_bridge.workflow.effects import Decision
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.referral_commands import ReceiverStatus, RefusalReceived, ReportStatus, StatusReceived
from cad_bridge.workflow.vocabulary import CAD_TO_CAD_USE_CASES, Priority, Side, UseCase
from tests.unit.workflow.builders import CASE_ID, NOW

POLICY = Policy()
CAD_TO_CAD = sorted(CAD_TO_CAD_USE_CASES)
SUPPORT = (UseCase.CALL_ASSIST, UseCase.MUTUAL_AID)
REFERRALS = (UseCase.CAS_REFERRAL, *CAD_TO_CAD)


def new_case(use_case: UseCase, side: Side, **changes: Any) -> Case:
    """A C3 case five minutes after its clock start, not opened yet."""
    case = Case(
        id=CASE_ID,
        side=side,
        use_case=use_case,
        state="",
        arp=Priority.C3,
        clock_start=NOW - timedelta(minutes=5),
        dispatch_by=dispatch_by(Priority.C3, NOW - timedelta(minutes=5)),
        delivered=side is Side.RESPONDER,
    )
    return case.evolve(**changes)


def sent(use_case: UseCase, **changes: Any) -> Case:
    """A sender's case on its way."""
    return begin(new_case(use_case, Side.REQUESTER, **changes), now=NOW, policy=POLICY).case


def received(use_case: UseCase, **changes: Any) -> Case:
    """A receiver's case that nobody has seen."""
    return begin(new_case(use_case, Side.RESPONDER, **changes), now=NOW, policy=POLICY).case


def after(case: Case, *taken: commands.Command) -> Case:
    """The case after commands, each of which it takes."""
    for command in taken:
        decision = done(case, command)
        assert decision.refusal is None
        case = decision.case
    return case


def done(case: Case, command: commands.Command, *, minutes: float = 0) -> Decision:
    """One command at `NOW`, or minutes later."""
    return decide(case, command, now=NOW + timedelta(minutes=minutes), policy=POLICY)


def status(what: ReceiverStatus, *, minutes: float = 0, **changes: Any) -> StatusReceived:
    """A status of the receiver's, as old as `minutes` after `NOW`."""
    return StatusReceived(status=what, at=NOW + timedelta(minutes=minutes), **changes)


def refusal(**changes: Any) -> RefusalReceived:
    """The receiver cannot help."""
    values: dict[str, Any] = {"reason_code": "RRNA", "reason_text": "No crew", "at": NOW + timedelta(minutes=1)}
    return RefusalReceived(**values | changes)


def report(what: ReceiverStatus) -> ReportStatus:
    """The receiver's own CAD says how the case stands."""
    return ReportStatus(status=what, by="Dispatcher")


ACKNOWLEDGED = commands.RequestAcknowledged(remote_case_number="NE-1")
REJECT = commands.Reject(reason_code="RRNA", reason_text="No crew", by="Dispatcher")


def history(*what: str) -> tuple[StatusChange, ...]:
    """Statuses a minute apart from `NOW` on."""
    return tuple(StatusChange(word, NOW + timedelta(minutes=index)) for index, word in enumerate(what))
