"""The sections of the PRSB 111 Referral Standard: sent and shown whenever they exist, said to be absent where not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.disclosure import withheld
from cad_bridge.fhir.read_request import read_request
from cad_bridge.settings import ConfigFile
from cad_bridge.workflow.vocabulary import Side, UseCase
from tests.contents import Json, envelope, only, plain_request, resources
from tests.referral_contents import built, mutual_aid
from tests.service import configuration
from tests.strategies import flags as any_flag
from tests.unit.web.board_pages import Element, as_stored, case_html, item, items, read, stored_case

CANARY = "Qwertz Zulu 77"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "content.md"
DATED = {"date": "2026-11-21"}


def message(**changes: Any) -> Json:
    bundle: Json = orjson.loads(request_bundle(plain_request(**changes), envelope()))
    return bundle


def page(content: Json, **changes: Any) -> Element:
    return read(case_html(stored_case(content, **changes)))


def _patient(**changes: Any) -> Json:
    return {"patient": as_stored(plain_request())["patient"] | changes}


def _triage(**changes: Any) -> Json:
    return {"triage": as_stored(plain_request())["triage"] | changes}


def _section(requirement: str, changes: Json, kind: str, lacks: str, absent: str) -> Any:
    return pytest.param(changes, kind, lacks, absent, id=requirement, marks=pytest.mark.req(requirement))


@pytest.mark.parametrize(
    ("changes", "kind", "lacks", "absent"),
    [
        _section("PRSB-02", {"caller": {"relationship": CANARY}}, "Encounter", "caller", "Caller"),
        _section(
            "PRSB-03",
            _patient(general_practice={"ods_code": "Z99999", "name": CANARY}),
            "Organization",
            "patient.general_practice",
            "GP practice",
        ),
        _section(
            "PRSB-05",
            {"flags": [{"category": "RA", "text": CANARY} | DATED]},
            "Flag",
            "flags",
            "Reasonable adjustments",
        ),
        _section(
            "PRSB-05",
            _patient(communication={"language": "q4", "preferred_contact_times": CANARY}),
            "Patient",
            "patient.communication",
            "Communication",
        ),
        _section(
            "PRSB-06", {"flags": [{"category": "SG", "text": CANARY} | DATED]}, "Flag", "flags", "!No safeguarding"
        ),
        _section(
            "PRSB-07",
            {"scene_safety": {"status": "unsafe", "reasons": [CANARY]}},
            "Flag",
            "scene_safety",
            "!Scene safety not asked",
        ),
        _section("PRSB-07", {"flags": [{"category": "IR", "text": CANARY} | DATED]}, "Flag", "", ""),
        _section("PRSB-08", {"consent": {"text": CANARY} | DATED}, "Consent", "consent", "Consent"),
        _section("PRSB-11", {"chief_concern": CANARY}, "Observation", "chief_concern", "Chief concern"),
        _section("PRSB-12", _triage(summary=CANARY), "CarePlan", "triage.summary", "Summary"),
        _section(
            "PRSB-13",
            {"social_context": {"social_circumstances": CANARY}},
            "Observation",
            "social_context",
            "Circumstances",
        ),
        _section("PRSB-14", {"allergies": [{"text": CANARY}]}, "AllergyIntolerance", "allergies", "New allergies"),
        _section(
            "PRSB-15", {"medications": [{"text": CANARY}]}, "MedicationStatement", "medications", "New medication"
        ),
        _section(
            "PRSB-16", {"requested_action": CANARY}, "ServiceRequest", "requested_action", "Asked of the receiver"
        ),
        _section("PRSB-16", {"next_activity": CANARY}, "CarePlan", "", ""),
        _section(
            "PRSB-17",
            _triage(patient_expectations=CANARY),
            "Observation",
            "triage.patient_expectations",
            "Patient's expectations",
        ),
    ],
)
def test_a_section_that_exists_is_sent_and_shown_and_one_that_does_not_is_said_to_be_absent(
    changes: Json, kind: str, lacks: str, absent: str
) -> None:
    """`lacks` is the field whose absence the board says at the label `absent`, or among the alerts (``!``)."""
    sent = message(**changes)
    assert any(CANARY in orjson.dumps(resource).decode() for resource in resources(sent, kind))
    received = as_stored_received(sent)
    for content, side in ((as_stored(plain_request(**changes)), Side.REQUESTER), (received, Side.RESPONDER)):
        assert CANARY in page(content, side=side).text
        if lacks:
            _says_absent(page(_without(content, lacks), side=side), absent)


def as_stored_received(bundle: Json) -> Json:
    content, _ = read_request(bundle)
    kept: Json = content.model_dump(mode="json", exclude_none=True)
    return kept


def _without(content: Json, path: str) -> Json:
    name, _, below = path.partition(".")
    kept = {key: value for key, value in content.items() if key != name}
    return kept | {name: _without(content[name], below)} if below else kept


def _says_absent(shown: Element, absent: str) -> None:
    if absent.startswith("!"):
        assert absent[1:] in shown.one(id_="case-safety").text
    else:
        (said,) = items(shown.one(id_="case-content"), absent)
        assert said.startswith(("Not provided", "Not stated"))


# --- mandatory sections ----------------------------------------------------------------------------


def refused(**changes: Any) -> set[tuple[str | int, ...]]:
    with pytest.raises(ValidationError) as caught:
        plain_request(**changes)
    return {error["loc"] for error in caught.value.errors()}


@pytest.mark.req("PRSB-01")
@pytest.mark.parametrize("known", [True, False])
def test_the_person_is_always_sent_and_always_shown(known: bool) -> None:
    sent = message() if known else message(patient={}, birth_sex_consent=None)
    assert only(sent, "Patient")["contact"]
    group = page(as_stored_received(sent), side=Side.RESPONDER).one(cls="b-card--patient")
    assert item(group, "Name") == ("Mx Pat Placeholder" if known else "Not provided")
    assert [items(group, label) for label in ("NHS number", "Date of birth", "Gender")] != [[], [], []]
    with pytest.raises(ValidationError):
        plain_request(patient=None)


@pytest.mark.req("PRSB-09")
def test_from_to_and_urgency_are_demanded_and_shown() -> None:
    assert refused(sender=None) == {("sender",)}
    assert refused(receiver=None) == {("receiver",)}
    assert refused(**_triage(arp=None)) == {("triage", "arp")}
    shown = page(as_stored_received(message()), side=Side.RESPONDER, use_case=UseCase.CAS_VALIDATION)
    assert item(shown, "Sending organisation").startswith("Northern Ambulance EOC")
    assert item(shown, "Receiving organisation").startswith("Example Clinical Assessment")
    assert "C3" in shown.one(id_="case-head").text


@pytest.mark.req("PRSB-10")
def test_the_complaint_is_demanded_as_triage_codes_and_sent_in_words_where_it_is_known() -> None:
    for code in ("sg", "sd"):
        pathways = {k: v for k, v in as_stored(plain_request())["triage"]["pathways"].items() if k != code}
        assert refused(**_triage(pathways=pathways)), code
    condition = only(built(mutual_aid(presenting_complaint=CANARY)), "Condition")
    assert CANARY in orjson.dumps(condition).decode()
    assert CANARY in page(as_stored(mutual_aid(presenting_complaint=CANARY))).one(id_="case-pertinent").text


@pytest.mark.req("PRSB-23")
def test_urgency_comes_from_the_disposition_and_the_complaint_from_the_symptom_codes() -> None:
    content = as_stored_received(message(presenting_complaint=None, chief_concern=None))
    shown = page(content, side=Side.RESPONDER)
    assert "Triage: Group, Discriminator" in item(shown.one(id_="case-pertinent"), "Problem")
    assert item(shown, "Disposition (Dx)") == "Disposition Dx1"
    assert item(shown, "Priority (ARP)") == "C3 (urgent)"


_ROW = r"^\| (PRSB-\d\d) \| [^|]+ \| (mandatory|required) \| ([^|]+) \| ([^|]+) \|$"


@pytest.mark.req("PRSB-18")
def test_every_section_is_in_the_mapping_with_what_it_demands() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## Sections of the PRSB 111 Referral Standard")[2]
    rows = re.findall(_ROW, table, re.MULTILINE)
    assert [requirement for requirement, *_ in rows] == [f"PRSB-{n:02}" for n in range(1, 18)]
    mandatory = {requirement for requirement, demand, *_ in rows if demand == "mandatory"}
    assert mandatory == {"PRSB-01", "PRSB-09", "PRSB-10"}
    known = Request.model_json_schema()["properties"]
    for requirement, _, fields, _ in rows:
        for field in re.findall(r"`([a-z_]+)", fields):
            assert field in known, requirement


@pytest.mark.req("PRSB-19")
@pytest.mark.parametrize("name", ["lenient", "tolerate", "optional", "conformance"])
def test_no_setting_lowers_what_is_demanded(name: str) -> None:
    values = configuration(base_url="http://127.0.0.1:9").model_dump(exclude_none=True)
    known = ConfigFile.model_validate(values)
    assert {service.strict for service in known.service} == {False}
    values["service"][0][name] = ["PRSB-01"]
    with pytest.raises(ValidationError):
        ConfigFile.model_validate(values)


# --- what may not be told, and what may not be lost ------------------------------------------------


@pytest.mark.req("PRSB-21")
@pytest.mark.parametrize(
    ("gender", "sex", "consent", "is_sent"),
    [
        ("other", "female", None, False),
        ("other", "female", False, False),
        ("other", "female", True, True),
        ("female", "male", None, False),
        ("female", "female", None, True),
        ("unknown", "female", None, True),
        (None, "female", None, True),
    ],
)
def test_sex_and_gender_that_differ_go_out_together_only_with_consent(
    gender: str | None, sex: str, consent: bool | None, is_sent: bool
) -> None:
    request = plain_request(**_patient(gender=gender, birth_sex=sex), birth_sex_consent=consent)
    sent = orjson.loads(request_bundle(request, envelope()))
    received, _ = read_request(sent)
    assert received.patient.birth_sex == (sex if is_sent else None)
    assert received.patient.gender == gender
    assert [issue.rule for issue in withheld(request)] == ([] if is_sent else ["PRSB-21"])
    assert all(sex not in issue.diagnostics.split() for issue in withheld(request))


@pytest.mark.req("PRSB-22")
@pytest.mark.parametrize("field", ["chief_concern", "presenting_complaint"])
def test_a_diagnosis_keeps_its_qualifier(field: str) -> None:
    words = "Suspected sepsis, not confirmed; ?pneumonia"
    for request in (plain_request(**{field: words}), mutual_aid(**{field: words})):
        bundle = built(request) if request.use_case == "a6t3" else message(**{field: words})
        received, _ = read_request(bundle)
        assert getattr(received, field) == words
        assert words in page(as_stored_received(bundle), side=Side.RESPONDER).one(id_="case-pertinent").text


@pytest.mark.req("PRSB-22")
def test_the_status_of_a_received_diagnosis_is_shown() -> None:
    bundle = built(mutual_aid(presenting_complaint="Stroke"))
    system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    coding = {"system": system, "code": "differential", "display": "Differential"}
    only(bundle, "Condition")["verificationStatus"] = {"coding": [coding]}
    assert "Differential" in page(as_stored_received(bundle), side=Side.RESPONDER).text


@pytest.mark.req("HAZ-H09-02")
@given(st.lists(any_flag(), max_size=4).map(lambda found: [flag for flag in found if flag.category == "SG"]))
def test_every_safeguarding_concern_is_in_the_message(concerns: list[Any]) -> None:
    concerns = list(dict.fromkeys(concerns))
    sent = message(flags=[flag.model_dump(mode="json", exclude_none=True) for flag in concerns])
    categories = [flag["category"][0]["coding"][0]["code"] for flag in resources(sent, "Flag")]
    assert categories.count("SG") == len(concerns)
    received, _ = read_request(sent)
    assert set(received.flags) == set(concerns)


@pytest.mark.req("HAZ-H04-07")
def test_help_goes_to_the_incident_and_not_to_the_home() -> None:
    place = {
        "text": "Bus stop, High Road",
        "city": "Leeds",
        "postcode": "LS1 4AP",
        "status": "confirmed",
        "lines": ["x"],
    }
    request = plain_request(incident_location=place, **_patient(address={"lines": ["9 Home Lane"], "city": "York"}))
    bundle = orjson.loads(request_bundle(request, envelope()))
    assert only(bundle, "Location")["address"]["city"] == "Leeds"
    assert only(bundle, "Patient")["address"][0]["city"] == "York"
    for content, side in ((as_stored(request), Side.REQUESTER), (as_stored_received(bundle), Side.RESPONDER)):
        shown = page(content, side=side)
        where = item(shown.one(id_="case-pertinent"), "Where")
        assert "Bus stop, High Road" in where
        assert "York" not in where
        assert "9 Home Lane" in item(shown.one(cls="b-card--patient"), "Home address")


def _arp(bundle: Json) -> Json:
    concepts = only(bundle, "CarePlan")["activity"][0]["outcomeCodeableConcept"]
    found: Json = next(c for concept in concepts for c in concept.get("coding", ()) if c["code"] == "C3")
    return found


def _safeguarding(bundle: Json) -> Json:
    flags = [flag for flag in resources(bundle, "Flag") if flag["category"][0]["coding"][0]["code"] == "SG"]
    found: Json = flags[0]["code"]["coding"][0]
    return found


def _verification(bundle: Json) -> Json:
    extension = only(bundle, "Patient")["identifier"][0]["extension"][0]
    found: Json = extension["valueCodeableConcept"]["coding"][0]
    return found


@pytest.mark.req("HAZ-H07-05", "PRSB-26")
@pytest.mark.parametrize("coding_of", [_arp, _safeguarding, _verification])
def test_a_code_that_is_not_known_is_found_and_stays_as_it_was_sent(coding_of: Any) -> None:
    bundle = message()
    _, known = read_request(bundle)
    coding_of(bundle).update(code="zz-77-unheard-of", display=CANARY)
    _, issues = read_request(bundle)
    assert {issue.rule for issue in issues} - {issue.rule for issue in known}
    shown = page(as_stored_received(bundle), side=Side.RESPONDER).text
    assert "zz-77-unheard-of" in shown


# --- coverage and order ----------------------------------------------------------------------------


@pytest.mark.req("PRSB-24")
@pytest.mark.parametrize(
    "path",
    [
        "timings.call_connect",
        "timings.disposition",
        "breach_at",
        "clock_start",
        "journey_id",
        "case_number",
        "incident_location.latitude",
        "incident_location.uprn",
        "incident_location.what3words",
        "incident_location.easting",
        "incident_location.paf_key",
        "incident_location.postcode",
        "incident_location.supplementary",
    ],
)
def test_a_business_element_reaches_the_receiver_and_the_screen(path: str) -> None:
    place = {"easting": 430160, "northing": 433562, "what3words": "raft.metals.misty", "paf_key": "12345678"}
    place = as_stored(plain_request())["incident_location"] | place
    sent = plain_request(incident_location=place)
    wanted, got = as_stored(sent), as_stored_received(orjson.loads(request_bundle(sent, envelope())))
    for name in path.split("."):
        wanted, got = wanted[name], got[name]
    assert got == wanted
    shown = page(as_stored(sent))
    moments = {time.attributes["datetime"] for time in shown.find("time")}
    assert str(wanted) in shown.text or str(wanted) in moments


@pytest.mark.req("PRSB-25", "CORE-REN-02")
def test_sections_stand_in_the_order_that_clinicians_asked_for() -> None:
    """Summary, plan and actions, complaint, safety, problem, medication, individual requirements, allergies.

    Safeguarding and risks stand above everything, because those who act must see them first (HAZ-H09-03).
    """
    content = as_stored(plain_request(chief_concern="Hip pain"))
    text = page(content).text
    labels = ["Summary", "Asked of the receiver", "Presenting complaint", "Chief concern"]
    labels += ["New medication", "Reasonable adjustments", "New allergies"]
    places = [text.index(label, text.index("Clinical summary")) for label in labels]
    assert places == sorted(places)
    assert text.index("Safeguarding") < places[0]
