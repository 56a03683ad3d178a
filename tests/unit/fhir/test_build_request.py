"""A validation request as a message, and its updates and cancellation."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import HealthCheck, given, settings

from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.read_request import read_request
from cad_bridge.fhir.structure import check_structure
from tests.contents import (
    NOON,
    REQUESTER,
    RESPONDER,
    envelope,
    only,
    plain_request,
    references,
    resources,
    target,
    urls,
)
from tests.strategies import requests

NHS = "https://fhir.nhs.uk"
MESSAGE = orjson.loads(request_bundle(plain_request(), envelope()))


def built(content: Request, **frame: Any) -> dict[str, Any]:
    return orjson.loads(request_bundle(content, envelope(**frame)))


# --- header and bundle -------------------------------------------------------------------------------------------


@pytest.mark.req("APP4-VR-02", "APP4-VR-03", "CORE-MH-10")
def test_what_makes_a_message_a_new_validation_request() -> None:
    header, service_request = only(MESSAGE, "MessageHeader"), only(MESSAGE, "ServiceRequest")

    assert MESSAGE["type"] == "message"
    assert header["eventCoding"]["code"] == "servicerequest-request"
    assert header["reason"]["coding"][0]["code"] == "new"
    assert header["definition"] == f"{NHS}/MessageDefinition/bars-message-servicerequest-request-validation"
    assert target(MESSAGE, header["focus"][0]) == service_request
    assert (service_request["status"], service_request["intent"]) == ("active", "plan")
    assert [coding["code"] for coding in service_request["category"][0]["coding"]] == ["validation", "a4t1"]
    assert only(MESSAGE, "Encounter")["status"] == "triaged"
    assert (only(MESSAGE, "CarePlan")["status"], only(MESSAGE, "CarePlan")["intent"]) == ("active", "plan")


PROPERTY = {
    "status": "confirmed",
    "uprn": "72000001",
    "name": "Test House",
    "lines": ["Flat 2", "1 Test Street"],
    "city": "Testville",
    "postcode": "ZZ99 3VZ",
}


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        (None, "Test House, Flat 2, 1 Test Street, Testville, ZZ99 3VZ"),
        ("Behind the church", "Behind the church"),
    ],
)
@pytest.mark.req("APP-COM-12")
def test_a_property_has_its_address_in_lines_and_in_one_text_with_its_name(text: str | None, sent: str) -> None:
    content = plain_request(incident_location=PROPERTY | {"text": text})
    message = built(content)
    location = only(message, "Location")
    assert location["name"] == "Test House"
    assert location["address"]["line"] == ["Flat 2", "1 Test Street"]
    assert location["address"]["text"] == sent
    received, _ = read_request(message)
    # What the CAD did not say is not laid into its mouth on the other side.
    assert received.incident_location == content.incident_location
    assert check_structure(orjson.dumps(message)).issues == ()


@pytest.mark.parametrize("use_case", ["a4t1", "a4t2", "a4t3"])
@pytest.mark.req("APP4-VR-01")
def test_every_validation_use_case_can_be_sent(use_case: str) -> None:
    coding = only(built(plain_request(use_case=use_case)), "ServiceRequest")["category"][0]["coding"][1]

    assert (coding["system"], coding["code"]) == (f"{NHS}/CodeSystem/usecases-categories-bars", use_case)


def test_other_use_cases_are_no_validation() -> None:
    with pytest.raises(ValueError, match=r"use case|validation"):
        request_bundle(plain_request(use_case="a6t1"), envelope())


@pytest.mark.req("CORE-MH-02", "CORE-MH-03")
def test_both_ends_are_named_by_service_and_organisation() -> None:
    header = only(MESSAGE, "MessageHeader")
    receiver = target(MESSAGE, header["destination"][0]["receiver"])
    sender = target(MESSAGE, header["sender"])

    assert header["source"]["endpoint"] == REQUESTER.service_id
    assert header["destination"][0]["endpoint"] == RESPONDER.service_id
    assert [organisation["identifier"][0]["value"] for organisation in (sender, receiver)] == ["RX8", "RYE"]
    service = target(MESSAGE, only(MESSAGE, "ServiceRequest")["performer"][0])
    assert service["identifier"] == [{"system": f"{NHS}/Id/dos-service-id", "value": "2000000021"}]
    assert service["providedBy"] == header["destination"][0]["receiver"]


@pytest.mark.req("APP-COM-41")
def test_the_header_names_the_decision_support_system() -> None:
    extension = only(MESSAGE, "MessageHeader")["extension"][0]

    assert extension["url"] == f"{NHS}/StructureDefinition/CDSSExtension"
    assert extension["extension"] == [
        {"url": "RequesterCDSSsoftware", "valueString": "NHS Pathways"},
        {"url": "RequesterCDSSversion", "valueString": "41.2.0"},
    ]


@pytest.mark.req("CORE-BND-03", "CORE-BND-04")
def test_everything_new_shares_one_last_updated() -> None:
    stamps = {entry["resource"]["meta"]["lastUpdated"] for entry in MESSAGE["entry"]} | {MESSAGE["meta"]["lastUpdated"]}

    assert stamps == {"2026-11-21T12:02:00+00:00"}


@pytest.mark.req("CORE-BND-05", "CORE-BND-06", "CORE-BND-11")
def test_every_time_is_utc_with_offset() -> None:
    bst = timezone(timedelta(hours=1))
    bundle = built(plain_request(), at=datetime(2026, 7, 1, 13, 0, 0, 123456, tzinfo=bst))
    written = re.findall(rb"\d{4}-\d\d-\d\dT[^\"]*", orjson.dumps(bundle))

    assert bundle["timestamp"] == "2026-07-01T12:00:00.123456+00:00"
    assert all(re.fullmatch(rb"[0-9T:.-]{19,26}\+00:00", moment) for moment in written)


@pytest.mark.req("CORE-BND-08", "CORE-BND-09")
def test_the_journey_id_stands_in_the_encounter() -> None:
    episode = only(MESSAGE, "Encounter")["episodeOfCare"]

    assert episode == [{"reference": "EpisodeOfCare/6f1f3c1e-0d4e-4c52-9f0a-3f7a3c9f5a10"}]
    with pytest.raises(ValueError, match="journey"):
        request_bundle(plain_request(journey_id=None), envelope())


@pytest.mark.req("CORE-SYNC-04")
def test_only_the_senders_own_encounter_has_an_id() -> None:
    with_id = [entry["resource"]["resourceType"] for entry in MESSAGE["entry"] if "id" in entry["resource"]]

    assert with_id == ["Encounter"]


def test_the_same_bundle_id_gives_the_same_full_urls() -> None:
    again, other = built(plain_request(), message=9), built(plain_request(), bundle=2)

    assert urls(again) ^ urls(MESSAGE) == {again["entry"][0]["fullUrl"], MESSAGE["entry"][0]["fullUrl"]}
    assert not urls(other) & urls(MESSAGE) - {MESSAGE["entry"][0]["fullUrl"]}


# --- content -----------------------------------------------------------------------------------------------------


@pytest.mark.req("APP4-VR-04", "APP4-VR-06")
def test_the_window_ends_at_the_breach_time() -> None:
    period = only(MESSAGE, "ServiceRequest")["occurrencePeriod"]

    assert period == {"start": "2026-11-21T12:02:00+00:00", "end": "2026-11-21T12:40:00+00:00"}


def test_a_window_never_ends_before_it_starts() -> None:
    period = only(built(plain_request(), at=NOON + timedelta(hours=5)), "ServiceRequest")["occurrencePeriod"]

    assert period["start"] == period["end"] == "2026-11-21T12:40:00+00:00"


@pytest.mark.req("APP4-VR-05")
def test_clock_start_is_the_start_of_the_care_plan() -> None:
    assert only(MESSAGE, "CarePlan")["period"] == {"start": "2026-11-21T12:00:00+00:00"}


@pytest.mark.req("APP4-VR-21")
def test_the_encounter_starts_at_call_connect_else_at_call_answer() -> None:
    answered = plain_request(timings={"call_answer": "2026-11-21T11:56:20Z", "location_confirmed": NOON})

    assert only(MESSAGE, "Encounter")["period"] == {"start": "2026-11-21T11:56:12+00:00"}
    assert only(built(answered), "Encounter")["period"] == {"start": "2026-11-21T11:56:20+00:00"}


@pytest.mark.req("APP-COM-45")
def test_the_own_case_number_identifies_the_encounter() -> None:
    identifier = only(MESSAGE, "Encounter")["identifier"]

    assert identifier == [{"system": "https://example.org/Id/case-number", "value": "NAS-0042"}]


@pytest.mark.req("APP-COM-40", "APP-COM-38")
def test_triage_stands_in_the_care_plan_one_concept_each() -> None:
    concepts = only(MESSAGE, "CarePlan")["activity"][0]["outcomeCodeableConcept"]
    coded = {
        concept["coding"][0]["system"].rpartition("/")[2]: concept["coding"][0]["code"] for concept in concepts[:-1]
    }

    assert coded == {
        "pathways-sg-codes": "SG1",
        "pathways-sd-codes": "SD1",
        "pathways-dx-codes": "Dx1",
        "arp-priority-codes": "C3",
    }
    assert concepts[-1]["text"] == "Fell, cannot get up."


@pytest.mark.req("APP-COM-40")
def test_triage_by_ampds() -> None:
    triage = plain_request().triage.model_dump() | {"pathways": None, "ampds": {"code": "17A01", "display": "Fall"}}
    concepts = only(built(plain_request(triage=triage)), "CarePlan")["activity"][0]["outcomeCodeableConcept"]

    assert concepts[0]["coding"] == [
        {"system": f"{NHS}/CodeSystem/ampds-dispatch-codes", "code": "17A01", "display": "Fall"}
    ]


@pytest.mark.req("APP-COM-02", "APP-COM-05", "APP-COM-08")
def test_contacts_carry_rank_and_relationship() -> None:
    carer, self_ = only(MESSAGE, "Patient")["contact"]

    assert [contact["extension"][0]["valuePositiveInt"] for contact in (carer, self_)] == [2, 1]
    assert self_["relationship"][0]["coding"] == [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "ONESELF", "display": "self"}
    ]
    assert [method["rank"] for method in self_["telecom"]] == [2, 1]


@pytest.mark.req("APP-COM-08")
def test_a_relationship_outside_the_lists_is_unknown_with_its_words() -> None:
    contact = {"rank": 1, "relationship": "district nurse", "telecom": [{"rank": 1, "system": "phone", "value": "1"}]}
    relationship = only(built(plain_request(contacts=[contact])), "Patient")["contact"][0]["relationship"][0]

    assert (relationship["coding"][0]["code"], relationship["text"]) == ("U", "district nurse")


@pytest.mark.req("APP-COM-09", "APP-COM-15")
def test_the_incident_location_with_latitude_in_latitude() -> None:
    location = target(MESSAGE, only(MESSAGE, "ServiceRequest")["locationReference"][0])

    assert location == only(MESSAGE, "Location")
    assert location["position"] == {"longitude": -1.5436, "latitude": 53.7975}
    assert location["extension"][0]["extension"] == [{"url": "UPRN", "valueString": "72000001"}]


@pytest.mark.req("APP6-LOC-04", "APP6-LOC-05", "APP6-TIM-04")
def test_provisional_and_confirmed() -> None:
    place = plain_request().incident_location.model_dump() | {"status": "provisional"}
    provisional = built(plain_request(incident_location=place, timings={"call_connect": NOON}))

    confirmed = only(MESSAGE, "Encounter")["location"][0]
    assert (confirmed["status"], confirmed["period"]["start"]) == ("active", "2026-11-21T11:57:00+00:00")
    assert set(only(provisional, "Encounter")["location"][0]) == {"location"}


@pytest.mark.req("APP-COM-35", "APP4-VR-07")
@pytest.mark.parametrize(("status", "code"), [("safe", "S"), ("unsafe", "U"), ("unknown", "UNK")])
def test_scene_safety_is_a_flag_on_the_location(status: str, code: str) -> None:
    bundle = built(plain_request(scene_safety={"status": status, "reasons": ["Dog loose", "Icy path"]}))
    flag = next(flag for flag in resources(bundle, "Flag") if flag["category"][0]["coding"][0]["code"] == "SS")

    assert flag["code"]["coding"][0]["system"] == f"{NHS}/CodeSystem/scene-safety-codes-bars"
    assert (flag["code"]["coding"][0]["code"], flag["code"]["text"]) == (code, "Dog loose\nIcy path")
    assert target(bundle, flag["subject"]) == only(bundle, "Location")
    assert f"{NHS}/StructureDefinition/BARSFlag-scene-safety" in flag["meta"]["profile"]


@pytest.mark.req("APP-COM-31")
@pytest.mark.req("HAZ-H09-04")
def test_scene_safety_not_asked_goes_out_as_unknown() -> None:
    bundle = built(plain_request(scene_safety={}, flags=[]))

    assert only(bundle, "Flag")["code"]["coding"][0]["code"] == "UNK"


@pytest.mark.req("APP-COM-17", "APP-COM-32", "APP-COM-43")
def test_a_safeguarding_concern_without_code_is_unspecified() -> None:
    flag = next(flag for flag in resources(MESSAGE, "Flag") if flag["category"][0]["coding"][0]["code"] == "SG")

    assert flag["code"]["coding"][0]["system"] == f"{NHS}/CodeSystem/safeguarding-codes-bars"
    assert (flag["code"]["coding"][0]["code"], flag["code"]["text"]) == ("U", "Concern about neglect")
    assert target(MESSAGE, flag["subject"]) == only(MESSAGE, "Patient")
    assert flag["period"]["start"] == "2026-11-21"


@pytest.mark.req("APP6-REF-18")
def test_an_agency_contacted_says_which_and_when() -> None:
    bundle = built(plain_request(flags=[{"category": "AC", "text": "Police", "date": "2026-11-21T12:01:00Z"}]))
    flag = resources(bundle, "Flag")[1]

    assert flag["category"] == flag["category"][:1]
    assert flag["category"][0]["coding"][0] == flag["code"]["coding"][0]
    assert (flag["code"]["text"], flag["period"]["start"]) == ("Police", "2026-11-21T12:01:00+00:00")


@pytest.mark.req("APP-COM-36", "APP-COM-37")
def test_birth_sex_and_estimated_age_are_observations() -> None:
    said = {observation["code"]["text"]: observation for observation in resources(MESSAGE, "Observation")}

    assert said["Birth sex"]["valueCodeableConcept"]["coding"][0]["code"] == "F"
    assert said["Patient Estimated Age"]["valueQuantity"]["value"] == 75
    assert said["Patient Estimated Age"]["valueQuantity"]["code"] == "a"
    assert "extension" not in only(MESSAGE, "Patient")


@pytest.mark.req("APP-COM-39")
def test_consent_is_implied_for_direct_care() -> None:
    consent = only(MESSAGE, "Consent")

    assert consent["scope"]["coding"][0]["code"] == "patient-privacy"
    assert consent["category"][0]["coding"][0]["code"] == "DRC"
    assert consent["policyRule"]["coding"][0]["code"] == "IMPLIED"
    assert consent["dateTime"] == "2026-11-21"


@pytest.mark.req("APP-COM-42")
def test_what_is_asked_for_is_said_in_words() -> None:
    assert only(MESSAGE, "ServiceRequest")["category"][0]["text"] == "Please validate"


@pytest.mark.req("APP6-REF-14")
def test_only_a_clinician_is_author_of_the_plan() -> None:
    clinician = plain_request().practitioner.model_dump() | {"clinician": True}
    bundle = built(plain_request(practitioner=clinician))

    assert "author" not in only(MESSAGE, "CarePlan")
    assert target(bundle, only(bundle, "CarePlan")["author"]) == only(bundle, "PractitionerRole")


def test_the_caller_is_contained_so_that_no_entry_is_out_of_place() -> None:
    encounter = only(MESSAGE, "Encounter")

    assert [(one["resourceType"], one["id"]) for one in encounter["contained"]] == [("RelatedPerson", "caller")]
    assert encounter["participant"][0]["individual"] == {"reference": "#caller"}


def test_a_surgery_of_which_only_the_name_is_known_is_no_entry() -> None:
    patient = plain_request().patient.model_dump() | {"general_practice": {"name": "Test Surgery"}}
    bundle = built(plain_request(patient=patient))

    assert only(bundle, "Patient")["generalPractitioner"] == [{"display": "Test Surgery"}]
    assert read_request(bundle)[0].patient.general_practice == plain_request(patient=patient).patient.general_practice


# --- every message that can be built -------------------------------------------------------------------------------

COUNTS = {
    "MessageHeader": (1, 1),
    "ServiceRequest": (1, 1),
    "Patient": (1, 1),
    "Encounter": (1, 1),
    "CarePlan": (1, 1),
    "Location": (1, 1),
    "Organization": (2, 99),
    "Practitioner": (1, 99),
    "PractitionerRole": (1, 99),
    "Observation": (0, 99),
    "Flag": (1, 99),
    "Consent": (1, 99),
    "MedicationStatement": (0, 99),
    "AllergyIntolerance": (0, 99),
    "HealthcareService": (1, 1),
}
"""MessageDefinition bars-message-servicerequest-request-validation, scene safety Flag by the stricter table (X-61)."""


@pytest.mark.req("CORE-BND-10", "CORE-MH-11")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(content=requests())
def test_every_request_is_sound(content: Request) -> None:
    raw = request_bundle(content, envelope())
    bundle = orjson.loads(raw)
    counts = Counter(entry["resource"]["resourceType"] for entry in bundle["entry"])

    assert check_structure(raw).issues == ()
    Bundle.model_validate_json(raw)
    assert {kind for kind in COUNTS if not COUNTS[kind][0] <= counts[kind] <= COUNTS[kind][1]} == set()
    assert set(counts) <= set(COUNTS)
    pointed = {found for found in references(bundle) if not found.startswith(("#", "EpisodeOfCare/"))}
    assert pointed <= urls(bundle)
    assert len(urls(bundle)) == len(bundle["entry"])
