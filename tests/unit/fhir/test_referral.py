"""Referrals as they go out: what makes each of them what it is, and where everything stands."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_referral import referral_bundle
from cad_bridge.fhir.content import Request
from tests.contents import Json, envelope, only, plain_request, references, resources, target, urls
from tests.referral_contents import CAD_TO_CAD, REFERRALS, built, category_5, early, mutual_aid

NHS = "https://fhir.nhs.uk"
CATEGORY_5 = built(category_5())
MUTUAL_AID = built(mutual_aid())
EARLY = built(early())


def referral(use_case: str) -> Request:
    if use_case == "a3t1":
        return category_5()
    return mutual_aid(use_case=use_case, resource_requested=None)


def flags_of(bundle: Json, category: str) -> list[Json]:
    return [flag for flag in resources(bundle, "Flag") if flag["category"][0]["coding"][0]["code"] == category]


def place_of(bundle: Json) -> Json:
    """What the sender's Encounter says of the incident location."""
    incident = only(bundle, "ServiceRequest")["locationReference"][0]["reference"]
    found = [one for one in only(bundle, "Encounter")["location"] if one["location"]["reference"] == incident]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("use_case", REFERRALS)
@pytest.mark.req("APP3-REF-03", "APP6-REF-04", "APP6-REF-10")
def test_every_referral_cites_its_definition_and_states_its_use_case(use_case: str) -> None:
    bundle = built(referral(use_case))
    header, request = only(bundle, "MessageHeader"), only(bundle, "ServiceRequest")

    assert header["definition"] == f"{NHS}/MessageDefinition/bars-message-servicerequest-request-referral"
    assert target(bundle, header["focus"][0]) == request
    assert header["reason"]["coding"][0]["code"] == "new"
    assert request["status"] == "active"
    assert request["meta"]["profile"] == [f"{NHS}/StructureDefinition/BARSServiceRequest-request-referral"]
    category, case = request["category"][0]["coding"]
    assert (category["code"], category["display"]) == ("referral", "Transfer of Care")
    assert (case["system"], case["code"]) == (f"{NHS}/CodeSystem/usecases-categories-bars", use_case)


@pytest.mark.req("APP3-REF-02")
def test_a_category_5_referral_is_complete_and_closed_at_the_sender() -> None:
    encounter, plan = only(CATEGORY_5, "Encounter"), only(CATEGORY_5, "CarePlan")

    assert (encounter["status"], encounter["class"]["code"]) == ("finished", "EMER")
    assert (plan["status"], plan["intent"]) == ("completed", "plan")


@pytest.mark.req("APP3-REF-04", "APP3-REF-07")
def test_a_category_5_referral_says_by_when_to_call_back() -> None:
    period = only(CATEGORY_5, "ServiceRequest")["occurrencePeriod"]

    assert period == {"start": "2026-11-21T12:02:00+00:00", "end": "2026-11-21T12:40:00+00:00"}


@pytest.mark.req("APP3-REF-05", "APP6-TIM-05")
@pytest.mark.parametrize("bundle", [CATEGORY_5, MUTUAL_AID, EARLY])
def test_the_clock_start_stands_in_the_plan(bundle: Json) -> None:
    assert only(bundle, "CarePlan")["period"] == {"start": "2026-11-21T12:00:00+00:00"}


@pytest.mark.req("APP3-REF-06")
def test_the_encounter_starts_with_call_connect_or_else_call_answer() -> None:
    answered = built(category_5(timings={"call_answer": "2026-11-21T11:56:20Z"}))

    assert only(CATEGORY_5, "Encounter")["period"] == {"start": "2026-11-21T11:56:12+00:00"}
    assert only(answered, "Encounter")["period"] == {"start": "2026-11-21T11:56:20+00:00"}


@pytest.mark.parametrize("use_case", CAD_TO_CAD)
@pytest.mark.req("APP6-REF-06")
def test_a_cad_to_cad_referral_has_an_active_plan_and_an_emergency(use_case: str) -> None:
    bundle = built(referral(use_case))

    assert (only(bundle, "CarePlan")["status"], only(bundle, "CarePlan")["intent"]) == ("active", "plan")
    assert only(bundle, "Encounter")["class"]["code"] == "EMER"


@pytest.mark.parametrize("status", ["in-progress", "triaged", "finished"])
@pytest.mark.req("APP6-REF-07")
def test_the_senders_encounter_says_how_far_the_call_is(status: Any) -> None:
    assert only(built(mutual_aid(), encounter_status=status), "Encounter")["status"] == status


