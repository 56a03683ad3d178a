"""What each command means for a requester's case."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

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
from cad_bridge.workflow.vocabulary import DeadlineKind, EscalationReason, EventType, MessageKind, Priority
from tests.unit.workflow.builders import CASE_ID, NOW, final, requester_case

POLICY = Policy()
UNDER_VALIDATION = ("sent", "pending", "in_progress", "undelivered")
ENDED = ("breached", "cancelled", "dispatched", "closed")


def _decide(case: Case, command: commands.Command) -> Decision:
    return decide(case, command, now=NOW, policy=POLICY)


def _told(decision: Decision) -> list[str]:
    return [effect.type for effect in decision.of(Tell)]


def _data(decision: Decision, type_: EventType) -> dict[str, object]:
    return next(effect.data for effect in decision.of(Tell) if effect.type == type_)


def _reasons(decision: Decision) -> list[str]:
    return [effect.reason for effect in decision.of(Escalate)]


def _disarmed(decision: Decision) -> set[DeadlineKind]:
    return {effect.kind for effect in decision.of(Disarm)}


def _armed(decision: Decision) -> dict[DeadlineKind, object]:
    return {effect.kind: effect.due_at for effect in decision.of(Arm)}


@pytest.mark.req("APP4-VR-06")
def test_opening_arms_breach_and_delivery_and_queues_the_request() -> None:
    decision = begin(requester_case(state=""), now=NOW, policy=POLICY)
    assert decision.case.state == "sent"
    assert _armed(decision) == {
        DeadlineKind.BREACH: NOW + timedelta(minutes=40),
        DeadlineKind.DELIVERY: NOW + timedelta(seconds=60),
    }
    assert [effect.kind for effect in decision.of(Send)] == [MessageKind.REQUEST]
    assert _told(decision) == [EventType.CASE_CREATED]


@pytest.mark.req("CORE-SYNC-07", "APP4-VR-11")
def test_only_the_responders_200_makes_the_case_pending_and_tells_its_case_number() -> None:
    decision = _decide(
        requester_case(state="sent", delivered=False, remote_case_number=None),
        commands.RequestAcknowledged(remote_case_number="CAS-7"),
    )
    assert decision.case.state == "pending"
    assert decision.case.remote_case_number == "CAS-7"
    assert _data(decision, EventType.CASE_ACKNOWLEDGED) == {"remote_case_number": "CAS-7"}
    assert _disarmed(decision) == {DeadlineKind.DELIVERY}


@pytest.mark.req("CORE-TI-16")
def test_409_duplicate_proves_delivery_without_a_case_number() -> None:
    decision = _decide(
        requester_case(state="sent", delivered=False, remote_case_number=None), commands.DeliveryProved()
    )
    assert decision.case.state == "pending"
    assert decision.case.delivered
    assert _data(decision, EventType.CASE_ACKNOWLEDGED) == {"remote_case_number": None}


def test_the_200_after_a_response_still_brings_the_case_number() -> None:
    case = requester_case(state="in_progress", remote_case_number=None)
    decision = _decide(case, commands.RequestAcknowledged(remote_case_number="CAS-7"))
    assert decision.case.state == "in_progress"
    assert _data(decision, EventType.CASE_ACKNOWLEDGED) == {"remote_case_number": "CAS-7"}


def test_a_repeated_200_changes_nothing() -> None:
    case = requester_case(state="pending")
    decision = _decide(case, commands.RequestAcknowledged(remote_case_number="CAS-1"))
    assert decision.effects == ()
    assert decision.case == case


@pytest.mark.req("HAZ-H01-02")
def test_an_undeliverable_request_is_an_escalation_at_once_and_keeps_its_breach_deadline() -> None:
    decision = _decide(
        requester_case(state="sent", delivered=False), commands.DeliveryRefused(attempts=1, last_error="refused")
    )
    assert decision.case.state == "undelivered"
    assert _reasons(decision) == [EscalationReason.UNDELIVERABLE]
    assert EventType.DELIVERY_FAILED in _told(decision)
    assert DeadlineKind.BREACH not in _disarmed(decision)


def test_an_unknown_delivery_escalates_once_and_the_case_stays_on_dispatch() -> None:
    decision = _decide(requester_case(state="sent", delivered=False), commands.DeliveryOverdue(due_at=NOW))
    assert decision.case.state == "sent"
    assert _reasons(decision) == [EscalationReason.DELIVERY_UNKNOWN]
    assert decision.of(Escalate)[0].key == "delivery-unknown:1"
    assert _disarmed(decision) == set()


@pytest.mark.parametrize("state", UNDER_VALIDATION[:2])
@pytest.mark.req("APP4-VS-08")
def test_an_interim_response_shows_progress_and_ends_no_protection(state: str) -> None:
    decision = _decide(requester_case(state=state), commands.InterimReceived(remote_case_number="CAS-1"))
    assert decision.case.state == "in_progress"
    assert EventType.CASE_IN_PROGRESS in _told(decision)
    assert DeadlineKind.BREACH not in _disarmed(decision)


def test_a_response_before_the_200_proves_the_delivery() -> None:
    case = requester_case(state="sent", delivered=False, remote_case_number=None)
    decision = _decide(case, commands.InterimReceived(remote_case_number="CAS-9"))
    assert _told(decision) == [EventType.CASE_ACKNOWLEDGED, EventType.CASE_IN_PROGRESS]
    assert decision.case.remote_case_number == "CAS-9"
    assert DeadlineKind.DELIVERY in _disarmed(decision)


@pytest.mark.parametrize("state", UNDER_VALIDATION)
@pytest.mark.req("APP4-VS-07")
def test_a_rejection_hands_the_duty_back_with_an_escalation_and_a_deadline_of_its_own(state: str) -> None:
    decision = _decide(
        requester_case(state=state), commands.RejectionReceived(reason_code="FC", reason_text="No answer")
    )
    assert decision.case.state == "returned"
    assert _data(decision, EventType.CASE_RETURNED)["reason"] == {"code": "FC", "text": "No answer"}
    assert _reasons(decision) == [EscalationReason.REJECTED]
    assert DeadlineKind.BREACH in _disarmed(decision)
    assert _armed(decision) == {DeadlineKind.DISPATCH: NOW + timedelta(minutes=10)}


@pytest.mark.parametrize("state", UNDER_VALIDATION)
@pytest.mark.req("APP4-VS-15", "APP4-VS-31")
def test_an_unambiguous_closing_final_ends_protection(state: str) -> None:
    decision = _decide(requester_case(state=state), final())
    assert decision.case.state == "completed"
    assert _disarmed(decision) == {
        DeadlineKind.BREACH,
        DeadlineKind.DELIVERY,
        DeadlineKind.DISPATCH,
        DeadlineKind.REVIEW,
    }
    assert decision.of(Escalate) == ()
    data = _data(decision, EventType.CASE_COMPLETED)
    assert data["dispatch_required"] is False
    assert data["outcome"] == {"summary": "Advice given"}


@pytest.mark.req("APP4-VS-20", "APP4-VS-18")
@pytest.mark.parametrize("arp", [Priority.C3, Priority.C4, Priority.HCP3])
def test_the_same_or_a_lower_category_keeps_the_clock_start_whatever_the_response_says(arp: Priority) -> None:
    case = requester_case()
    decision = _decide(case, final(dispatch_required=True, arp=arp, clock_start=NOW + timedelta(minutes=3)))
    assert decision.case.state == "dispatch_required"
    assert decision.case.clock_start == case.clock_start
    assert decision.case.dispatch_by == case.clock_start + arp.target  # type: ignore[operator]
    assert _armed(decision) == {DeadlineKind.DISPATCH: NOW + POLICY.dispatch_time(arp)}


@pytest.mark.req("APP4-VS-19", "APP4-VS-20")
def test_an_upgrade_takes_the_responders_time() -> None:
    told = NOW + timedelta(minutes=2)
    decision = _decide(requester_case(), final(dispatch_required=True, arp=Priority.C2, clock_start=told))
    assert decision.case.arp is Priority.C2
    assert decision.case.clock_start == told
    assert decision.case.dispatch_by == told + timedelta(minutes=18)
    assert _data(decision, EventType.CASE_COMPLETED)["clock_start_from_message_time"] is False


def test_an_upgrade_that_left_the_clock_where_it_was_gets_the_time_of_its_message_and_says_so() -> None:
    case = requester_case()
    decision = _decide(case, final(dispatch_required=True, arp=Priority.C2, clock_start=case.clock_start))
    assert decision.case.clock_start == NOW
    assert _data(decision, EventType.CASE_COMPLETED)["clock_start_from_message_time"] is True


@pytest.mark.req("APP4-VS-23")
def test_the_new_cad_id_is_told_and_the_dispatch_deadline_stays_until_the_cad_has_acted() -> None:
    decision = _decide(requester_case(), final(dispatch_required=True, arp=Priority.C2, new_cad_id="S220"))
    assert _data(decision, EventType.CASE_COMPLETED)["new_cad_id"] == "S220"
    assert DeadlineKind.DISPATCH in _armed(decision)


@pytest.mark.req("APP4-VS-16")
def test_a_contradictory_final_keeps_the_case_live_and_alerts() -> None:
    decision = _decide(requester_case(), final(contradictory=True, arp=Priority.C2))
    assert decision.case.state == "returned"
    assert _reasons(decision) == [EscalationReason.CONTRADICTORY_FINAL]
    assert DeadlineKind.DISPATCH in _armed(decision)
    assert EventType.CASE_COMPLETED not in _told(decision)


@pytest.mark.parametrize(
    ("state", "command"),
    [
        ("completed", final(dispatch_required=True, arp=Priority.C3)),
        ("completed", commands.RejectionReceived(reason_code="OTH", reason_text=None)),
        ("dispatch_required", final()),
    ],
)
def test_finals_that_contradict_each_other_hand_the_duty_back(state: str, command: commands.Command) -> None:
    decision = _decide(requester_case(state=state), command)
    assert decision.case.state == "returned"
    assert _reasons(decision) == [EscalationReason.CONTRADICTORY_FINAL]


@pytest.mark.parametrize("state", UNDER_VALIDATION)
@pytest.mark.req("APP4-VR-12", "HAZ-H02-02")
def test_at_breach_the_failsafe_puts_the_case_back_on_the_original_outcome(state: str) -> None:
    case = requester_case(state=state)
    decision = _decide(case, commands.BreachDue(due_at=NOW))
    assert decision.case.state == "breached"
    assert _data(decision, EventType.FAILSAFE_DISPATCH) == {
        "arp": Priority.C3,
        "clock_start": case.clock_start,
        "dispatch_by": case.dispatch_by,
        "breach_at": case.breach_at,
        "fired_at": NOW,
        "triage": case.triage,
    }
    raised = decision.of(Escalate)
    assert [effect.key for effect in raised] == ["breach:1"]
    assert raised[0].acknowledge_by == NOW + timedelta(seconds=60)
    assert decision.of(Send) == ()


def test_the_responder_is_told_by_cancellation_where_the_service_wants_it() -> None:
    decision = _decide(requester_case(cancel_on_breach=True), commands.BreachDue(due_at=NOW))
    assert [effect.kind for effect in decision.of(Send)] == [MessageKind.CANCELLATION]
    assert [effect.kind for effect in decision.of(Withdraw)] == [MessageKind.REQUEST, MessageKind.UPDATE]


@pytest.mark.parametrize("state", ["returned", "dispatch_required", "completed", *ENDED])
def test_a_breach_that_comes_too_late_is_moot(state: str) -> None:
    case = requester_case(state=state)
    decision = _decide(case, commands.BreachDue(due_at=NOW))
    assert decision.effects == ()
    assert decision.case == case


@pytest.mark.parametrize("state", ["returned", *ENDED])
def test_a_late_final_is_kept_and_shown_and_closes_nothing(state: str) -> None:
    decision = _decide(requester_case(state=state), final())
    assert decision.case.state == state
    assert _told(decision) == [EventType.RESPONSE_LATE]
    assert decision.of(SettleEscalation) == ()
    assert decision.of(Disarm) == ()


@pytest.mark.parametrize("state", ["breached", "dispatched", "closed", "dispatch_required"])
def test_a_late_final_that_raises_the_priority_escalates_anew(state: str) -> None:
    decision = _decide(requester_case(state=state), final(dispatch_required=True, arp=Priority.C2))
    assert decision.case.state == state
    assert decision.case.arp is Priority.C2
    assert _reasons(decision) == [EscalationReason.PRIORITY_RAISED]
    assert _told(decision) == [EventType.RESPONSE_LATE]


def itk(arp: Priority = Priority.C2) -> commands.FinalReceived:
    return final(dispatch_required=True, arp=arp, new_cad_id="YAS-ITK-77")


@pytest.mark.parametrize("state", ["pending", "in_progress", "completed", "returned", "dispatch_required", *ENDED])
@pytest.mark.req("APP4-VS-23")
def test_a_final_links_the_case_that_came_over_itk_in_time_or_late(state: str) -> None:
    decision = _decide(requester_case(state=state), itk())
    assert decision.case.duplicate_of == "YAS-ITK-77"
    told = [tell.data for tell in decision.of(Tell) if "outcome" in tell.data]
    assert [data["new_cad_id"] for data in told] == ["YAS-ITK-77"]


@pytest.mark.parametrize("state", ["breached", "dispatched", "cancelled", "returned", "dispatch_required"])
def test_a_late_final_with_a_second_case_is_looked_at_by_a_person_once(state: str) -> None:
    case = requester_case(state=state, arp=Priority.C2)
    first = _decide(case, itk())
    assert [(one.reason, one.data) for one in first.of(Escalate)] == [
        (EscalationReason.SECOND_CASE, {"new_cad_id": "YAS-ITK-77"})
    ]
    assert first.case.arp is Priority.C2
    assert _reasons(_decide(first.case, itk())) == []
    raised = _decide(requester_case(state=state), itk())
    assert [one.data for one in raised.of(Escalate)] == [{"arp": Priority.C2, "new_cad_id": "YAS-ITK-77"}]


def test_a_closed_case_is_linked_and_nobody_is_called_to_merge_it() -> None:
    decision = _decide(requester_case(state="closed", arp=Priority.C2), itk())
    assert decision.case.duplicate_of == "YAS-ITK-77"
    assert _reasons(decision) == []


@pytest.mark.parametrize("state", ["completed", *ENDED])
@pytest.mark.req("APP4-VS-31")
def test_a_late_interim_moves_nothing_back(state: str) -> None:
    decision = _decide(requester_case(state=state), commands.InterimReceived())
    assert decision.case.state == state
    assert _told(decision) == [EventType.RESPONSE_LATE]


def test_no_dispatch_in_the_policy_time_escalates() -> None:
    for state in ("returned", "dispatch_required"):
        decision = _decide(requester_case(state=state), commands.DispatchOverdue(due_at=NOW))
        assert decision.case.state == state
        assert _reasons(decision) == [EscalationReason.DISPATCH_OVERDUE]


@pytest.mark.req("APP-COM-30")
def test_the_story_says_who_updated_what_before_anybody_has_taken_it() -> None:
    held = requester_case()
    assert held.breach_at is not None
    command = commands.Update(
        changed=("contacts",), arp=held.arp, clock_start=held.clock_start, breach_at=held.breach_at, by="Dot (cad)"
    )
    decision = _decide(held, command)
    assert _told(decision) == [EventType.CASE_UPDATE_SENT]
    assert _data(decision, EventType.CASE_UPDATE_SENT) == {"changed": ["contacts"], "by": "Dot (cad)"}


@pytest.mark.parametrize("state", ["pending", "in_progress", "breached"])
@pytest.mark.req("APP4-VR-16")
def test_a_dispatched_resource_ends_protection_and_cancels_at_the_responder(state: str) -> None:
    decision = _decide(requester_case(state=state), commands.Dispatch(by="Dot"))
    assert decision.case.state == "dispatched"
    assert DeadlineKind.BREACH in _disarmed(decision)
    assert [effect.kind for effect in decision.of(Send)] == [MessageKind.CANCELLATION]


def test_a_responder_that_has_ended_is_not_told_of_a_dispatch() -> None:
    decision = _decide(requester_case(state="dispatch_required"), commands.Dispatch())
    assert decision.of(Send) == ()


@pytest.mark.parametrize(("mistaken", "status"), [(False, "revoked"), (True, "entered-in-error")])
@pytest.mark.req("CORE-CAN-05")
def test_a_cancellation_says_whether_the_request_was_meant(mistaken: bool, status: str) -> None:
    decision = _decide(requester_case(), commands.Cancel(reason="Patient called back", mistaken=mistaken))
    assert decision.case.state == "cancelled"
    assert decision.of(Send)[0].facts == {"status": status, "reason": "Patient called back"}
    assert _told(decision) == [EventType.CASE_CANCELLED]


def _update(breach_at: datetime) -> commands.Update:
    return commands.Update(changed=("triage",), arp=Priority.C3, clock_start=NOW, breach_at=breach_at)


@pytest.mark.parametrize("state", ["sent", "pending"])
@pytest.mark.req("APP4-VR-13")
def test_an_earlier_breach_time_holds_at_once(state: str) -> None:
    earlier = NOW + timedelta(minutes=20)
    decision = _decide(requester_case(state=state), _update(earlier))
    assert decision.case.state == state
    assert decision.case.breach_at == earlier
    assert _armed(decision) == {DeadlineKind.BREACH: earlier}
    assert [effect.kind for effect in decision.of(Send)] == [MessageKind.UPDATE]


def test_a_later_breach_time_holds_only_when_the_responder_has_taken_it() -> None:
    case, later = requester_case(), NOW + timedelta(minutes=60)
    sent = _decide(case, _update(later))
    assert sent.case.breach_at == case.breach_at
    assert _armed(sent) == {}
    taken = _decide(sent.case, commands.UpdateConfirmed(breach_at=later))
    assert taken.case.breach_at == later
    assert _armed(taken) == {DeadlineKind.BREACH: later}
    refused = _decide(sent.case, commands.UpdateRefused(attempts=1, last_error="refused"))
    assert refused.case.breach_at == case.breach_at
    assert refused.case.pending_breach_at is None
    assert _reasons(refused) == [EscalationReason.UPDATE_REFUSED]


def test_a_confirmed_update_rearms_nothing_once_protection_has_ended() -> None:
    later = NOW + timedelta(minutes=60)
    case = requester_case(state="breached", pending_breach_at=later)
    assert _armed(_decide(case, commands.UpdateConfirmed(breach_at=later))) == {}


@pytest.mark.req("APP4-VR-14")
def test_no_update_after_the_interim_response() -> None:
    assert _decide(requester_case(state="in_progress"), _update(NOW)).refusal is not None


@pytest.mark.parametrize("state", ["sent", "pending", "in_progress", "undelivered"])
def test_an_open_validation_cannot_simply_be_closed(state: str) -> None:
    decision = _decide(requester_case(state=state), commands.Close())
    assert decision.refusal is not None
    assert decision.effects == ()


def test_a_response_from_strangers_disarms_nothing() -> None:
    decision = _decide(requester_case(), commands.UnrecognisedResponse(came_from="x|1"))
    assert decision.case.state == "pending"
    assert _reasons(decision) == [EscalationReason.UNRECOGNISED_RESPONSE]
    assert decision.of(Disarm) == ()


def _escalation(**changes: object) -> EscalationFacts:
    values = {"id": CASE_ID, "reason": "breach", "level": 0, "due_at": NOW, "acknowledged_by": None}
    return EscalationFacts(**values | changes)  # type: ignore[arg-type]


def test_an_escalation_is_acknowledged_by_name_and_repeated_until_then() -> None:
    case = requester_case(state="breached")
    acknowledge = commands.AcknowledgeEscalation(escalation_id=CASE_ID, by="Dot")
    overdue = commands.AcknowledgementOverdue(escalation_id=CASE_ID, due_at=NOW)
    settled = decide(case, acknowledge, now=NOW, policy=POLICY, escalation=_escalation())
    assert settled.effects == (SettleEscalation(escalation_id=CASE_ID, by="Dot"),)
    repeated = decide(case, overdue, now=NOW, policy=POLICY, escalation=_escalation())
    assert repeated.effects == (RepeatEscalation(escalation_id=CASE_ID, acknowledge_by=NOW + timedelta(seconds=60)),)
    for command in (acknowledge, overdue):
        known = _escalation(acknowledged_by="Ann")
        assert decide(case, command, now=NOW, policy=POLICY, escalation=known).effects == ()


def test_an_unknown_escalation_is_refused() -> None:
    command = commands.AcknowledgeEscalation(escalation_id=CASE_ID, by="Dot")
    assert decide(requester_case(), command, now=NOW, policy=POLICY, escalation=None).refusal is not None


def test_a_state_of_a_newer_release_is_left_alone() -> None:
    with pytest.raises(KeyError):
        _decide(requester_case(state="teleported"), commands.BreachDue(due_at=NOW))


def _review(*, dispatch: bool, arp: Priority | None = None, amended: bool = False) -> commands.Review:
    return commands.Review(dispatch_required=dispatch, arp=arp, amended=amended, note="Seen", by="Hub")


@pytest.mark.parametrize("state", UNDER_VALIDATION)
@pytest.mark.req("APP4-VS-24")
def test_a_final_without_approved_triage_waits_for_the_hub_and_stays_protected(state: str) -> None:
    decision = _decide(requester_case(state=state), final(needs_review=True))
    assert decision.case.state == "awaiting_review"
    assert EventType.CASE_REVIEW_REQUIRED in _told(decision)
    assert DeadlineKind.BREACH not in _disarmed(decision)
    assert _armed(decision) == {DeadlineKind.REVIEW: NOW + timedelta(minutes=5)}
    breached = _decide(decision.case, commands.BreachDue(due_at=NOW))
    assert breached.case.state == "breached"


@pytest.mark.req("APP4-VS-24")
def test_c2_never_waits_for_the_hub_but_goes_to_it_as_well() -> None:
    decision = _decide(requester_case(), final(dispatch_required=True, arp=Priority.HCP2, needs_review=True))
    assert decision.case.state == "dispatch_required"
    assert _told(decision) == [EventType.CASE_COMPLETED, EventType.CASE_REVIEW_REQUIRED]
    assert set(_armed(decision)) == {DeadlineKind.DISPATCH, DeadlineKind.REVIEW}
    seen = _decide(decision.case, _review(dispatch=True, arp=Priority.C2))
    assert seen.case.state == "dispatch_required"
    assert _disarmed(seen) == {DeadlineKind.REVIEW}
    assert _told(seen) == [EventType.CASE_REVIEWED]


def test_the_hub_approves_or_amends_and_its_word_counts() -> None:
    waiting = _decide(requester_case(), final(needs_review=True, arp=Priority.HCP4)).case
    approved = _decide(waiting, _review(dispatch=False))
    assert approved.case.state == "completed"
    assert approved.case.arp is Priority.HCP4
    assert approved.case.pending_final is None
    assert DeadlineKind.BREACH in _disarmed(approved)
    assert _data(approved, EventType.CASE_COMPLETED)["outcome"] == {"summary": "Advice given"}
    amended = _decide(waiting, _review(dispatch=True, arp=Priority.C2, amended=True))
    assert amended.case.state == "dispatch_required"
    assert amended.case.arp is Priority.C2
    assert amended.case.clock_start == NOW
    assert _data(amended, EventType.CASE_REVIEWED)["amended"] is True


def test_a_review_that_does_not_come_escalates_and_the_case_goes_on_waiting() -> None:
    waiting = requester_case(state="awaiting_review")
    decision = _decide(waiting, commands.ReviewOverdue(due_at=NOW))
    assert decision.case.state == "awaiting_review"
    assert _reasons(decision) == [EscalationReason.REVIEW_OVERDUE]
