"""What each command means for a sender's referral (Applications 3 and 6)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cad_bridge.workflow import commands
from cad_bridge.workflow.effects import Arm, Decision, Disarm, Escalate, Send, Tell, Withdraw
from cad_bridge.workflow.referral_commands import (
    AnswerOverdue,
    FeedbackReceived,
    ForbiddenRefusalReceived,
    ReferralUpdate,
    StatusOverdue,
)
from cad_bridge.workflow.vocabulary import (
    DeadlineKind,
    Duty,
    EscalationReason,
    EventType,
    MessageKind,
    Priority,
    UseCase,
)
from tests.unit.workflow.builders import NOW
from tests.unit.workflow.referral_builders import (
    ACKNOWLEDGED,
    CAD_TO_CAD,
    POLICY,
    REFERRALS,
    SUPPORT,
    after,
    done,
    history,
    refusal,
    sent,
    status,
)

CAD_TO_CAD_AND_STATUS = [(use_case, word) for use_case in CAD_TO_CAD for word in ("planned", "in-progress", "finished")]


def _types(decision: Decision) -> list[EventType]:
    return [effect.type for effect in decision.of(Tell)]


def _armed(decision: Decision) -> dict[DeadlineKind, object]:
    return {effect.kind: effect.due_at for effect in decision.of(Arm)}


def _disarmed(decision: Decision) -> set[DeadlineKind]:
    return {effect.kind for effect in decision.of(Disarm)}


def _reasons(decision: Decision) -> list[EscalationReason]:
    return [effect.reason for effect in decision.of(Escalate)]


def _update(**changes: object) -> ReferralUpdate:
    values = {"changed": ("triage",), "arp": Priority.C3, "clock_start": NOW, "breach_at": None}
    return ReferralUpdate(**values | changes)  # type: ignore[arg-type]


# --- who has to dispatch --------------------------------------------------------------------------


@pytest.mark.req("APP6-REF-23", "CORE-SYNC-07")
@pytest.mark.parametrize("use_case", REFERRALS)
def test_the_duty_is_ours_until_the_receiver_has_it(use_case: UseCase) -> None:
    assert sent(use_case).dispatch_duty is Duty.SENDER


@pytest.mark.req("APP3-REF-09", "CORE-SYNC-07")
@pytest.mark.parametrize(
    ("use_case", "duty"),
    [
        (UseCase.OUT_OF_AREA, Duty.RECEIVER),
        (UseCase.CAS_REFERRAL, Duty.RECEIVER),
        (UseCase.CALL_ASSIST, Duty.SENDER),
        (UseCase.MUTUAL_AID, Duty.SENDER),
    ],
)
@pytest.mark.parametrize("proof", [ACKNOWLEDGED, commands.DeliveryProved()])
def test_the_acknowledgement_passes_the_duty_where_nothing_can_be_refused(
    use_case: UseCase, duty: Duty, proof: commands.Command
) -> None:
    assert after(sent(use_case), proof).dispatch_duty is duty


@pytest.mark.req("APP6-RSP-17", "APP6-REF-24", "APP6-REF-25")
@pytest.mark.parametrize(("use_case", "duty"), [(SUPPORT[0], Duty.RECEIVER), (SUPPORT[1], Duty.SENDER)])
@pytest.mark.parametrize(("word", "state"), [("planned", "accepted"), ("in-progress", "in_progress")])
def test_acceptance_passes_the_duty_of_a_call_assist_and_never_that_of_mutual_aid(
    use_case: UseCase, duty: Duty, word: str, state: str
) -> None:
    decision = done(after(sent(use_case), ACKNOWLEDGED), status(word))  # type: ignore[arg-type]
    assert decision.case.state == state
    assert decision.case.dispatch_duty is duty
    told = next(effect.data for effect in decision.of(Tell) if effect.type is EventType.CASE_STATUS)
    assert told["accepted"]
    assert decision.case.answer_by is None
    assert DeadlineKind.ANSWER in _disarmed(decision)


@pytest.mark.req("APP6-RSP-12")
@pytest.mark.parametrize("use_case", SUPPORT)
@pytest.mark.parametrize("before", [(), (ACKNOWLEDGED,), (ACKNOWLEDGED, status("planned"))])
def test_a_refusal_brings_the_case_back_with_its_reason_for_a_person(
    use_case: UseCase, before: tuple[commands.Command, ...]
) -> None:
    decision = done(after(sent(use_case), *before), refusal())
    assert decision.case.state == "returned"
    assert decision.case.dispatch_duty is Duty.SENDER
    returned = next(effect.data for effect in decision.of(Tell) if effect.type is EventType.CASE_RETURNED)
    assert returned["reason"] == {"code": "RRNA", "text": "No crew"}
    assert _reasons(decision) == [EscalationReason.REJECTED]
    assert decision.of(Escalate)[0].data["rejection"]["text"] == "No crew"
    assert _armed(decision) == {DeadlineKind.DISPATCH: NOW + POLICY.dispatch_time(Priority.C3)}


def test_a_refusal_counts_however_old_it_says_it_is() -> None:
    case = after(sent(UseCase.CALL_ASSIST), ACKNOWLEDGED, status("planned", minutes=5))
    assert done(case, refusal(at=NOW)).case.state == "returned"


def test_a_refusal_after_the_case_was_handed_over_brings_it_back() -> None:
    case = after(sent(UseCase.CALL_ASSIST), ACKNOWLEDGED, status("planned"), commands.Close())
    assert case.state == "handed_over"
    decision = done(case, refusal())
    assert decision.case.state == "returned"
    assert decision.case.dispatch_duty is Duty.SENDER
    assert _reasons(decision) == [EscalationReason.REJECTED]


def test_a_refusal_of_a_case_that_was_closed_after_it_was_cleared_is_told_to_a_person() -> None:
    case = after(sent(UseCase.CALL_ASSIST), ACKNOWLEDGED, status("finished"), commands.Close())
    assert case.dispatch_duty is Duty.RECEIVER
    decision = done(case, refusal())
    assert decision.case.state == "closed"
    assert decision.case.dispatch_duty is Duty.SENDER
    assert _types(decision) == [EventType.RESPONSE_LATE]
    assert _reasons(decision) == [EscalationReason.REJECTED]


@pytest.mark.parametrize("use_case", SUPPORT)
def test_a_repeated_refusal_does_nothing(use_case: UseCase) -> None:
    case = after(sent(use_case), ACKNOWLEDGED, refusal())
    assert done(case, refusal()).effects == ()


@pytest.mark.req("APP6-RSP-11")
def test_a_home_ast_that_tries_to_refuse_is_told_to_a_person_once_and_keeps_the_case() -> None:
    case = after(sent(UseCase.OUT_OF_AREA), ACKNOWLEDGED)
    decision = done(case, ForbiddenRefusalReceived(reason_code="RRNA", reason_text="No crew"))
    assert decision.case.state == "pending"
    assert decision.case.dispatch_duty is Duty.RECEIVER
    assert [effect.key for effect in decision.of(Escalate)] == ["forbidden-refusal:1"]


# --- statuses -------------------------------------------------------------------------------------


@pytest.mark.req("APP6-RSP-13")
@pytest.mark.parametrize(("use_case", "word"), CAD_TO_CAD_AND_STATUS)
def test_a_status_is_told_with_the_history_that_came_with_it(use_case: UseCase, word: str) -> None:
    told = history("planned", "in-progress")
    decision = done(after(sent(use_case), ACKNOWLEDGED), status(word, history=told))  # type: ignore[arg-type]
    data = next(effect.data for effect in decision.of(Tell) if effect.type is EventType.CASE_STATUS)
    assert data["status"] == word
    assert data["history"] == [{"status": change.status, "at": change.at} for change in told]
    assert decision.case.status_history[-1].status == word


@pytest.mark.parametrize("use_case", CAD_TO_CAD)
def test_a_status_before_the_acknowledgement_proves_the_delivery(use_case: UseCase) -> None:
    decision = done(sent(use_case), status("planned", remote_case_number="NE-1"))
    assert decision.case.delivered
    assert decision.case.remote_case_number == "NE-1"
    assert decision.case.state == "accepted"
    assert DeadlineKind.DELIVERY in _disarmed(decision)
    late = done(decision.case, ACKNOWLEDGED)
    assert late.case.state == "accepted"


@pytest.mark.parametrize("use_case", CAD_TO_CAD)
def test_a_resource_that_is_stood_down_leaves_the_case_waiting(use_case: UseCase) -> None:
    case = after(sent(use_case), ACKNOWLEDGED, status("planned"), status("in-progress", minutes=2))
    decision = done(case, status("planned", minutes=4))
    assert decision.case.state == "accepted"
    assert [change.status for change in decision.case.status_history] == ["planned", "in-progress", "planned"]


@pytest.mark.req("APP6-RSP-16")
@pytest.mark.parametrize("use_case", CAD_TO_CAD)
@pytest.mark.parametrize("word", ["planned", "in-progress"])
def test_an_older_status_moves_nothing_and_is_shown(use_case: UseCase, word: str) -> None:
    case = after(sent(use_case), ACKNOWLEDGED, status("planned", minutes=1), status("in-progress", minutes=9))
    decision = done(case, status(word, minutes=5))  # type: ignore[arg-type]
    assert decision.case.state == "in_progress"
    assert decision.case.status_history == case.status_history
    assert _types(decision) == [EventType.RESPONSE_LATE]
    assert decision.of(Tell)[0].data["outdated"]


@pytest.mark.req("APP6-RSP-16")
@pytest.mark.parametrize("use_case", CAD_TO_CAD)
@pytest.mark.parametrize(("word", "minutes"), [("planned", 3), ("in-progress", 3), ("planned", 30)])
def test_a_cleared_case_never_goes_back(use_case: UseCase, word: str, minutes: float) -> None:
    case = after(sent(use_case), ACKNOWLEDGED, status("finished", minutes=10))
    decision = done(case, status(word, minutes=minutes))  # type: ignore[arg-type]
    assert decision.case.state == "completed"
    assert decision.case.status_history == case.status_history


@pytest.mark.req("APP6-RSP-16")
def test_a_finished_status_counts_however_old_it_says_it_is() -> None:
    case = after(sent(UseCase.OUT_OF_AREA), ACKNOWLEDGED, status("in-progress", minutes=9))
    assert done(case, status("finished", minutes=5)).case.state == "completed"


@pytest.mark.parametrize(
    ("use_case", "types"),
    [
        (UseCase.OUT_OF_AREA, [EventType.CASE_STATUS, EventType.CASE_COMPLETED]),
        (UseCase.CALL_ASSIST, [EventType.CASE_STATUS, EventType.CASE_COMPLETED]),
        (UseCase.MUTUAL_AID, [EventType.CASE_STATUS]),
    ],
)
def test_a_cleared_resource_completes_the_case_unless_the_incident_is_still_ours(
    use_case: UseCase, types: list[EventType]
) -> None:
    decision = done(after(sent(use_case), ACKNOWLEDGED), status("finished"))
    assert _types(decision) == types
    assert DeadlineKind.STATUS in _disarmed(decision)


@pytest.mark.parametrize("ended", [commands.Cancel(reason="Found"), commands.Dispatch()])
def test_a_status_after_the_case_is_ours_again_is_late(ended: commands.Command) -> None:
    case = after(sent(UseCase.CALL_ASSIST), ACKNOWLEDGED, ended)
    decision = done(case, status("in-progress"))
    assert decision.case.state == case.state
    assert decision.case.dispatch_duty is Duty.SENDER
    assert _types(decision) == [EventType.RESPONSE_LATE]


@pytest.mark.req("APP6-RSP-13")
def test_statuses_of_a_case_that_was_closed_here_are_still_told() -> None:
    case = after(sent(UseCase.OUT_OF_AREA), ACKNOWLEDGED, commands.Close())
    moved = done(case, status("in-progress"))
    assert moved.case.state == "handed_over"
    assert _types(moved) == [EventType.CASE_STATUS]
    assert done(moved.case, status("finished", minutes=9)).case.state == "closed"


# --- what is waited for ---------------------------------------------------------------------------


@pytest.mark.parametrize("use_case", SUPPORT)
def test_an_answer_is_waited_for_from_the_acknowledgement_on(use_case: UseCase) -> None:
    decision = done(sent(use_case), ACKNOWLEDGED)
    due = NOW + POLICY.answer_time(Priority.C3)
    assert _armed(decision) == {DeadlineKind.ANSWER: due}
    assert decision.case.answer_by == due


@pytest.mark.parametrize("use_case", SUPPORT)
def test_an_answer_is_waited_for_no_longer_than_the_resource_is_needed(use_case: UseCase) -> None:
    needed = NOW + timedelta(minutes=4)
    decision = done(sent(use_case, needed_by=needed), ACKNOWLEDGED)
    assert _armed(decision) == {DeadlineKind.ANSWER: needed}


@pytest.mark.parametrize("use_case", SUPPORT)
def test_no_answer_escalates_once_and_leaves_the_duty_where_it_is(use_case: UseCase) -> None:
    case = after(sent(use_case), ACKNOWLEDGED)
    decision = done(case, AnswerOverdue(due_at=NOW))
    assert [effect.key for effect in decision.of(Escalate)] == ["answer-overdue:1"]
    assert decision.case.dispatch_duty is Duty.SENDER
    again = done(decision.case, AnswerOverdue(due_at=NOW))
    assert [effect.key for effect in again.of(Escalate)] == ["answer-overdue:1"]
    assert done(after(case, status("planned")), AnswerOverdue(due_at=NOW)).effects == ()


@pytest.mark.parametrize(("arp", "minutes"), [(Priority.C1, 1), (Priority.C2, 2), (Priority.C4, None)])
def test_an_update_that_raises_the_priority_shortens_the_wait_and_none_lengthens_it(
    arp: Priority, minutes: float | None
) -> None:
    case = after(sent(UseCase.CALL_ASSIST), ACKNOWLEDGED)
    decision = done(case, _update(arp=arp))
    due = NOW + timedelta(minutes=minutes) if minutes else case.answer_by
    assert decision.case.answer_by == due
    assert _armed(decision) == ({DeadlineKind.ANSWER: due} if minutes else {})


def test_an_out_of_area_referral_waits_for_the_first_status_from_the_acknowledgement_on() -> None:
    decision = done(sent(UseCase.OUT_OF_AREA), ACKNOWLEDGED)
    assert _armed(decision) == {DeadlineKind.STATUS: NOW + POLICY.status_time(Priority.C3)}


@pytest.mark.parametrize("use_case", CAD_TO_CAD)
def test_each_status_begins_the_wait_for_the_next(use_case: UseCase) -> None:
    waiting = done(after(sent(use_case), ACKNOWLEDGED), status("planned"))
    assert _armed(waiting) == {DeadlineKind.STATUS: NOW + POLICY.status_time(Priority.C3)}
    allocated = done(waiting.case, status("in-progress", minutes=1), minutes=1)
    assert _armed(allocated) == {DeadlineKind.STATUS: NOW + timedelta(minutes=1) + POLICY.allocated_status_within}
    repeated = done(allocated.case, status("in-progress", minutes=5), minutes=5)
    assert _armed(repeated) == {DeadlineKind.STATUS: NOW + timedelta(minutes=5) + POLICY.allocated_status_within}


@pytest.mark.parametrize("use_case", CAD_TO_CAD)
def test_silence_escalates_once_for_each_time_it_falls_silent(use_case: UseCase) -> None:
    case = after(sent(use_case), ACKNOWLEDGED, status("planned"))
    first = done(case, StatusOverdue(due_at=NOW))
    again = done(first.case, StatusOverdue(due_at=NOW))
    later = done(first.case, StatusOverdue(due_at=NOW + timedelta(hours=1)))
    keys = [decision.of(Escalate)[0].key for decision in (first, again, later)]
    assert keys[0] == keys[1] != keys[2]
    assert _reasons(first) == [EscalationReason.STATUS_OVERDUE]
    assert done(after(case, status("finished")), StatusOverdue(due_at=NOW)).effects == ()


@pytest.mark.parametrize("use_case", REFERRALS)
def test_an_unknown_delivery_escalates_once(use_case: UseCase) -> None:
    decision = done(sent(use_case), commands.DeliveryOverdue(due_at=NOW))
    assert [effect.key for effect in decision.of(Escalate)] == ["delivery-unknown:1"]
    assert decision.case.state == "sent"
    assert done(after(sent(use_case), ACKNOWLEDGED), commands.DeliveryOverdue(due_at=NOW)).effects == ()


@pytest.mark.parametrize("use_case", REFERRALS)
def test_an_undeliverable_referral_escalates_once_and_is_ours_to_dispatch(use_case: UseCase) -> None:
    decision = done(sent(use_case), commands.DeliveryRefused(attempts=3, last_error="422"))
    assert decision.case.state == "undelivered"
    assert decision.case.dispatch_duty is Duty.SENDER
    assert [effect.key for effect in decision.of(Escalate)] == ["undeliverable:1"]
    assert _armed(decision) == {DeadlineKind.DISPATCH: NOW + POLICY.dispatch_time(Priority.C3)}
    overdue = done(decision.case, commands.DispatchOverdue(due_at=NOW))
    assert _reasons(overdue) == [EscalationReason.DISPATCH_OVERDUE]


# --- what our CAD does ----------------------------------------------------------------------------


@pytest.mark.req("APP6-REF-24", "APP3-REF-10")
@pytest.mark.parametrize(
    ("use_case", "taken", "allowed"),
    [
        (UseCase.CAS_REFERRAL, (), False),
        (UseCase.CAS_REFERRAL, (ACKNOWLEDGED,), True),
        (UseCase.OUT_OF_AREA, (), False),
        (UseCase.OUT_OF_AREA, (ACKNOWLEDGED,), True),
        (UseCase.CALL_ASSIST, (ACKNOWLEDGED,), False),
        (UseCase.CALL_ASSIST, (ACKNOWLEDGED, status("planned")), True),
        (UseCase.MUTUAL_AID, (ACKNOWLEDGED, status("planned")), False),
        (UseCase.MUTUAL_AID, (ACKNOWLEDGED, status("in-progress")), False),
        (UseCase.MUTUAL_AID, (ACKNOWLEDGED, status("finished")), True),
    ],
)
def test_a_case_is_closed_only_when_somebody_else_has_the_duty_or_nothing_is_open(
    use_case: UseCase, taken: tuple[commands.Command, ...], allowed: bool
) -> None:
    case = after(sent(use_case), *taken)
    decision = done(case, commands.Close())
    assert (decision.refusal is None) is allowed
    if allowed:
        assert decision.case.dispatch_duty is case.dispatch_duty


@pytest.mark.parametrize("use_case", [UseCase.OUT_OF_AREA, UseCase.CALL_ASSIST, UseCase.CAS_REFERRAL])
def test_dispatching_ourselves_takes_the_duty_and_cancels_at_the_receiver(use_case: UseCase) -> None:
    decision = done(after(sent(use_case), ACKNOWLEDGED), commands.Dispatch())
    assert decision.case.state == "dispatched"
    assert decision.case.dispatch_duty is Duty.SENDER
    assert [effect.kind for effect in decision.of(Send)] == [MessageKind.CANCELLATION]


@pytest.mark.parametrize("use_case", [UseCase.OUT_OF_AREA, UseCase.CALL_ASSIST])
def test_a_cleared_case_is_not_dispatched_anew(use_case: UseCase) -> None:
    """The receiver's case has ended and could not be told: both would take themselves for the owner."""
    assert done(after(sent(use_case), ACKNOWLEDGED, status("finished")), commands.Dispatch()).refusal is not None