def test_an_untriaged_call_is_in_progress_and_a_triaged_one_triaged() -> None:
    assert only(EARLY, "Encounter")["status"] == "in-progress"
    assert only(MUTUAL_AID, "Encounter")["status"] == "triaged"


def test_a_category_5_case_is_nothing_but_finished() -> None:
    with pytest.raises(ValueError, match="no such state"):
        referral_bundle(category_5(), envelope(), encounter_status="triaged")


def test_a_validation_is_no_referral() -> None:
    with pytest.raises(ValueError, match="referral"):
        referral_bundle(plain_request(), envelope())


@pytest.mark.req("APP6-REF-05")
def test_what_is_asked_for_is_said_in_words() -> None:
    assert only(MUTUAL_AID, "ServiceRequest")["category"][0]["text"] == "Please send two paramedics"


@pytest.mark.req("APP6-REF-09", "APP-COM-20", "APP-COM-21")
def test_an_early_referral_holds_what_is_known_and_nothing_made_up() -> None:
    patient, plan = only(EARLY, "Patient"), only(EARLY, "CarePlan")

    assert patient.keys() == {"resourceType", "meta"}
    assert "activity" not in plan
    assert "addresses" not in plan
    assert "occurrencePeriod" not in only(EARLY, "ServiceRequest")
    assert Counter(entry["resource"]["resourceType"] for entry in EARLY["entry"]) == {
        "MessageHeader": 1,
        "ServiceRequest": 1,
        "HealthcareService": 1,
        "Encounter": 1,
        "CarePlan": 1,
        "Patient": 1,
        "Practitioner": 1,
        "PractitionerRole": 1,
        "Organization": 2,
        "Location": 1,
        "Flag": 1,
        "Consent": 1,
        "Questionnaire": 1,
        "QuestionnaireResponse": 1,
    }


@pytest.mark.parametrize("bundle", [CATEGORY_5, MUTUAL_AID, EARLY])
@pytest.mark.req("CORE-BND-10")
def test_every_reference_resolves_in_the_message(bundle: Json) -> None:
    elsewhere = {link for link in references(bundle) if not link.startswith(("#", "EpisodeOfCare/"))} - urls(bundle)

    assert elsewhere == set()


# --- clinicians, tasks -----------------------------------------------------------------------------------------------
BY_CLINICIAN = {
    "practitioner": {"sds_role_profile_id": "T9", "role": "Paramedic", "clinician": True},
    "triage": {"arp": "C2", "summary": "Septic"},
}


@pytest.mark.req("APP6-REF-13", "APP6-REF-14")
def test_only_a_clinician_is_the_author_of_the_plan() -> None:
    actions = [{"text": "Convey to hospital"}]
    bundle = built(early(**BY_CLINICIAN, actions=actions))

    assert target(bundle, only(bundle, "CarePlan")["author"])["resourceType"] == "PractitionerRole"
    assert "author" not in only(MUTUAL_AID, "CarePlan")


@pytest.mark.req("APP6-REF-15", "APP6-REF-16")
def test_triage_without_a_system_names_a_task_for_each_action() -> None:
    transport = {"system": "http://snomed.info/sct", "code": "715537001", "display": "Transportation by ambulance"}
    actions = [
        {"text": "Convey to hospital", "code": transport, "by": "2026-11-21T14:00:00Z"},
        {"text": "Repeat observations", "not_before": "2026-11-21T12:30:00Z", "by": "2026-11-21T13:00:00Z"},
    ]
    bundle = built(early(**BY_CLINICIAN, actions=actions))
    named = [one["reference"] for one in only(bundle, "CarePlan")["activity"] if "reference" in one]
    convey, observe = (target(bundle, link) for link in named)

    assert len(resources(bundle, "Task")) == 2
    assert (convey["status"], convey["intent"]) == ("requested", "plan")
    assert convey["authoredOn"] == "2026-11-21T12:02:00+00:00"
    assert convey["code"] == {"coding": [transport], "text": "Convey to hospital"}
    assert convey["description"] == "Convey to hospital"
    assert convey["restriction"]["period"] == {"end": "2026-11-21T14:00:00+00:00"}
    assert observe["restriction"]["period"] == {
        "start": "2026-11-21T12:30:00+00:00",
        "end": "2026-11-21T13:00:00+00:00",
    }
    assert target(bundle, convey["encounter"])["resourceType"] == "Encounter"


