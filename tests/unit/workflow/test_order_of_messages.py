"""Messages out of order, repeated or crossing: each is a listed row, and a line of docs/lifecycle/validation.md."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from cad_bridge.workflow import commands
from cad_bridge.workflow.case import Case
from cad_bridge.workflow.decide import decide
from cad_bridge.workflow.effects import Decision, Disarm, Escalate, Tell
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.vocabulary import DeadlineKind, Priority
from tests.unit.workflow.builders import NOW, final, requester_case, responder_case

PAGE = Path(__file__).resolve().parents[3] / "docs" / "lifecycle" / "validation.md"

INTERIM = commands.InterimReceived()
REJECTION = commands.RejectionReceived(reason_code="FC", reason_text="No answer")
CLOSING = final()
DISPATCHING = final(dispatch_required=True, arp=Priority.C3)
RAISING = final(dispatch_required=True, arp=Priority.C2, clock_start=NOW)
ITK = final(dispatch_required=True, arp=Priority.C3, new_cad_id="YAS-ITK-77")
DISPATCH = commands.Dispatch(by="Dot")
ACKNOWLEDGED = commands.RequestAcknowledged(remote_case_number="CAS-1")
CANCEL = commands.Cancel(reason="Called back")
UPDATE = commands.Update(
    changed=("triage",), arp=Priority.C3, clock_start=NOW - timedelta(minutes=5), breach_at=NOW + timedelta(hours=2)
)
CANCEL_REFUSED = commands.CancellationRefused(attempts=1, last_error="It is no longer current there.")
UPDATE_REFUSED = commands.UpdateRefused(attempts=1, last_error="It is no longer current there.")
UPDATE_TAKEN = commands.UpdateConfirmed(breach_at=UPDATE.breach_at)


@dataclass(frozen=True, slots=True)
class Story:
    """What arrives in which order, and what it comes to. `told` and `escalated` are those of the last message."""

    line: str
    """How docs/lifecycle/validation.md calls it."""
    messages: tuple[commands.Command, ...]
    state: str
    told: tuple[str, ...] = ()
    escalated: tuple[str, ...] = ()
    start: str = "pending"


STORIES = (
    Story("Final before interim", (CLOSING, INTERIM), "completed", ("response.late",)),
    Story("Final before interim", (DISPATCHING, INTERIM), "dispatch_required", ("response.late",)),
    Story("Interim after final", (INTERIM, CLOSING, INTERIM), "completed", ("response.late",)),
    Story("Interim repeated", (INTERIM, INTERIM), "in_progress"),
    Story(
        "Rejection after start",
        (INTERIM, REJECTION),
        "returned",
        ("case.returned",),
        ("rejected",),
    ),
    Story(
        "Rejection after a closing final",
        (CLOSING, REJECTION),
        "returned",
        ("case.returned",),
        ("contradictory-final",),
    ),
    Story("Final after a rejection", (REJECTION, CLOSING), "returned", ("response.late",)),
    Story("Final after a rejection", (REJECTION, RAISING), "returned", ("response.late",), ("priority-raised",)),
    Story("Final after the resource went", (DISPATCH, CLOSING), "dispatched", ("response.late",)),
    Story("Final after the resource went", (DISPATCH, ITK), "dispatched", ("response.late",), ("second-case",)),
    Story("Final after the resource went", (DISPATCH, RAISING), "dispatched", ("response.late",), ("priority-raised",)),
    Story("Rejection after a final with dispatch", (DISPATCHING, REJECTION), "dispatch_required", ("response.late",)),
    Story("Response to a cancelled request", (CANCEL, INTERIM), "cancelled", ("response.late",)),
    Story("Response to a cancelled request", (CANCEL, CLOSING), "cancelled", ("response.late",)),
    Story("Response to a cancelled request", (CANCEL, REJECTION), "cancelled", ("response.late",)),
    Story("Response to a cancelled request", (CANCEL, RAISING), "cancelled", ("response.late",), ("priority-raised",)),
    Story(
        "Cancellation crossing a final",
        (CANCEL, CLOSING, CANCEL_REFUSED),
        "cancelled",
        ("delivery.failed",),
        ("cancellation-refused",),
    ),
    Story("Update crossing an interim", (UPDATE, INTERIM, UPDATE_TAKEN), "in_progress", ("case.updated",)),
    Story(
        "Update crossing an interim",
        (UPDATE, INTERIM, UPDATE_REFUSED),
        "in_progress",
        ("delivery.failed",),
        ("update-refused",),
    ),
    Story("Two finals that agree", (CLOSING, CLOSING), "completed", ("response.late",)),
    Story(
        "Two finals that contradict", (CLOSING, DISPATCHING), "returned", ("case.returned",), ("contradictory-final",)
    ),
    Story(
        "Two finals that contradict", (DISPATCHING, CLOSING), "returned", ("case.returned",), ("contradictory-final",)
    ),
    Story(
        "Second final raises the priority",
        (DISPATCHING, RAISING),
        "dispatch_required",
        ("response.late",),
        ("priority-raised",),
    ),
    Story("Response before the 200", (INTERIM, ACKNOWLEDGED), "in_progress", start="sent"),
    Story("Response before the 200", (CLOSING, ACKNOWLEDGED), "completed", start="sent"),
    Story("Response after the breach", (CLOSING,), "breached", ("response.late",), start="breached"),
    Story(
        "Response after the breach",
        (RAISING,),
        "breached",
        ("response.late",),
        ("priority-raised",),
        start="breached",
    ),
)


def _play(case: Case, *messages: commands.Command) -> Decision:
    for message in messages:
        decision = decide(case, message, now=NOW, policy=Policy())
        case = decision.case
    return decision


@pytest.mark.parametrize("story", STORIES, ids=lambda story: f"{story.line}: {story.messages[-1].trigger}")
@pytest.mark.req("APP4-VS-31", "CORE-WF-05")
def test_what_comes_out_of_order_has_its_row(story: Story) -> None:
    delivered = story.start != "sent"
    case = requester_case(state=story.start, delivered=delivered, remote_case_number="CAS-1" if delivered else None)
    decision = _play(case, *story.messages)
    assert decision.refusal is None
    assert decision.case.state == story.state
    assert tuple(effect.reason for effect in decision.of(Escalate)) == story.escalated
    told = {effect.type for effect in decision.of(Tell)}
    assert set(story.told) <= told
    assert story.told or not told & {"response.late", "case.returned", "case.completed"}


def test_a_response_before_the_200_proves_the_delivery() -> None:
    decision = _play(requester_case(state="sent", delivered=False), INTERIM)
    assert decision.case.delivered
    assert "case.acknowledged" in {effect.type for effect in decision.of(Tell)}
    assert DeadlineKind.DELIVERY in {effect.kind for effect in decision.of(Disarm)}


def test_an_update_that_crossed_the_interim_and_was_refused_moves_no_breach_time() -> None:
    held = requester_case().breach_at
    assert _play(requester_case(), UPDATE, INTERIM, UPDATE_REFUSED).case.breach_at == held
    assert _play(requester_case(), UPDATE, INTERIM, UPDATE_TAKEN).case.breach_at == UPDATE.breach_at


def test_after_the_interim_the_cad_can_update_no_more() -> None:
    decision = _play(requester_case(), INTERIM, UPDATE)
    assert decision.refusal is not None
    assert decision.case.state == "in_progress"


COMPLETE = commands.Complete(dispatch_required=False, arp=Priority.C5, clock_start=NOW, by="Nurse")
RECEIVED_UPDATE = commands.UpdateReceived(changed=("triage",), arp=None, clock_start=None, breach_at=None)
CANCELLATION = commands.CancellationReceived(status="revoked")
START = commands.Start(by="Nurse")


@pytest.mark.parametrize(
    ("line", "messages"),
    [
        ("Completion after a cancellation", (START, CANCELLATION, COMPLETE)),
        ("Completion after an update that was not read", (START, RECEIVED_UPDATE, COMPLETE)),
        ("Cancellation after the final", (COMPLETE, CANCELLATION)),
        ("Update after the final", (COMPLETE, RECEIVED_UPDATE)),
    ],
)
def test_what_comes_too_late_at_the_responder_is_refused(line: str, messages: tuple[commands.Command, ...]) -> None:
    decision = _play(responder_case(), *messages)
    assert decision.refusal is not None
    assert decision.effects == ()
    assert f"| {line} |" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("line", sorted({story.line for story in STORIES}))
def test_every_order_has_its_line_on_the_page(line: str) -> None:
    assert f"| {line} |" in PAGE.read_text(encoding="utf-8")
