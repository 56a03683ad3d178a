"""Received requests: everything is read or listed, nothing is corrected, nothing raises."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest

from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.content import ReceivedRequest
from cad_bridge.fhir.content_place import Position
from cad_bridge.fhir.issues import Severity
from cad_bridge.fhir.read_request import read_request
from tests.contents import Json, envelope, only, plain_request, resources

NHS = "https://fhir.nhs.uk"
UKCORE = "https://fhir.hl7.org.uk"
MESSAGE = orjson.loads(request_bundle(plain_request(), envelope()))


@pytest.fixture
def bundle() -> Json:
    return copy.deepcopy(MESSAGE)


def add(bundle: Json, **resource: Any) -> None:
    bundle["entry"].append({"fullUrl": f"urn:uuid:{len(bundle['entry']):032d}", "resource": resource})


def scene_safety(bundle: Json) -> Json:
    return next(flag for flag in resources(bundle, "Flag") if flag["category"][0]["coding"][0]["code"] == "SS")


def read(bundle: Json) -> ReceivedRequest:
    return read_request(bundle)[0]


def rules(bundle: Json) -> set[str]:
    return {issue.rule for issue in read_request(bundle)[1]}


def test_a_sound_message_has_no_issues_and_leaves_nothing_over(bundle: Json) -> None:
    content, issues = read_request(bundle)

    assert issues == []
    assert content.other_resources == ()
    assert {element.value for element in content.also_sent} == {"Northern Ambulance EOC", "CAD Bridge", "1.0"}


def test_services_are_named(bundle: Json) -> None:
    content = read(bundle)

    assert (content.sender, content.receiver) == (plain_request().sender, plain_request().receiver)
    assert content.sending_service is not None
    assert content.receiving_service is not None
    assert (content.sending_service.ods_code, content.receiving_service.ods_code) == ("RX8", "RYE")
    assert content.receiving_service_name == "Example Clinical Assessment"


@pytest.mark.req("APP-COM-07")
def test_contacts_come_in_order_of_rank(bundle: Json) -> None:
    first = read(bundle).contacts[0]

    assert (first.rank, first.relationship) == (1, "self")
    assert [method.value for method in first.telecom if method.rank == 1] == ["07700 900001"]


# --- coordinates -------------------------------------------------------------------------------------------------


@pytest.mark.req("APP-COM-16")
@pytest.mark.req("HAZ-H04-03")
def test_exchanged_coordinates_are_kept_as_sent_and_both_readings_offered(bundle: Json) -> None:
    only(bundle, "Location")["position"] = {"longitude": 53.7975, "latitude": -1.5436}
    content, issues = read_request(bundle)

    assert content.incident_location is not None
    assert (content.incident_location.latitude, content.incident_location.longitude) == (-1.5436, 53.7975)
    assert content.coordinate_readings is not None
    assert content.coordinate_readings.as_sent == Position(latitude=-1.5436, longitude=53.7975)
    assert content.coordinate_readings.swapped == Position(latitude=53.7975, longitude=-1.5436)
    assert [(issue.rule, issue.expression) for issue in issues] == [("S1", f"{path(bundle, 'Location')}.position")]


def path(bundle: Json, resource_type: str) -> str:
    types = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    return f"Bundle.entry[{types.index(resource_type)}].resource"


def test_coordinates_that_make_sense_neither_way_offer_no_second_reading(bundle: Json) -> None:
    only(bundle, "Location")["position"] = {"longitude": 144.9, "latitude": -37.8}

    assert rules(bundle) == {"S1"}
    assert read(bundle).coordinate_readings is None


def test_grid_references_that_are_no_metres_are_kept_with_an_issue(bundle: Json) -> None:
    only(bundle, "Location")["extension"][0]["extension"] += [
        {"url": "Eastings", "valueString": "0.33424"},
        {"url": "Northings", "valueString": "0.55634"},
    ]
    content = read(bundle)

    assert content.incident_location is not None
    assert (content.incident_location.easting, content.incident_location.northing) == (0.33424, 0.55634)
    assert rules(bundle) == {"S2"}


def test_a_measure_that_is_no_number_stays_on_the_list(bundle: Json) -> None:
    only(bundle, "Location")["extension"][0]["extension"] += [{"url": "eastings", "valueString": "about 4"}]

    assert "about 4" in {element.value for element in read(bundle).also_sent}
    assert rules(bundle) == {"PAY-LOC-06"}


def test_a_location_that_cannot_be_placed_has_an_issue(bundle: Json) -> None:
    location = only(bundle, "Location")
    del location["position"], location["extension"], location["address"]

    assert rules(bundle) == {"APP-COM-10"}


# --- scene safety and flags --------------------------------------------------------------------------------------


def test_an_unknown_scene_safety_code_is_unsafe_and_shows_its_words(bundle: Json) -> None:
    scene_safety(bundle)["code"]["coding"][0] |= {"code": "UT", "display": "Unsafe and trapped"}
    content, issues = read_request(bundle)

    assert content.scene_safety.status == "unsafe"
    assert content.scene_safety.reasons == ("Unsafe and trapped", "Dog loose", "Icy path")
    assert [issue.rule for issue in issues] == ["V11"]


def test_scene_safety_without_code_is_unknown_with_its_text(bundle: Json) -> None:
    scene_safety(bundle)["code"] = {"text": "Some concern"}
    content, issues = read_request(bundle)

    assert (content.scene_safety.status, content.scene_safety.reasons) == ("unknown", ("Some concern",))
    assert [issue.rule for issue in issues] == ["V1"]


@pytest.mark.req("APP4-VR-07")
def test_no_scene_safety_is_unknown_with_an_issue(bundle: Json) -> None:
    bundle["entry"] = [entry for entry in bundle["entry"] if entry["resource"] is not scene_safety(bundle)]

    assert read(bundle).scene_safety.status == "unknown"
    assert rules(bundle) == {"APP4-VR-07"}


@pytest.mark.parametrize(
    ("codes", "expected"), [(["S", "UNK"], "unknown"), (["UNK", "U", "S"], "unsafe"), (["S", "X"], "unsafe")]
)
def test_of_several_statements_the_gravest_holds(bundle: Json, codes: list[str], expected: str) -> None:
    flag = scene_safety(bundle)
    flag["code"]["coding"] = [flag["code"]["coding"][0] | {"code": codes[0]}]
    for code in codes[1:]:
        add(bundle, **(flag | {"code": {"coding": [flag["code"]["coding"][0] | {"code": code}]}}))

    assert read(bundle).scene_safety.status == expected


def test_a_flag_of_an_unknown_category_is_kept_and_shown(bundle: Json) -> None:
    category = {"system": f"{NHS}/CodeSystem/flag-categories-bars", "code": "CV", "display": "Clinically vulnerable"}
    code = {"system": "http://snomed.info/sct", "code": "161626009", "display": "History of splenectomy"}
    add(
        bundle,
        resourceType="Flag",
        status="active",
        category=[{"coding": [category]}],
        code={"coding": [code]},
        subject=only(bundle, "ServiceRequest")["subject"],
    )
    flag = read(bundle).flags[-1]

    assert (flag.category, flag.category_display, flag.code_system) == (
        "CV",
        "Clinically vulnerable",
        "http://snomed.info/sct",
    )
    assert rules(bundle) == {"APP-COM-32"}


def test_a_flag_with_two_codes_is_two_flags(bundle: Json) -> None:
    flag = resources(bundle, "Flag")[1]
    system = f"{NHS}/CodeSystem/safeguarding-codes-bars"
    flag["code"]["coding"] = [
        {"system": system, "code": "766561000000109", "display": "Adult"},
        {"system": system, "code": "777996001", "display": "Abuse"},
    ]

    assert [found.code.display for found in read(bundle).flags if found.code] == ["Adult", "Abuse"]


def test_a_flag_without_category_is_kept(bundle: Json) -> None:
    add(bundle, resourceType="Flag", status="active", code={"text": "Beware"}, subject={"reference": "x"})

    assert [(flag.category, flag.text) for flag in read(bundle).flags][-1] == (None, "Beware")


def test_a_withdrawn_flag_is_no_flag_but_stays_in_sight(bundle: Json) -> None:
    resources(bundle, "Flag")[1]["status"] = "inactive"
    content = read(bundle)

    assert content.flags == ()
    assert "Concern about neglect" in {element.value for element in content.also_sent}


# --- other tolerance ---------------------------------------------------------------------------------------------


def test_an_nhs_number_that_fails_its_check_is_kept_with_an_issue(bundle: Json) -> None:
    only(bundle, "Patient")["identifier"][0]["value"] = "9990000019"
    content, issues = read_request(bundle)

    assert content.patient.nhs_number is not None
    assert content.patient.nhs_number.value == "9990000019"
    assert [(issue.rule, issue.severity) for issue in issues] == [("S4", Severity.WARNING)]


def test_the_current_code_system_of_verification_is_understood(bundle: Json) -> None:
    coding = only(bundle, "Patient")["identifier"][0]["extension"][0]["valueCodeableConcept"]["coding"][0]
    coding |= {"system": f"{UKCORE}/CodeSystem/UKCore-NHSNumberVerificationStatusEngland", "code": "02"}
    number = read(bundle).patient.nhs_number

    assert number is not None
    assert number.verification == "number-present-but-not-traced"


@pytest.mark.req("CORE-BND-07")
@pytest.mark.req("HAZ-H02-04")
def test_other_offsets_are_converted(bundle: Json) -> None:
    only(bundle, "CarePlan")["period"]["start"] = "2026-07-01T13:00:00.1234567+01:00"
    clock_start = read(bundle).clock_start

    assert clock_start is not None
    assert clock_start.isoformat() == "2026-07-01T12:00:00.123456+00:00"


@pytest.mark.parametrize(
    "time", ["2026-07-01", "2026-07-01T12:00:00", "2026-13-01T12:00:00Z", "0001-01-01T00:00:00Z", 7]
)
def test_a_time_that_is_none_is_absent_with_an_issue(bundle: Json, time: object) -> None:
    only(bundle, "CarePlan")["period"]["start"] = time

    assert read(bundle).clock_start is None
    assert "CORE-BND-05" in rules(bundle)


@pytest.mark.req("CORE-BND-08")
@pytest.mark.parametrize("form", ["EpisodeOfCare/{}", "{}", "urn:uuid:{}"])
def test_every_form_of_journey_id_is_read(bundle: Json, form: str) -> None:
    journey_id = plain_request().journey_id
    only(bundle, "Encounter")["episodeOfCare"][0]["reference"] = form.format(journey_id)

    assert read(bundle).journey_id == journey_id


def test_systems_are_compared_without_scheme_and_case(bundle: Json) -> None:
    raw = orjson.dumps(bundle).replace(b"https://fhir.nhs.uk/Id/", b"http://fhir.nhs.uk/id/")

    assert read(orjson.loads(raw)).patient == plain_request().patient


def test_triage_in_the_spelling_of_the_payload_tables(bundle: Json) -> None:
    raw = orjson.dumps(bundle)
    for name in ("sg", "sd", "dx"):
        raw = raw.replace(f"CodeSystem/pathways-{name}-codes".encode(), f"Id/pathways-{name}-code".encode())
    raw = raw.replace(b"CodeSystem/arp-priority-codes", b"Id/pathways-arp-code")
    raw = raw.replace(b"RequesterCDSSsoftware", b"requesterCDSSSoftware").replace(
        b"RequesterCDSSversion", b"requesterCDSSVersion"
    )

    assert read(orjson.loads(raw)).triage == plain_request().triage


def test_texts_that_nobody_told_apart_are_a_summary_and_notes(bundle: Json) -> None:
    only(bundle, "CarePlan")["activity"] = [{"outcomeCodeableConcept": [{"text": "one"}, {"text": "two"}]}]
    triage = read(bundle).triage

    assert (triage.summary, triage.notes) == ("one", ("two",))
    assert rules(bundle) == {"S19"}


def test_an_unknown_arp_category_is_kept_with_an_issue(bundle: Json) -> None:
    raw = orjson.dumps(bundle).replace(b'"code":"C3"', b'"code":"C9"')
    content, issues = read_request(orjson.loads(raw))

    assert content.triage.arp == "C9"
    assert [issue.code for issue in issues] == ["code-invalid"]


def test_birth_sex_where_one_example_has_it(bundle: Json) -> None:
    observation = next(one for one in resources(bundle, "Observation") if one["code"]["text"] == "Birth sex")
    del observation["valueCodeableConcept"]
    observation["code"] = {
        "coding": [{"system": f"{UKCORE}/StructureDefinition/Extension-UKCore-BirthSex", "code": "M"}],
        "text": "Male",
    }

    assert read(bundle).patient.birth_sex == "male"


@pytest.mark.parametrize(("code", "field"), [("year", "years"), ("week", "weeks"), ("mo", "months")])
def test_the_units_of_an_age_in_every_spelling(bundle: Json, code: str, field: str) -> None:
    observation = next(
        one for one in resources(bundle, "Observation") if one["code"]["text"] == "Patient Estimated Age"
    )
    observation["valueQuantity"] = {"value": 15, "unit": field, "code": code}

    assert getattr(read(bundle).patient, f"estimated_age_{field}") == 15


def test_a_second_observation_of_a_kind_stays_in_sight(bundle: Json) -> None:
    add(bundle, resourceType="Observation", status="final", code={"text": "presenting complaint"}, valueString="Cough")
    content = read(bundle)

    assert content.presenting_complaint == "Fall"
    assert [one["valueString"] for one in content.other_resources] == ["Cough"]
    assert "Cough" in {element.value for element in content.also_sent}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda contacts: contacts.clear(), "APP-COM-01"),
        (lambda contacts: contacts[0].pop("extension"), "APP-COM-02"),
        (lambda contacts: contacts[1]["extension"][0].update(valuePositiveInt=3), "APP-COM-03"),
        (lambda contacts: contacts[0].pop("telecom"), "APP-COM-04"),
        (lambda contacts: contacts[0]["telecom"][0].pop("rank"), "APP-COM-05"),
        (lambda contacts: contacts[1]["telecom"][0].update(rank=1), "APP-COM-06"),
        (lambda contacts: contacts[0].pop("relationship"), "APP-COM-08"),
    ],
)
def test_contacts_that_break_the_rules_are_kept_with_an_issue(bundle: Json, change: Any, rule: str) -> None:
    change(only(bundle, "Patient")["contact"])

    assert rule in rules(bundle)
