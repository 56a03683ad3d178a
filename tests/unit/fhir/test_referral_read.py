"""Referrals as other systems may send them: read as far as they can be, and the rest shown as sent."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cad_bridge.fhir.content_triage import LogEntry, RequestedAction
from cad_bridge.fhir.content_types import Coding
from cad_bridge.fhir.encounters import OwnEncounters
from cad_bridge.fhir.read_elements import read_moment
from cad_bridge.fhir.read_request import read_request
from tests.contents import Json, only, resources
from tests.referral_contents import built, category_5, early, mutual_aid

MESSAGE = built(mutual_aid())
SNOMED = "http://snomed.info/sct"
LOG_TIME = read_moment("2026-11-21T12:10:00Z")


@pytest.fixture
def bundle() -> Json:
    return copy.deepcopy(MESSAGE)


def add(bundle: Json, **resource: Any) -> None:
    bundle["entry"].append({"fullUrl": f"urn:uuid:added-{len(bundle['entry'])}", "resource": resource})


def shown(content: Any) -> set[str]:
    """Values that the user sees although no field holds them."""
    return {one.value for one in content.also_sent}


@pytest.mark.req("APP6-REF-08")
@pytest.mark.parametrize("status", ["in-progress", "triaged", "finished", "onleave"])
def test_the_state_of_the_case_at_the_sender_is_read(bundle: Json, status: str) -> None:
    only(bundle, "Encounter")["status"] = status

    assert read_request(bundle)[0].sender_encounter_status == status


def test_a_category_5_referral_is_read_whole() -> None:
    content, issues = read_request(built(category_5()))

    assert (content.use_case, content.triage.arp) == ("a3t1", "C5")
    assert content.breach_at == read_moment("2026-11-21T12:40:00Z")
    assert issues == []


@pytest.mark.req("APP6-TIM-07")
def test_the_history_of_the_senders_encounter_is_call_times_and_no_status(bundle: Json) -> None:
    only(bundle, "Encounter")["status"] = "finished"
    content, _ = read_request(bundle)

    assert content.sender_encounter_status == "finished"
    assert content.timings.bt_start == read_moment("2026-11-21T11:55:50Z")
    assert content.timings.call_connect == read_moment("2026-11-21T11:56:12Z")
    assert content.timings.call_answer == read_moment("2026-11-21T11:56:20Z")


def test_a_start_of_the_encounter_that_is_neither_call_time_is_shown(bundle: Json) -> None:
    only(bundle, "Encounter")["period"]["start"] = "2026-11-21T11:50:00Z"
    content, _ = read_request(bundle)

    assert "2026-11-21T11:50:00Z" in shown(content)
    assert content.timings.call_connect == read_moment("2026-11-21T11:56:12Z")


@pytest.mark.parametrize(
    ("topic", "name", "kept"),
    [
        ({"text": "Crew Note"}, "crew_notes", None),
        ({"text": "call log entry"}, "call_log", None),
        ({"text": "Crew Note or Call Log Entry"}, "call_log", "Crew Note or Call Log Entry"),
        ({"text": "Crew update"}, "crew_notes", "Crew update"),
        ({"text": "Response for Labour"}, "call_log", "Response for Labour"),
        (None, "call_log", None),
    ],
)
@pytest.mark.req("APP6-REF-17")
def test_log_entries_keep_the_name_that_the_sender_gave_them(
    bundle: Json, topic: Json | None, name: str, kept: str | None
) -> None:
    body = {"status": "completed", "sent": "2026-11-21T12:10:00Z", "payload": [{"contentString": "Gate is locked"}]}
    add(bundle, resourceType="Communication", **body, **({"topic": topic} if topic else {}))
    content, _ = read_request(bundle)

    assert getattr(content, name)[-1] == LogEntry(at=LOG_TIME, text="Gate is locked", topic=kept)
    assert "Communication" not in {one["resourceType"] for one in content.other_resources}


def test_every_payload_of_a_communication_is_an_entry_and_a_time_may_be_missing(bundle: Json) -> None:
    add(
        bundle,
        resourceType="Communication",
        status="completed",
        payload=[{"contentString": "One"}, {"contentString": "Two"}],
    )
    content, _ = read_request(bundle)

    assert content.call_log[-2:] == (LogEntry(text="One"), LogEntry(text="Two"))


def test_a_communication_that_did_not_happen_says_so(bundle: Json) -> None:
    add(bundle, resourceType="Communication", status="not-done", payload=[{"contentString": "Call back"}])

    assert "not-done" in shown(read_request(bundle)[0])


def test_a_communication_without_words_stays_as_sent(bundle: Json) -> None:
    add(bundle, resourceType="Communication", status="completed", payload=[{"contentReference": {"display": "Scan"}}])
    content, _ = read_request(bundle)

    assert [one["resourceType"] for one in content.other_resources] == ["Communication"]
    assert "Scan" in shown(content)


@pytest.mark.parametrize(
    ("task", "action"),
    [
        (
            {"code": {"coding": [{"system": SNOMED, "code": "715537001", "display": "Transportation"}]}},
            RequestedAction(
                text="Transportation", code=Coding(system=SNOMED, code="715537001", display="Transportation")
            ),
        ),
        ({"description": "Convey to ED"}, RequestedAction(text="Convey to ED")),
        ({"code": {"text": "Convey"}, "description": "Convey"}, RequestedAction(text="Convey")),
        (
            {"description": "Convey", "restriction": {"period": {"end": "2026-11-21T12:10:00Z"}}},
            RequestedAction(text="Convey", by=LOG_TIME),
        ),
    ],
)
@pytest.mark.req("APP6-REF-16")
def test_tasks_of_others_are_actions(bundle: Json, task: Json, action: RequestedAction) -> None:
    add(bundle, resourceType="Task", status="requested", intent="plan", **task)
    content, _ = read_request(bundle)

    assert content.actions == (action,)
    assert content.resource_requested is not None
    assert "Task" not in {one["resourceType"] for one in content.other_resources}


def test_a_description_that_says_more_than_the_code_is_shown(bundle: Json) -> None:
    add(bundle, resourceType="Task", status="accepted", code={"text": "Convey"}, description="Lying flat")
    content, _ = read_request(bundle)

    assert content.actions == (RequestedAction(text="Convey"),)
    assert {"Lying flat", "accepted"} <= shown(content)


def test_the_first_resource_is_the_one_asked_for_and_others_are_actions(bundle: Json) -> None:
    second = copy.deepcopy(only(bundle, "Task")) | {"description": "Defibrillator"}
    second["code"] = {"id": "resource-requested", "text": "Defibrillator"}
    add(bundle, **second)
    content, _ = read_request(bundle)

    assert content.resource_requested
    assert (content.resource_requested.text, content.resource_requested.number) == ("Paramedic", 2)
    assert [one.text for one in content.actions] == ["Defibrillator"]


def test_a_number_that_makes_no_sense_is_shown_as_sent(bundle: Json) -> None:
    only(bundle, "Task")["input"][0]["valuePositiveInt"] = 500
    content, issues = read_request(bundle)

    assert content.resource_requested is None
    assert {"Paramedic", "500"} <= shown(content)
    assert "read" in {issue.rule for issue in issues}


def test_only_the_presenting_complaint_is_read_from_conditions(bundle: Json) -> None:
    add(bundle, resourceType="Condition", code={"text": "Asthma"}, category=[{"text": "Problem"}])
    again = copy.deepcopy(only(MESSAGE, "Condition")) | {"code": {"text": "Another complaint"}}
    add(bundle, **again)
    content, _ = read_request(bundle)

    assert content.presenting_complaint == "Fall"
    assert [one["resourceType"] for one in content.other_resources] == ["Condition", "Condition"]
    assert {"Asthma", "Another complaint"} <= shown(content)


def test_a_condition_counts_before_an_observation_which_is_not_lost(bundle: Json) -> None:
    add(bundle, resourceType="Observation", code={"text": "Presenting complaint"}, valueString="Faint")
    content, _ = read_request(bundle)

    assert content.presenting_complaint == "Fall"
    assert "Faint" in shown(content)


@pytest.mark.parametrize("when", [{"performedDateTime": "2026-11-21T12:10:00Z"}, {"performedPeriod": {}}])
@pytest.mark.req("APP6-REF-20")
def test_cpr_is_read_by_its_code_and_start(bundle: Json, when: Json) -> None:
    procedure = only(bundle, "Procedure")
    del procedure["performedPeriod"]
    procedure |= when
    content, _ = read_request(bundle)

    if "performedDateTime" in when:
        assert content.timings.cpr_start == LOG_TIME
    else:
        assert content.timings.cpr_start is None
        assert [one["resourceType"] for one in content.other_resources] == ["Procedure"]


def test_another_procedure_and_cpr_that_has_ended_are_not_cpr_under_way(bundle: Json) -> None:
    only(bundle, "Procedure")["status"] = "completed"
    add(bundle, resourceType="Procedure", status="in-progress", code={"text": "Splint"})
    content, _ = read_request(bundle)

    assert "completed" in shown(content)
    assert "Splint" in shown(content)


@pytest.mark.req("APP6-LOC-11")
@pytest.mark.parametrize(
    ("change", "status"), [({"status": "active"}, "confirmed"), ({"status": None}, "provisional"), (None, None)]
)
def test_whether_a_place_is_confirmed_is_read_and_never_assumed(
    bundle: Json, change: Json | None, status: str | None
) -> None:
    encounter = only(bundle, "Encounter")
    if change is None:
        del encounter["location"]
    else:
        encounter["location"][0] = {
            name: value for name, value in (encounter["location"][0] | change).items() if value is not None
        }
    content, _ = read_request(bundle)

    assert content.incident_location
    assert content.incident_location.status == status


@pytest.mark.req("APP6-LOC-09")
def test_an_other_place_that_does_not_say_what_it_is_is_kept_with_an_issue(bundle: Json) -> None:
    def rules() -> list[str]:
        return [issue.rule for issue in read_request(bundle)[1]]

    assert "APP6-LOC-09" not in rules()
    for location in resources(bundle, "Location"):
        location["type"][0].pop("text", None)
    assert rules().count("APP6-LOC-09") == 1
    assert {place.type for place in read_request(bundle)[0].other_locations} == {"rendezvous", "other"}


def test_a_place_that_was_withdrawn_is_gone(bundle: Json) -> None:
    for place in resources(bundle, "Location"):
        if place["type"][0]["coding"][0]["code"] == "RLOC":
            place["status"] = "inactive"
    content, _ = read_request(bundle)

    assert [one.type for one in content.other_locations] == ["other"]
    assert not any("raft" in value for value in shown(content))


@pytest.mark.req("APP6-UPD-05")
def test_our_own_encounter_in_an_update_says_nothing_new_and_another_is_shown(bundle: Json) -> None:
    own = {"resourceType": "Encounter", "id": "mine", "status": "planned", "class": {"code": "EMER"}}
    add(bundle, **own)
    add(bundle, **own | {"id": "whose", "status": "finished"})
    content, _ = read_request(bundle, own=OwnEncounters(ids=frozenset({"mine"})))

    assert [one["id"] for one in content.other_resources] == ["whose"]
    assert content.sender_encounter_status == "triaged"


def test_the_senders_encounter_is_read_even_if_it_is_said_to_be_ours(bundle: Json) -> None:
    encounter = only(bundle, "Encounter")
    content, _ = read_request(bundle, own=OwnEncounters(ids=frozenset({encounter["id"]})))

    assert content.case_number == "NAS-0042"


def test_a_note_without_a_summary_is_no_summary() -> None:
    content, _ = read_request(built(early(triage={"notes": ["First", "Second"]})))

    assert content.triage.summary is None
    assert content.triage.notes == ("First", "Second")


@pytest.mark.req("APP-COM-21", "APP6-REF-21")
def test_an_early_referral_is_read_with_nothing_made_up() -> None:
    content, _ = read_request(built(early()))

    assert content.patient.name is None
    assert content.contacts == ()
    assert content.triage.arp is None
    assert content.presenting_complaint is None
    assert content.breach_at is None
    assert content.triage.pre_triage_sieve
    assert content.triage.pre_triage_sieve.breathing is False
    assert content.scene_safety.status == "unknown"