@pytest.mark.req("APP6-REF-25")
@pytest.mark.parametrize("taken", [(), (ACKNOWLEDGED,), (ACKNOWLEDGED, status("planned"))])
def test_mutual_aid_stands_while_we_send_our_own(taken: tuple[commands.Command, ...]) -> None:
    case = after(sent(UseCase.MUTUAL_AID), *taken)
    decision = done(case, commands.Dispatch())
    assert decision.case.state == case.state
    assert decision.of(Send) == ()
    assert decision.of(Disarm) == ()


@pytest.mark.parametrize("use_case", REFERRALS)
@pytest.mark.parametrize(("mistaken", "code"), [(False, "revoked"), (True, "entered-in-error")])
def test_a_cancellation_takes_the_duty_at_once_and_is_told_to_the_receiver(
    use_case: UseCase, mistaken: bool, code: str
) -> None:
    decision = done(after(sent(use_case), ACKNOWLEDGED), commands.Cancel(reason="Found", mistaken=mistaken))
    assert decision.case.state == "cancelled"
    assert decision.case.dispatch_duty is Duty.SENDER
    assert decision.of(Send)[0].facts == {"status": code, "reason": "Found"}
    assert {effect.kind for effect in decision.of(Withdraw)} == {MessageKind.REQUEST, MessageKind.UPDATE}