def test_triage_by_a_system_needs_no_task() -> None:
    assert resources(built(mutual_aid(resource_requested=None)), "Task") == []


def test_mutual_aid_says_which_resource_how_many_and_by_when() -> None:
    task = only(MUTUAL_AID, "Task")

    assert task["description"] == "2 x Paramedic"
    assert task["input"][0]["valuePositiveInt"] == 2
    assert task["restriction"]["period"] == {"end": "2026-11-21T12:30:00+00:00"}
    assert task["status"] == "requested"
    assert {"reference": {"reference": _url_of(MUTUAL_AID, task)}} in only(MUTUAL_AID, "CarePlan")["activity"]


def _url_of(bundle: Json, resource: Json) -> str:
    return next(entry["fullUrl"] for entry in bundle["entry"] if entry["resource"] == resource)


# --- what only CAD to CAD carries ------------------------------------------------------------------------------------
@pytest.mark.req("APP6-REF-17")
def test_call_log_and_crew_notes_are_communications() -> None:
    found = [
        (one["topic"]["text"], one["sent"], one["payload"][0]["contentString"], one["status"])
        for one in resources(MUTUAL_AID, "Communication")
    ]

    assert found == [
        ("Call Log Entry", "2026-11-21T11:57:00+00:00", "Caller has gone to the road", "completed"),
        ("Call Log Entry", "2026-11-21T11:58:00+00:00", "CPR instructions given", "completed"),
        ("Crew Note", "2026-11-21T12:00:00+00:00", "Lift out of order", "completed"),
    ]


@pytest.mark.req("APP6-REF-18")
def test_agencies_informed_are_flags_with_their_time() -> None:
    (flag,) = flags_of(MUTUAL_AID, "AC")

    assert flag["code"]["text"] == "Police, log 123"
    assert flag["period"] == {"start": "2026-11-21T12:01:00+00:00"}
    assert target(MUTUAL_AID, flag["subject"])["resourceType"] == "Patient"


@pytest.mark.req("APP6-REF-19")
def test_the_presenting_complaint_is_a_condition_that_the_plan_addresses() -> None:
    condition = only(MUTUAL_AID, "Condition")

    assert condition["category"][0]["coding"][0]["code"] == "33962009"
    assert condition["code"] == {"text": "Fall"}
    assert target(MUTUAL_AID, only(MUTUAL_AID, "CarePlan")["addresses"][0]) == condition
    labels = {one["code"]["text"] for one in resources(MUTUAL_AID, "Observation")}
    assert codes.OBSERVATION_LABELS["presenting_complaint"] not in labels


def test_a_coded_complaint_keeps_its_code() -> None:
    code = {"system": "http://snomed.info/sct", "code": "267036007", "display": "Dyspnoea"}
    condition = only(built(mutual_aid(presenting_complaint_code=code)), "Condition")

    assert condition["code"] == {"coding": [code], "text": "Fall"}


def test_a_category_5_referral_has_its_complaint_where_the_receiver_looks_for_it() -> None:
    labels = {one["code"]["text"] for one in resources(CATEGORY_5, "Observation")}

    assert "Presenting complaint" in labels
    assert resources(CATEGORY_5, "Condition") == []


@pytest.mark.req("APP6-REF-20", "APP6-TIM-06")
def test_cpr_is_a_procedure_under_way_since_its_start() -> None:
    procedure = only(MUTUAL_AID, "Procedure")

    assert procedure["status"] == "in-progress"
    assert procedure["code"]["coding"][0] == {
        "system": "http://snomed.info/sct",
        "code": "89666000",
        "display": "Cardiopulmonary resuscitation (procedure)",
    }
    assert procedure["performedPeriod"] == {"start": "2026-11-21T11:57:30+00:00"}


# --- places ----------------------------------------------------------------------------------------------------------
@pytest.mark.req("APP6-LOC-01", "APP6-REF-12")
@pytest.mark.parametrize("bundle", [MUTUAL_AID, EARLY])
def test_the_incident_location_is_linked_from_request_and_encounter(bundle: Json) -> None:
    incident = target(bundle, only(bundle, "ServiceRequest")["locationReference"][0])

    assert incident["type"][0]["coding"][0] == {
        "system": f"{NHS}/CodeSystem/location-types-bars",
        "code": "ILOC",
        "display": "Incident Location",
    }
    assert target(bundle, place_of(bundle)["location"]) == incident


