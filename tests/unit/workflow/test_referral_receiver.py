"""What each command means for a receiver's referral (Applications 3 and 6)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cad_bridge.workflow import commands
from cad_bridge.workflow.decide import begin
from cad_bridge.workflow.effects import Arm, Decision, Disarm, Escalate, Send, Tell
from cad_bridge.workflow.referral_commands import CallbackOverdue, ReferralUpdateReceived, ResponseTaken
from cad_bridge.workflow.vocabulary import (
    DeadlineKind,
    Duty,
    EscalationReason,
    EventType,
    MessageKind,
    Priority,
    Side,
    UseCase,
)
from tests.unit.workflow.builders import NOW
from tests.unit.workflow.referral_builders import (
    CAD_TO_CAD,
    POLICY,
    REFERRALS,
    REJECT,
    SUPPORT,
    after,
    done,
    new_case,
    received,
    report,
)

ACCEPT = commands.Accept(by="Dispatcher")
CANCELLED = commands.CancellationReceived(status="revoked")
NO_REFUSAL = (UseCase.OUT_OF_AREA, UseCase.CAS_REFERRAL)


def _armed(decision: Decision) -> dict[DeadlineKind, object]:
    return {effect.kind: effect.due_at for effect in decision.of(Arm)}


def _sent(decision: Decision) -> list[MessageKind]:
    return [effect.kind for effect in decision.of(Send)]


def _update(**changes: object) -> ReferralUpdateReceived:
    values = {"changed": ("CarePlan",), "arp": Priority.C1, "clock_start": NOW, "breach_at": None}
    return ReferralUpdateReceived(**values | changes)  # type: ignore[arg-type]


# --- receipt --------------------------------------------------------------------------------------


@pytest.mark.parametrize("use_case", REFERRALS)
def test_receipt_arms_the_intake_deadline(use_case: UseCase) -> None:
    decision = begin(new_case(use_case, Side.RESPONDER), now=NOW, policy=POLICY)
    assert _armed(decision) == {DeadlineKind.INTAKE: NOW + timedelta(minutes=10)}
    assert decision.case.answer_by == NOW + timedelta(minutes=10)
    assert [change.status for change in decision.case.status_history] == ["planned"]
    overdue = done(decision.case, commands.IntakeOverdue(due_at=NOW))
    assert [effect.key for effect in overdue.of(Escalate)] == ["intake-overdue:1"]


def test_an_early_referral_without_a_priority_is_looked_at_first() -> None:
    decision = begin(new_case(UseCase.OUT_OF_AREA, Side.RESPONDER, arp=None), now=NOW, policy=POLICY)
    assert _armed(decision) == {DeadlineKind.INTAKE: NOW + timedelta(minutes=1)}


@pytest.mark.req("APP6-REF-23", "APP3-REF-09")
@pytest.mark.parametrize(
    ("use_case", "duty"),
    [
        (UseCase.OUT_OF_AREA, Duty.RECEIVER),
        (UseCase.CAS_REFERRAL, Duty.RECEIVER),
        (UseCase.CALL_ASSIST, Duty.SENDER),
        (UseCase.MUTUAL_AID, Duty.SENDER),
    ],
)
def test_receipt_takes_the_duty_of_what_cannot_be_refused(use_case: UseCase, duty: Duty) -> None:
    assert received(use_case).dispatch_duty is duty


# --- acceptance and statuses ----------------------------------------------------------------------


@pytest.mark.req("APP6-RSP-17")
@pytest.mark.parametrize(
    ("use_case", "duty"),
    [
        (UseCase.OUT_OF_AREA, Duty.RECEIVER),
        (UseCase.CALL_ASSIST, Duty.RECEIVER),
        (UseCase.MUTUAL_AID, Duty.SENDER),
    ],
)
@pytest.mark.parametrize("command", [ACCEPT, report("planned")])
def test_acceptance_is_told_to_the_sender_by_a_planned_response(
    use_case: UseCase, duty: Duty, command: commands.Command
) -> None:
    decision = done(received(use_case), command)
    assert decision.case.state == "accepted"
    assert decision.case.dispatch_duty is duty
    assert _sent(decision) == [MessageKind.STATUS]
    assert DeadlineKind.INTAKE in {effect.kind for effect in decision.of(Disarm)}
    told = decision.of(Tell)[0]
    assert (told.type, told.data["status"], told.data["accepted"]) == (EventType.CASE_STATUS, "planned", True)


@pytest.mark.req("APP6-RSP-01", "APP6-RSP-02", "APP6-RSP-08")
@pytest.mark.parametrize("use_case", CAD_TO_CAD)
def test_every_change_of_status_is_sent_with_a_history_that_grows_by_one(use_case: UseCase) -> None:
    case = received(use_case)
    seen = []
    for minutes, word in enumerate(["planned", "in-progress", "planned", "in-progress", "finished"], start=1):
        decision = done(case, report(word), minutes=minutes)  # type: ignore[arg-type]
        assert _sent(decision) == [MessageKind.STATUS]
        case = decision.case
        seen.append([change.status for change in case.status_history])
    assert seen == [
        ["planned"],
        ["planned", "in-progress"],
        ["planned", "in-progress", "planned"],
        ["planned", "in-progress", "planned", "in-progress"],
        ["planned", "in-progress", "planned", "in-progress", "finished"],
    ]
    assert case.status_history[-1].at == NOW + timedelta(minutes=5)
    assert case.state == "finished"


@pytest.mark.parametrize("use_case", CAD_TO_CAD)
def test_a_status_that_is_held_already_is_not_sent_again(use_case: UseCase) -> None:
    allocated = after(received(use_case), report("in-progress"))
    assert done(allocated, report("in-progress")).refusal is not None
    assert done(after(allocated, report("planned")), report("planned")).refusal is not None


def test_a_case_that_waits_past_the_target_escalates() -> None:
    case = received(UseCase.OUT_OF_AREA)
    decision = done(case, ACCEPT)
    assert _armed(decision) == {DeadlineKind.DISPATCH: case.dispatch_by}
    overdue = done(decision.case, commands.DispatchOverdue(due_at=NOW))
    assert [effect.reason for effect in overdue.of(Escalate)] == [EscalationReason.DISPATCH_OVERDUE]
    allocated = done(decision.case, report("in-progress"))
    assert DeadlineKind.DISPATCH in {effect.kind for effect in allocated.of(Disarm)}


@pytest.mark.req("APP6-REF-25")
def test_mutual_aid_owes_what_was_asked_for_by_when_it_was_asked_for() -> None:
    needed = NOW + timedelta(minutes=25)
    decision = done(received(UseCase.MUTUAL_AID, needed_by=needed), ACCEPT)
    assert _armed(decision) == {DeadlineKind.DISPATCH: needed}
    assert decision.case.dispatch_duty is Duty.SENDER


def test_a_promise_whose_time_has_passed_is_watched_all_the_same() -> None:
    case = received(UseCase.CALL_ASSIST, needed_by=NOW - timedelta(minutes=1))
    assert _armed(done(case, ACCEPT)) == {DeadlineKind.DISPATCH: NOW + POLICY.dispatch_time(Priority.C3)}


# --- refusal --------------------------------------------------------------------------------------


@pytest.mark.req("APP6-RSP-09", "APP6-RSP-10")
@pytest.mark.parametrize("use_case", SUPPORT)
@pytest.mark.parametrize("taken", [(), (ACCEPT,)])
def test_call_assist_and_mutual_aid_can_be_refused_with_a_reason(
    use_case: UseCase, taken: tuple[commands.Command, ...]
) -> None:
    decision = done(after(received(use_case), *taken), REJECT)
    assert decision.case.state == "rejected"
    assert _sent(decision) == [MessageKind.REFUSAL]
    assert decision.of(Send)[0].facts["reason"] == {"code": "RRNA", "text": "No crew"}
    assert decision.case.status_history[-1].status == "cancelled"


@pytest.mark.req("APP6-RSP-10")
@pytest.mark.parametrize("use_case", SUPPORT)
def test_a_refusal_for_a_reason_that_cannot_be_told_is_not_made(use_case: UseCase) -> None:
    command = commands.Reject(reason_code="FC", reason_text="No answer", by="Dispatcher")
    decision = done(received(use_case), command)
    assert decision.refusal is not None
    assert decision.case.state == "received"


@pytest.mark.req("APP6-RSP-09")
@pytest.mark.parametrize("use_case", NO_REFUSAL)
def test_what_passed_with_the_acknowledgement_cannot_be_refused(use_case: UseCase) -> None:
    decision = done(received(use_case), REJECT)
    assert decision.refusal is not None
    assert "cannot be refused" in decision.refusal.why
    assert decision.case.dispatch_duty is Duty.RECEIVER


@pytest.mark.parametrize("use_case", SUPPORT)
def test_a_resource_on_its_way_is_stood_down_before_a_refusal(use_case: UseCase) -> None:
    case = after(received(use_case), report("in-progress"))
    assert done(case, REJECT).refusal is not None
    assert done(after(case, report("planned")), REJECT).case.state == "rejected"


def test_the_duty_of_an_accepted_case_stays_until_the_sender_has_taken_the_refusal() -> None:
    case = after(received(UseCase.CALL_ASSIST), ACCEPT, REJECT)
    assert case.dispatch_duty is Duty.RECEIVER
    assert done(case, ResponseTaken(kind=MessageKind.STATUS)).case.dispatch_duty is Duty.RECEIVER
    taken = done(case, ResponseTaken(kind=MessageKind.REFUSAL))
    assert taken.case.dispatch_duty is Duty.SENDER
    assert taken.of(Tell)[0].data["changed"] == ["dispatch_duty"]


def test_a_response_that_the_sender_would_not_take_escalates() -> None:
    case = after(received(UseCase.CALL_ASSIST), ACCEPT)
    decision = done(case, commands.ResponseRefused(kind="status", attempts=12, last_error="no answer"))
    assert [effect.reason for effect in decision.of(Escalate)] == [EscalationReason.RESPONSE_UNDELIVERABLE]


# --- what the sender tells ------------------------------------------------------------------------


@pytest.mark.req("APP6-UPD-04")
@pytest.mark.parametrize("use_case", CAD_TO_CAD)
@pytest.mark.parametrize("taken", [(), (ACCEPT,), (report("in-progress"),)])
def test_an_update_takes_the_facts_as_they_are_now(use_case: UseCase, taken: tuple[commands.Command, ...]) -> None:
    case = after(received(use_case), *taken)
    decision = done(case, _update())
    assert decision.case.state == case.state
    assert decision.case.arp is Priority.C1
    assert decision.case.dispatch_by == NOW + timedelta(minutes=7)
    assert decision.of(Tell)[0].data["changed"] == ["CarePlan"]
    assert decision.case.unread_update is bool(taken)


@pytest.mark.parametrize("use_case", REFERRALS)
def test_an_update_is_read_by_whoever_has_its_version_before_them(use_case: UseCase) -> None:
    case = after(received(use_case), ACCEPT, _update())
    assert case.unread_update
    assert done(case, commands.ReadUpdate(read_version=case.version - 1)).refusal is not None
    assert not done(case, commands.ReadUpdate(read_version=case.version)).case.unread_update


def test_an_update_that_raises_the_priority_shortens_the_intake() -> None:
    decision = done(received(UseCase.OUT_OF_AREA), _update())
    assert _armed(decision) == {DeadlineKind.INTAKE: NOW + timedelta(minutes=1)}
    lowered = done(received(UseCase.OUT_OF_AREA), _update(arp=Priority.C4))
    assert _armed(lowered) == {}


def test_an_update_moves_the_promise_with_what_it_is_about() -> None:
    decision = done(after(received(UseCase.OUT_OF_AREA), ACCEPT), _update())
    assert _armed(decision) == {DeadlineKind.DISPATCH: NOW + timedelta(minutes=7)}


@pytest.mark.parametrize("use_case", REFERRALS)
@pytest.mark.parametrize("taken", [(), (ACCEPT,), (report("in-progress"),)])
def test_a_cancellation_ends_an_open_case_and_the_duty_with_it(
    use_case: UseCase, taken: tuple[commands.Command, ...]
) -> None:
    decision = done(after(received(use_case), *taken), CANCELLED)
    assert decision.case.state == "cancelled"
    assert decision.case.dispatch_duty is Duty.SENDER
    assert {DeadlineKind.INTAKE, DeadlineKind.DISPATCH} <= {effect.kind for effect in decision.of(Disarm)}


@pytest.mark.parametrize("use_case", REFERRALS)
@pytest.mark.parametrize("ended", [report("finished"), CANCELLED])
def test_what_has_ended_takes_nothing_more(use_case: UseCase, ended: commands.Command) -> None:
    case = after(received(use_case), ended)
    for command in (ACCEPT, REJECT, report("in-progress"), CANCELLED, _update()):
        assert done(case, command).refusal is not None


# --- category 5 -----------------------------------------------------------------------------------


def test_a_category_5_referral_tells_its_sender_nothing() -> None:
    case = received(UseCase.CAS_REFERRAL, breach_at=NOW + timedelta(hours=2))
    for command in (ACCEPT, commands.Start(by="Dispatcher"), report("planned"), report("finished")):
        decision = done(case, command)
        assert decision.of(Send) == ()
        case = decision.case
    assert case.state == "finished"


def test_the_call_back_time_is_kept_until_the_patient_is_called() -> None:
    due = NOW + timedelta(hours=2)
    opened = begin(new_case(UseCase.CAS_REFERRAL, Side.RESPONDER, breach_at=due), now=NOW, policy=POLICY)
    assert _armed(opened)[DeadlineKind.CALLBACK] == due
    accepted = done(opened.case, ACCEPT)
    assert DeadlineKind.CALLBACK not in {effect.kind for effect in accepted.of(Disarm)}
    overdue = done(accepted.case, CallbackOverdue(due_at=due))
    assert [effect.reason for effect in overdue.of(Escalate)] == [EscalationReason.CALLBACK_OVERDUE]
    started = done(accepted.case, commands.Start(by="Dispatcher"))
    assert DeadlineKind.CALLBACK in {effect.kind for effect in started.of(Disarm)}
    waiting_again = done(started.case, report("planned"))
    assert _armed(waiting_again)[DeadlineKind.CALLBACK] == due


def test_an_update_moves_the_call_back_time() -> None:
    case = received(UseCase.CAS_REFERRAL, breach_at=NOW + timedelta(hours=2))
    sooner = NOW + timedelta(minutes=30)
    decision = done(case, _update(arp=Priority.C5, breach_at=sooner))
    assert decision.case.breach_at == sooner
    assert _armed(decision)[DeadlineKind.CALLBACK] == sooner


def test_a_failed_call_is_recorded_and_starts_nothing() -> None:
    case = received(UseCase.CAS_REFERRAL, breach_at=NOW + timedelta(hours=2))
    decision = done(case, commands.ContactAttempt(contact="Patient, mobile"))
    assert decision.case.state == "received"
    assert [effect.type for effect in decision.of(Tell)] == [EventType.CASE_CONTACT_ATTEMPT]


def test_the_outcome_of_a_category_5_referral_is_kept_here() -> None:
    case = after(received(UseCase.CAS_REFERRAL), commands.Start(by="Nurse"))
    command = commands.Complete(dispatch_required=False, arp=Priority.C5, clock_start=NOW, outcome={"summary": "Well"})
    decision = done(case, command)
    assert decision.case.state == "finished"
    assert decision.of(Tell)[0].data["outcome"] == {"summary": "Well"}
    assert decision.of(Send) == ()


def test_another_clinicians_category_5_case_is_taken_over_only_knowingly() -> None:
    case = after(received(UseCase.CAS_REFERRAL), commands.Accept(by="Nurse A"))
    assert done(case, commands.Start(by="Nurse B")).refusal is not None
    assert done(case, commands.Start(by="Nurse B", take_over=True)).case.state == "in_progress"
