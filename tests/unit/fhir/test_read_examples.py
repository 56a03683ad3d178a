"""The official examples of Application 4 are read, and what is wrong with them is said."""

from __future__ import annotations

import functools
from typing import Any

import orjson
import pytest

from cad_bridge.fhir.build_acknowledgement import acknowledgement_bundle
from cad_bridge.fhir.build_outcome import final_bundle
from cad_bridge.fhir.build_response import interim_bundle
from cad_bridge.fhir.content import ReceivedOutcome, ReceivedRequest
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.content_patient import Patient
from cad_bridge.fhir.read_elements import read_moment
from cad_bridge.fhir.read_nodes import leaves
from cad_bridge.fhir.read_request import read_request
from cad_bridge.fhir.read_response import read_acknowledgement, read_outcome, read_rejection
from cad_bridge.fhir.structure import check_structure
from tests.contents import envelope, only, own_encounter, plain_outcome, references, resources, urls
from tests.shared_material import SHARED, needs_shared

pytestmark = [needs_shared, pytest.mark.shared]

REQUESTS = ("valreq01", "valreq02", "valreq03")
FINALS = ("valresp01b", "valresp02", "valresp03", "valresp05")


@functools.cache
def raw(name: str) -> bytes:
    folder = "requests" if name.startswith("valreq") else "responses"
    return next((SHARED / "bars" / "examples" / folder).glob(f"{name}-*.json")).read_bytes()


def example(name: str) -> dict[str, Any]:
    return orjson.loads(raw(name))


EVERYWHERE = {"S1", "S2", "S4"}
UNRANKED = {"APP-COM-02", "APP-COM-06", "APP-COM-08"}


@pytest.mark.parametrize(
    ("name", "defects"),
    [
        ("valreq01", EVERYWHERE),
        ("valreq02", EVERYWHERE | UNRANKED | {"S19", "V1"}),
        ("valreq03", EVERYWHERE | UNRANKED),
    ],
)
def test_requests_are_read_with_their_defects(name: str, defects: set[str]) -> None:
    content, issues = read_request(example(name))

    assert {issue.rule for issue in issues} == defects
    assert not any(issue.is_error for issue in issues)
    assert content.use_case == "a4t1"
    assert content.breach_at is not None
    assert content.incident_location is not None
    sent = only(example(name), "Location")["position"]
    assert content.incident_location.latitude == sent["latitude"]
    assert content.coordinate_readings is not None
    assert content.coordinate_readings.swapped.latitude == sent["longitude"]


@pytest.mark.parametrize(
    ("name", "dispatch", "arp", "contradictory", "defects"),
    [
        ("valresp01b", True, None, False, EVERYWHERE | UNRANKED | {"S19"}),
        ("valresp02", True, None, False, EVERYWHERE | {"S19"}),
        ("valresp03", True, "C2", False, EVERYWHERE | UNRANKED | {"V11"}),
        pytest.param("valresp05", True, "C5", True, EVERYWHERE | {"APP4-VS-16"}, marks=pytest.mark.req("APP4-VS-16")),
    ],
)
def test_final_responses_are_read_with_their_defects(
    name: str, dispatch: bool, arp: str | None, contradictory: bool, defects: set[str]
) -> None:
    content, issues = read_outcome(example(name))

    assert {issue.rule for issue in issues} == defects
    assert (content.dispatch_required, content.arp, content.contradictory) == (dispatch, arp, contradictory)
    assert content.clock_start is not None


@pytest.mark.req("APP4-VS-22", "APP4-VS-27")
def test_the_new_cad_id_and_the_changed_scene_safety() -> None:
    bundle = example("valresp03")
    content, _ = read_outcome(bundle)

    assert content.new_cad_id == resources(bundle, "Encounter")[2]["identifier"][0]["value"]
    assert content.scene_safety is not None
    assert content.scene_safety.status == "unsafe"
    assert len(content.scene_safety.reasons) == 2


@pytest.mark.req("APP4-VS-29")
def test_a_lifted_patient() -> None:
    assert [code.code for code in read_outcome(example("valresp05"))[0].outcome_codes] == ["PATLIFT"]


def test_the_rejection_says_why() -> None:
    bundle = example("valresp04")
    reason = read_rejection(bundle)

    assert reason.code == "FC"
    assert reason.text == resources(bundle, "Encounter")[1]["reasonCode"][0]["text"]


