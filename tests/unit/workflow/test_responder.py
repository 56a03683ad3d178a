"""What each command means for a responder's case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cad_bridge.workflow import commands
from cad_bridge.workflow.decide import begin, decide
from cad_bridge.workflow.effects import Arm, Decision, Disarm, Escalate, Send, Tell
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.vocabulary import DeadlineKind, EscalationReason, EventType, MessageKind, Priority, UseCase
from tests.unit.workflow.builders import NOW, responder_case

POLICY = Policy()
OPEN = ("received", "accepted", "in_progress")


def _decide(command: commands.Command, **case: object) -> Decision:
    return decide(responder_case(**case), command, now=NOW, policy=POLICY)


def _sent(decision: Decision) -> list[str]:
    return [effect.kind for effect in decision.of(Send)]


def _complete(**changes: object) -> commands.Complete:
    values = {"dispatch_required": False, "arp": Priority.C5, "clock_start": NOW, "outcome": {"summary": "Well"}}
    return commands.Complete(**values | changes)  # type: ignore[arg-type]


def test_receipt_arms_the_intake_deadline_by_priority() -> None:
    decision = begin(responder_case(state=""), now=NOW, policy=POLICY)
    assert decision.case.state == "received"
    assert decision.of(Arm) == (Arm(kind=DeadlineKind.INTAKE, due_at=NOW + timedelta(minutes=10)),)
    assert _sent(decision) == []


def test_a_case_nobody_has_seen_escalates_once() -> None:
    decision = _decide(commands.IntakeOverdue(due_at=NOW))
    assert [effect.reason for effect in decision.of(Escalate)] == [EscalationReason.INTAKE_OVERDUE]
    assert decision.of(Escalate)[0].key == "intake-overdue:1"
    assert _decide(commands.IntakeOverdue(due_at=NOW), state="accepted").effects == ()


@pytest.mark.req("APP4-VS-02")
def test_accepting_at_a_cas_tells_the_requester_nothing_yet() -> None:
    decision = _decide(commands.Accept(by="Nurse"))
    assert decision.case.state == "accepted"
    assert _sent(decision) == []
    assert decision.of(Disarm) == (Disarm(kind=DeadlineKind.INTAKE),)


@pytest.mark.req("APP4-VS-01")
@pytest.mark.parametrize("use_case", [UseCase.FALLS_VALIDATION, UseCase.COMMUNITY_VALIDATION])
def test_falls_and_community_tell_the_requester_on_acceptance_and_only_then(use_case: UseCase) -> None:
    accepted = _decide(commands.Accept(), use_case=use_case)
    assert _sent(accepted) == [MessageKind.INTERIM]
    started = decide(accepted.case, commands.Start(), now=NOW, policy=POLICY)
    assert started.case.state == "in_progress"
    assert _sent(started) == []


@pytest.mark.parametrize("state", ["received", "accepted"])
@pytest.mark.req("APP4-VS-01")
def test_a_cas_tells_the_requester_when_the_consultation_starts(state: str) -> None:
    decision = _decide(commands.Start(by="Nurse"), state=state)
    assert decision.case.state == "in_progress"
    assert decision.case.interim_sent
    assert _sent(decision) == [MessageKind.INTERIM]


@pytest.mark.parametrize("state", OPEN)
@pytest.mark.req("APP4-VS-06", "APP4-VR-20")
def test_a_rejection_carries_its_reason_from_any_open_state(state: str) -> None:
    decision = _decide(commands.Reject(reason_code="FC", reason_text="No answer"), state=state)
    assert decision.case.state == "rejected"
    assert decision.of(Send)[0].facts["reason"] == {"code": "FC", "text": "No answer"}


@pytest.mark.parametrize(("state", "interim_sent"), [("received", False), ("in_progress", True)])
@pytest.mark.req("APP4-VS-09", "APP4-VS-10")
def test_completion_sends_the_final_response_and_says_whether_an_interim_went_before(
    state: str, interim_sent: bool
) -> None:
    decision = _decide(_complete(), state=state, interim_sent=interim_sent)
    assert decision.case.state == "finished"
    assert _sent(decision) == [MessageKind.FINAL]
    assert decision.of(Send)[0].facts["interim_sent"] is interim_sent


@pytest.mark.parametrize("state", OPEN)
@pytest.mark.req("APP4-VR-15")
def test_an_update_takes_the_facts_as_they_are_now(state: str) -> None:
    command = commands.UpdateReceived(
        changed=("CarePlan",), arp=Priority.C2, clock_start=NOW, breach_at=NOW + timedelta(minutes=9)
    )
    decision = _decide(command, state=state)
    assert decision.case.state == state
    assert decision.case.arp is Priority.C2
    assert decision.case.breach_at == NOW + timedelta(minutes=9)
    assert [effect.type for effect in decision.of(Tell)] == [EventType.CASE_UPDATED]
    assert decision.case.unread_update is (state != "received")


def test_a_completion_by_somebody_who_has_not_seen_the_update_is_refused() -> None:
    updated = {"state": "in_progress", "unread_update": True, "version": 9}
    assert _decide(_complete(), **updated).refusal is not None
    assert _decide(_complete(read_version=8), **updated).refusal is not None
    seen = _decide(_complete(read_version=9), **updated)
    assert seen.case.state == "finished"
    assert not seen.case.unread_update


@pytest.mark.parametrize("state", OPEN)
def test_a_cancellation_ends_an_open_case(state: str) -> None:
    decision = _decide(commands.CancellationReceived(status="revoked", reason="Called back"), state=state)
    assert decision.case.state == "cancelled"
    assert [effect.type for effect in decision.of(Tell)] == [EventType.CASE_CANCELLED]


@pytest.mark.parametrize("state", ["rejected", "finished", "cancelled"])
@pytest.mark.req("CORE-CAN-03")
def test_what_has_ended_takes_no_command(state: str) -> None:
    for command in (
        commands.Accept(),
        commands.Start(),
        commands.Reject(reason_code="OTH", reason_text="x"),
        _complete(),
        commands.CancellationReceived(status="revoked"),
    ):
        decision = _decide(command, state=state)
        assert decision.refusal is not None
        assert decision.effects == ()


def test_a_response_the_requester_would_not_take_escalates() -> None:
    decision = _decide(commands.ResponseRefused(kind="final", attempts=3, last_error="refused"), state="finished")
    assert [effect.reason for effect in decision.of(Escalate)] == [EscalationReason.RESPONSE_UNDELIVERABLE]
    assert EventType.DELIVERY_FAILED in [effect.type for effect in decision.of(Tell)]


@pytest.mark.req("APP4-VS-02")
def test_a_failed_contact_attempt_is_recorded_and_starts_nothing() -> None:
    decision = _decide(commands.ContactAttempt(contact="mobile", note="Voicemail", by="Nurse"), state="accepted")
    assert decision.case.state == "accepted"
    assert _sent(decision) == []
    assert decision.of(Disarm) == ()
    assert [effect.type for effect in decision.of(Tell)] == [EventType.CASE_CONTACT_ATTEMPT]


@pytest.mark.parametrize(
    "command",
    [
        commands.Reject(reason_code="RRNA", reason_text="Nobody is free", by="Ann", take_over=False),
        replace(_complete(), by="Ann", take_over=False),
    ],
)
def test_nobody_ends_the_work_of_another_unknowingly(command: commands.Reject | commands.Complete) -> None:
    refused = _decide(command, state="in_progress", claimed_by="Bob")
    assert refused.refusal is not None
    assert "Bob" in refused.refusal.why
    assert _decide(replace(command, take_over=True), state="in_progress", claimed_by="Bob").refusal is None


@pytest.mark.parametrize("command", [commands.Accept(by="Ann"), commands.Start(by="Ann")])
def test_no_two_clinicians_work_on_a_case_unknowingly(command: commands.Accept | commands.Start) -> None:
    refused = _decide(command, state="accepted", claimed_by="Bob")
    assert refused.refusal is not None
    assert "Bob" in refused.refusal.why
    taken = _decide(replace(command, take_over=True), state="accepted", claimed_by="Bob")
    assert taken.case.claimed_by == "Ann"
