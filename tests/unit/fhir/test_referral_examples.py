"""The official examples of Applications 3 and 6 are read, and what is wrong with them is said."""

from __future__ import annotations

import functools
from typing import Any

import orjson
import pytest

from cad_bridge.fhir.build_acknowledgement import acknowledgement_bundle
from cad_bridge.fhir.build_status import status_bundle
from cad_bridge.fhir.content import RejectionReason
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.content_triage import PreTriageSieve
from cad_bridge.fhir.encounters import OwnEncounters
from cad_bridge.fhir.envelope import OwnEncounter, StatusChange
from cad_bridge.fhir.facts import read_facts
from cad_bridge.fhir.merge import merge_update
from cad_bridge.fhir.read_elements import read_moment
from cad_bridge.fhir.read_nodes import leaves
from cad_bridge.fhir.read_request import read_request
from cad_bridge.fhir.read_status import read_status
from cad_bridge.fhir.structure import check_structure
from cad_bridge.protocol.decision import decide_row
from cad_bridge.protocol.definitions import check_definition
from tests.contents import LATER, NOON, Json, by_url, envelope, own_encounter, resources
from tests.shared_material import SHARED, needs_shared

pytestmark = [needs_shared, pytest.mark.shared]

SERIES_C1 = ("refreq08a", "refreq08b", "refreq08c", "refreq08d")
SERIES_C2 = ("refreq09a", "refreq09b", "refreq09c")
REQUESTS = ("refreq02", "refreq04", "refreq05", *SERIES_C1, *SERIES_C2)
RESPONSES = ("refresp02", "refresp03")
SWAPPED = {"S1", "S2"}
SENDERS_ENCOUNTER = "urn:uuid:6f6dc04b-c1e8-408c-9c34-60a3ac990ee4"
"""The Encounter of the sender in both published responses, whose focus is the ServiceRequest."""


@functools.cache
def raw(name: str) -> bytes:
    folder = "requests" if name.startswith("refreq") else "responses"
    return next((SHARED / "bars" / "examples" / folder).glob(f"{name}-*.json")).read_bytes()


def example(name: str) -> Json:
    bundle: Json = orjson.loads(raw(name))
    return bundle


def own(status: str) -> OwnEncounter:
    changes = tuple(dict.fromkeys(("planned", status)))
    history = tuple(StatusChange(status=one, since=NOON) for one in changes)
    return OwnEncounter(
        full_url=own_encounter().full_url,
        id="own",
        case_number="NWAS-7",
        case_number_system=None,
        status=status,
        period_start=NOON,
        history=history,
    )


@pytest.mark.parametrize(
    ("name", "row", "defects"),
    [
        ("refreq02", "DT-01", SWAPPED | {"S4", "S19", "APP4-VR-07"}),
        ("refreq04", "DT-05", SWAPPED | {"S4", "S22"}),
        ("refreq05", "DT-07", SWAPPED | {"S4", "APP4-VR-07"}),
        ("refreq08a", "DT-05", SWAPPED | {"S19", "S21"}),
        ("refreq08b", "DT-10a", SWAPPED | {"S19", "S21"}),
        ("refreq08c", "DT-10a", SWAPPED | {"S4", "S21"}),
        ("refreq08d", "DT-10a", SWAPPED | {"S4", "S21"}),
        ("refreq09a", "DT-05", {"S19"}),
        ("refreq09b", "DT-10a", {"S4"}),
        ("refreq09c", "DT-10a", {"S4"}),
    ],
)
@pytest.mark.req("APP3-REF-12", "APP6-REF-08")
def test_requests_are_read_with_their_defects(name: str, row: str, defects: set[str]) -> None:
    bundle = example(name)
    content, issues = read_request(bundle)

    assert {issue.rule for issue in issues} == defects
    assert not any(issue.is_error for issue in issues)
    assert decide_row(read_facts(bundle)).row.id == row
    assert content.incident_location is not None
    assert content.case_number == "sender1234" or name == "refreq02"