@pytest.mark.req("APP-COM-25", "APP-COM-28")
@pytest.mark.parametrize("use_case", [UseCase.OUT_OF_AREA, UseCase.CAS_REFERRAL])
def test_a_case_that_was_closed_here_can_still_be_updated_and_cancelled(use_case: UseCase) -> None:
    case = after(sent(use_case), ACKNOWLEDGED, commands.Close())
    assert [effect.kind for effect in done(case, _update()).of(Send)] == [MessageKind.UPDATE]
    assert done(case, commands.Cancel(reason="Found")).case.state == "cancelled"


@pytest.mark.parametrize("use_case", REFERRALS)
def test_what_has_ended_is_neither_updated_nor_cancelled(use_case: UseCase) -> None:
    case = (
        after(sent(use_case), ACKNOWLEDGED, commands.Dispatch())
        if use_case is not UseCase.MUTUAL_AID
        else after(sent(use_case), ACKNOWLEDGED, status("finished"), commands.Close())
    )
    assert done(case, _update()).refusal is not None
    assert done(case, commands.Cancel(reason="Found")).refusal is not None


@pytest.mark.req("APP6-UPD-01")
@pytest.mark.parametrize("use_case", CAD_TO_CAD)
@pytest.mark.parametrize("taken", [(), (ACKNOWLEDGED,), (ACKNOWLEDGED, status("in-progress"))])
def test_an_update_is_sent_at_any_time_while_the_receiver_has_the_case(
    use_case: UseCase, taken: tuple[commands.Command, ...]
) -> None:
    decision = done(after(sent(use_case), *taken), _update(arp=Priority.C1))
    assert [effect.kind for effect in decision.of(Send)] == [MessageKind.UPDATE]
    assert decision.case.arp is Priority.C1
    assert decision.case.dispatch_by == NOW + timedelta(minutes=7)


@pytest.mark.req("APP-COM-24", "APP-COM-27")
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (commands.UpdateRefused(attempts=1, last_error="409"), EscalationReason.UPDATE_REFUSED),
        (commands.CancellationRefused(attempts=1, last_error="409"), EscalationReason.CANCELLATION_REFUSED),
    ],
)
def test_what_the_receiver_would_not_take_is_told(command: commands.Command, reason: EscalationReason) -> None:
    decision = done(after(sent(UseCase.OUT_OF_AREA), ACKNOWLEDGED), command)
    assert _types(decision) == [EventType.DELIVERY_FAILED]
    assert _reasons(decision) == [reason]


@pytest.mark.req("APP3-RSP-01")
def test_safeguarding_feedback_is_told_to_a_person() -> None:
    decision = done(
        after(sent(UseCase.CAS_REFERRAL), ACKNOWLEDGED, commands.Close()),
        FeedbackReceived(reason_code=None, reason_text="Did not attend"),
    )
    assert _reasons(decision) == [EscalationReason.SAFEGUARDING_FEEDBACK]
    assert decision.of(Tell)[0].data["feedback"]["text"] == "Did not attend"