@pytest.mark.parametrize("bundle", [CATEGORY_5, MUTUAL_AID])
def test_the_incident_location_follows_its_own_profile_too(bundle: Json) -> None:
    incident = target(bundle, only(bundle, "ServiceRequest")["locationReference"][0])
    others = [one for one in resources(bundle, "Location") if one != incident]
    profile = "https://fhir.hl7.org.uk/StructureDefinition/BARSLocation-incident-location"

    assert profile in incident["meta"]["profile"]
    assert all(profile not in one["meta"]["profile"] for one in others)


@pytest.mark.req("PAY-SR-22")
def test_a_cad_to_cad_referral_can_be_acted_on_from_when_it_is_sent() -> None:
    assert only(MUTUAL_AID, "ServiceRequest")["authoredOn"] == "2026-11-21T12:02:00+00:00"
    assert only(CATEGORY_5, "ServiceRequest")["authoredOn"] == "2026-11-21T12:00:00+00:00"


@pytest.mark.req("APP6-LOC-03", "APP6-LOC-04")
@pytest.mark.parametrize(("said", "status"), [("confirmed", "active"), ("provisional", None), (None, None)])
def test_a_location_is_active_only_once_it_is_confirmed(said: str | None, status: str | None) -> None:
    location = {"what3words": "raft.metals.misty", "status": said}

    assert place_of(built(early(incident_location=location))).get("status") == status


@pytest.mark.req("APP6-LOC-05", "APP6-TIM-04")
def test_the_time_of_confirmation_stands_with_the_place() -> None:
    assert place_of(MUTUAL_AID)["period"] == {"start": "2026-11-21T11:57:00+00:00"}
    assert "period" not in place_of(EARLY)


@pytest.mark.req("APP6-LOC-02", "APP6-LOC-08")
def test_property_and_accuracy_are_sent() -> None:
    location = {"uprn": "72000001", "accuracy_percent": 80}
    bundle = built(early(incident_location=location))
    parts = {one["url"]: one["valueString"] for one in only(bundle, "Location")["extension"][0]["extension"]}

    assert parts == {"UPRN": "72000001", "accuracy": "80"}


@pytest.mark.req("APP6-LOC-09", "APP6-LOC-10")
def test_other_places_have_entries_of_their_own_and_the_home_address_has_none() -> None:
    found = {
        (one["type"][0]["coding"][0]["code"], one["type"][0].get("text")) for one in resources(MUTUAL_AID, "Location")
    }

    assert found == {("ILOC", None), ("RLOC", None), ("OLOC", "Helicopter landing site")}
    assert only(MUTUAL_AID, "Patient")["address"][0]["line"] == ["1 Test Street"]
    assert len(only(MUTUAL_AID, "Encounter")["location"]) == 3


# --- times -----------------------------------------------------------------------------------------------------------
@pytest.mark.req("APP6-TIM-01", "APP6-TIM-02", "APP6-TIM-03")
def test_the_times_of_the_call_stand_in_the_history_of_the_encounter() -> None:
    history = {one["status"]: one["period"]["start"] for one in only(MUTUAL_AID, "Encounter")["statusHistory"]}

    assert history == {
        "planned": "2026-11-21T11:55:50+00:00",
        "arrived": "2026-11-21T11:56:12+00:00",
        "in-progress": "2026-11-21T11:56:20+00:00",
    }


# --- scene safety ----------------------------------------------------------------------------------------------------
@pytest.mark.req("APP3-REF-08", "APP6-SS-01", "APP-COM-35")
@pytest.mark.parametrize("use_case", REFERRALS)
def test_scene_safety_is_always_said_of_the_incident_location(use_case: str) -> None:
    bundle = built(referral(use_case))
    (flag,) = flags_of(bundle, "SS")

    assert flag["code"]["coding"][0]["code"] == "U"
    assert target(bundle, flag["subject"])["type"][0]["coding"][0]["code"] == "ILOC"


@pytest.mark.req("APP-COM-31", "APP6-SS-01")
def test_scene_safety_that_was_not_asked_is_unknown() -> None:
    (flag,) = flags_of(EARLY, "SS")

    assert flag["code"]["coding"][0]["code"] == "UNK"


@pytest.mark.req("APP6-SS-02")
def test_an_unsafe_scene_comes_with_its_reasons() -> None:
    (flag,) = flags_of(MUTUAL_AID, "SS")

    assert flag["code"] == {
        "coding": [
            {"system": f"{NHS}/CodeSystem/scene-safety-codes-bars", "code": "U", "display": "The Scene is unsafe"}
        ],
        "text": "Dog loose\nIcy path",
    }