def test_the_acknowledgement_without_ids_gives_the_case_number() -> None:
    bundle = example("valresp01")
    read = read_acknowledgement(bundle)

    assert read.remote_case_number == resources(bundle, "Encounter")[1]["identifier"][0]["value"]
    assert (read.remote_encounter_id, read.issued_ids) == (None, {})


SAID_IN_OTHER_WORDS = {
    "EMER": "every Encounter is an emergency",
    "plan": "the only intent there is",
    "both": "the only type of address there is",
    "True": "an active service, a preferred language",
    "validation": "use_case",
    "For Validation": "use_case",
    "999 to CAS Validation": "use_case",
    "SS": "scene_safety",
    "Scene Safety": "scene_safety",
    "The Scene is safe": "scene_safety",
    "UT": "scene_safety",
    "ONESELF": "relationship self",
    "EP": "relationship emergency",
    "Emergency contact person": "relationship emergency",
    "Number present and verified": "verification",
    "Cat2 Emergency": "arp",
    "Cat3 Urgent": "arp",
    "Cat4 Less Urgent": "arp",
    "Cat5 Non Ambulance": "arp",
    "patient-privacy": "consent",
    "DRC": "consent",
    "Direct Care": "consent",
    "IMPLIED": "consent",
    "official": "patient.name",
}
"""What fields say, but not with the text of the message."""
STATUSES = {"active", "triaged", "final"}


@pytest.mark.req("CORE-BND-13", "APP-COM-19")
@pytest.mark.parametrize("name", [*REQUESTS, *FINALS])
def test_every_text_of_an_example_is_in_a_field_or_on_the_list(name: str) -> None:
    bundle = example(name)
    content = read_request(bundle)[0] if name in REQUESTS else read_outcome(bundle)[0]
    held = content.model_dump_json()
    said = {
        str(value)
        for index, entry in enumerate(bundle["entry"])
        for _, value in leaves(entry["resource"], f"entry[{index}]")
        if entry["resource"]["resourceType"] != "MessageHeader"
    }

    lost = {text for text in said if orjson.dumps(text).decode()[1:-1] not in held and not _is_held_time(text, held)}
    name_in_one = only(bundle, "Patient")["name"][0]["text"]
    assert lost - set(SAID_IN_OTHER_WORDS) - STATUSES - {name_in_one} == set()
    assert patient_of(content).name.full == name_in_one  # type: ignore[union-attr]


def patient_of(content: ReceivedRequest | ReceivedOutcome) -> Patient:
    return content.patient if isinstance(content, ReceivedRequest) else content.request.patient


def _is_held_time(text: str, held: str) -> bool:
    moment = read_moment(text)
    return moment is not None and moment.isoformat().replace("+00:00", "Z") in held


@pytest.mark.parametrize("name", REQUESTS)
def test_the_echo_of_an_example_keeps_every_digit(name: str) -> None:
    answered = acknowledgement_bundle(raw(name), issued_ids={}, encounter=None)

    assert answered == _compact(raw(name))


def _compact(text: bytes) -> bytes:
    """The text without the blanks between its tokens."""
    out, inside, escaped = bytearray(), False, False
    for byte in text:
        if inside or byte not in b" \n\r\t":
            out.append(byte)
        if byte == ord('"') and not escaped:
            inside = not inside
        escaped = byte == ord("\\") and not escaped
    return bytes(out)


@pytest.mark.parametrize("name", REQUESTS)
def test_an_example_can_be_answered(name: str) -> None:
    """The responses are sound although the request is not: it names no organisation codes and wrong digits."""
    frame = envelope(from_requester=False, bundle=2, message=2)
    shared: dict[str, Any] = {"issued_ids": {}, "encounter": own_encounter(), "envelope": frame}
    nurse = Practitioner(sds_role_profile_id="T9999")
    short = interim_bundle(raw(name), practitioner=nurse, **shared)
    full = final_bundle(raw(name), outcome=plain_outcome(), interim_sent=True, **shared)

    for answer in (short, full):
        bundle = orjson.loads(answer)
        assert [issue for issue in check_structure(answer).issues if issue.is_error] == []
        assert {found for found in references(bundle) if found.startswith("urn:")} <= urls(bundle)
        assert only(bundle, "MessageHeader")["response"]["identifier"] == example(name)["id"]
    assert str(only(example(name), "Location")["position"]["longitude"]).encode() in full