SAID_IN_OTHER_WORDS = {
    "EMER": "every Encounter is an emergency",
    "plan": "the only intent there is",
    "both": "the only type of address there is",
    "True": "an active service, a preferred language",
    "active": "status",
    "completed": "status",
    "official": "patient.name",
    "referral": "use_case",
    "Transfer of Care": "use_case",
    "999 to CAS referral": "use_case",
    "CAD to CAD Out of Area Referral": "use_case",
    "CAD to CAD Mutual Aid Request": "use_case",
    "ONESELF": "relationship self",
    "EP": "relationship emergency",
    "Emergency contact person": "relationship emergency",
    "Number present and verified": "verification",
    "Cat1 Urgent": "arp",
    "Cat2 Emergency": "arp",
    "Cat3 Urgent": "arp",
    "patient-privacy": "consent",
    "DRC": "consent",
    "Direct Care": "consent",
    "IMPLIED": "consent",
    "SS": "scene_safety",
    "Scene Safety": "scene_safety",
    "UNK": "scene_safety",
    "Unknown": "scene_safety",
    "The Scene is safe": "scene_safety",
    "The Scene is unsafe": "scene_safety",
    "ILOC": "incident_location",
    "Incident Location": "incident_location",
    "CLOC": "other_locations",
    "Caller Location": "other_locations",
    "RLOC": "other_locations",
    "Rendezvous Location ": "other_locations",
    "planned": "timings.bt_start",
    "arrived": "timings.call_connect",
    "in-progress": "timings.call_answer",
    "33962009": "presenting_complaint",
    "Presenting complaint": "presenting_complaint",
    "89666000": "timings.cpr_start",
    "Cardiopulmonary resuscitation (procedure)": "timings.cpr_start",
    "78064003": "pre_triage_sieve.breathing",
    "Breathing (observable entity)": "pre_triage_sieve.breathing",
    "1023001": "pre_triage_sieve.breathing",
    "Not Breathing (finding)": "pre_triage_sieve.breathing",
    "Is the patient breathing?": "pre_triage_sieve.breathing",
    "428913001": "pre_triage_sieve.conscious",
    "No loss of consciousness (situation)": "pre_triage_sieve.conscious",
    "419045004": "pre_triage_sieve.conscious",
    "Loss of consciousness (finding)": "pre_triage_sieve.conscious",
    "Is the patient awake (conscious)?": "pre_triage_sieve.conscious",
    "248573009": "pre_triage_sieve.noisy_breathing",
    "Noisy respiration (finding)": "pre_triage_sieve.noisy_breathing",
    "48348007": "pre_triage_sieve.noisy_breathing",
    "Normal breath sounds (finding)": "pre_triage_sieve.noisy_breathing",
    "What is the nature of call??": "nature_of_call",
    "Nature of Call Questionnaire": "nature_of_call",
    "https://fhir.nhs.uk/Questionnaire/NOC": "nature_of_call",
    "Pre Triage Sieve Questionnaire": "pre_triage_sieve",
    "https://fhir.nhs.uk/Questionnaire/PTS": "pre_triage_sieve",
    "Requested resource not available within timescale": "reason",
}
"""What fields say, but not with the text of the message."""
OUR_OWN = {"2023-12-26T11:30:00+00:00"}
"""In a response: when the sender made the request."""


@pytest.mark.parametrize("name", [*REQUESTS, *RESPONSES])
@pytest.mark.req("CORE-BND-13", "APP-COM-14", "APP-COM-19")
def test_every_text_of_an_example_is_in_a_field_or_on_the_list(name: str) -> None:
    bundle = example(name)
    mine = OwnEncounters(full_urls=frozenset({SENDERS_ENCOUNTER}))
    content: Any = read_request(bundle)[0] if name in REQUESTS else read_status(bundle, mine)[0]
    held = content.model_dump_json()
    known = SAID_IN_OTHER_WORDS.keys() | (OUR_OWN if name in RESPONSES else set())
    said = {
        str(value)
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] not in {"MessageHeader", "Questionnaire"}
        for path, value in leaves(entry["resource"], "")
        if path != ".name[0].text"  # it only repeats the parts
    }

    lost = {text for text in said if orjson.dumps(text).decode()[1:-1] not in held and not _is_held_time(text, held)}
    assert lost - known == set()


def _is_held_time(text: str, held: str) -> bool:
    moment = read_moment(text)
    return moment is not None and moment.isoformat().replace("+00:00", "Z") in held


@pytest.mark.req("APP6-REF-09", "APP-COM-20")
def test_the_first_of_four_is_an_early_referral_of_a_patient_of_whom_nothing_is_known() -> None:
    content, _ = read_request(example("refreq08a"))

    assert (content.patient.name, content.patient.nhs_number, content.patient.gender) == (None, None, None)
    assert [one.relationship for one in content.contacts] == ["emergency"]
    assert content.triage.arp is None
    assert content.triage.nature_of_call
    assert content.triage.nature_of_call.code == "AP1P"
    assert content.triage.pre_triage_sieve == PreTriageSieve(breathing=False, conscious=False)
    assert content.timings.cpr_start == read_moment("2023-12-26T15:00:00Z")
    assert content.call_log[0].text == "CPR has started with the patient."
    assert content.sender_encounter_status == "in-progress"


@pytest.mark.parametrize(
    ("series", "arp", "family", "places"),
    [
        (SERIES_C1, "C1", "Jones", [("caller", "0008755622"), ("rendezvous", "200002541286")]),
        (SERIES_C2, "C2", "Grayson", [("caller", "200002546857")]),
    ],
)
@pytest.mark.req("APP6-UPD-02", "APP6-UPD-05")
def test_a_published_series_becomes_one_whole_case(
    series: tuple[str, ...], arp: str, family: str, places: list[tuple[str, str]]
) -> None:
    held = raw(series[0])
    receivers = {
        url
        for name in series[1:]
        for url, one in by_url(example(name)).items()
        if one["resourceType"] == "Encounter" and one["identifier"][0]["value"] == "receiver1234"
    }
    for name in series[1:]:
        held = merge_update(held, raw(name), issued_ids={}, own_full_urls=frozenset(receivers)).body
    content, _ = read_request(orjson.loads(held), own=OwnEncounters(full_urls=frozenset(receivers)))

    assert len(receivers) == 1
    assert content.triage.arp == arp
    assert content.triage.summary
    assert content.patient.name
    assert content.patient.name.family == family
    assert [(place.type, place.uprn) for place in content.other_locations] == places
    assert content.sender_encounter_status == "finished"
    assert "Encounter" not in {one["resourceType"] for one in content.other_resources}


@pytest.mark.parametrize(
    ("name", "status", "row", "reason"),
    [
        (
            "refresp02",
            "cancelled",
            "DT-19",
            RejectionReason(code="RRNA", text="We have a paramedic but not available for 30 mins"),
        ),
        ("refresp03", "planned", "DT-15", None),
    ],
)
@pytest.mark.req("APP6-RSP-06", "APP6-RSP-12", "APP6-RSP-13")
def test_responses_are_read_by_whose_encounter_is_whose(
    name: str, status: str, row: str, reason: RejectionReason | None
) -> None:
    mine = OwnEncounters(full_urls=frozenset({SENDERS_ENCOUNTER}))
    report, issues = read_status(example(name), mine)

    assert (report.status, report.reason, report.case_number) == (status, reason, "reciever1234")
    assert {issue.rule for issue in issues} == {"APP6-RSP-08"}
    assert report.request.case_number == "sender1234"
    assert decide_row(read_facts(example(name)), own_encounters=mine).row.id == row


@pytest.mark.parametrize("name", RESPONSES)
def test_without_that_knowledge_no_status_is_guessed(name: str) -> None:
    report, issues = read_status(example(name))

    assert (report.status, report.case_number, report.reason) == (None, None, None)
    assert {issue.rule for issue in issues} == {"APP6-RSP-06"}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.req("APP6-REF-22")
def test_every_request_can_be_acknowledged(name: str) -> None:
    answer = acknowledgement_bundle(raw(name), issued_ids={}, encounter=own("planned"))
    structure = check_structure(answer)
    assert structure.bundle is not None

    assert by_url(structure.bundle)[own("planned").full_url]["status"] == "planned"
    assert [one for one in structure.issues if one.is_error] == []


@pytest.mark.parametrize("name", ["refreq04", "refreq05", *SERIES_C1, *SERIES_C2])
@pytest.mark.parametrize("status", ["planned", "in-progress", "finished"])
@pytest.mark.req("APP6-RSP-02", "APP6-RSP-07")
def test_every_request_can_be_answered_with_every_status(name: str, status: str) -> None:
    raw_response = status_bundle(
        raw(name),
        issued_ids={},
        encounter=own(status),
        envelope=envelope(from_requester=False, bundle=2, message=2, at=LATER),
        practitioner=Practitioner(sds_role_profile_id="T1"),
    )
    structure = check_structure(raw_response)
    assert structure.bundle is not None
    facts = read_facts(structure.bundle)

    assert [one for one in structure.issues if one.is_error] == []
    assert decide_row(facts).row.id == {"planned": "DT-15", "in-progress": "DT-16", "finished": "DT-17"}[status]
    counted = [one for one in check_definition(facts) if "Encounter" not in one.diagnostics]
    assert [one for one in counted if one.is_error] == []
    assert own(status).full_url in {entry["fullUrl"] for entry in structure.bundle["entry"]}
    assert len(resources(structure.bundle, "ServiceRequest")) == 1
