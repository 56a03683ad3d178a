"""Acknowledgements, rejections and outcomes as other systems send them."""

from __future__ import annotations

import copy

import orjson
import pytest

from cad_bridge.fhir.build_outcome import final_bundle
from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.content import Acknowledgement
from cad_bridge.fhir.read_response import read_acknowledgement, read_outcome, read_rejection
from tests.contents import LATER, Json, envelope, only, own_encounter, plain_outcome, plain_request, resources

ASKED = orjson.loads(request_bundle(plain_request(medications=[{"text": "Aspirin"}]), envelope()))
ANSWER = orjson.loads(
    final_bundle(
        orjson.dumps(ASKED),
        issued_ids={},
        encounter=own_encounter(),
        envelope=envelope(from_requester=False, bundle=2, message=2, at=LATER),
        outcome=plain_outcome(medications=[{"text": "Paracetamol"}], allergies=[{"text": "Latex"}]),
        interim_sent=False,
    )
)


@pytest.fixture
def answer() -> Json:
    return copy.deepcopy(ANSWER)


def planned(**changes: object) -> Json:
    return {
        "fullUrl": "urn:uuid:theirs",
        "resource": {"resourceType": "Encounter", "status": "planned", "identifier": [{"value": "R-1"}]} | changes,
    }


def acknowledged(*entries: Json) -> Acknowledgement:
    return read_acknowledgement(ASKED | {"entry": [*ASKED["entry"], *entries]})


@pytest.mark.req("CORE-SYNC-08")
@pytest.mark.parametrize(
    ("encounter", "reference"),
    [
        (planned(id="E-1"), "R-1"),
        (planned(), "R-1"),
        (planned(identifier=[], id="E-1"), "E-1"),
        (planned(status="arrived"), "R-1"),
    ],
)
def test_the_reference_whatever_the_planned_encounter_carries(encounter: Json, reference: str) -> None:
    assert acknowledged(encounter).reference == reference


@pytest.mark.req("CORE-SYNC-08")
def test_without_a_planned_encounter_the_service_request_is_the_reference() -> None:
    asked = copy.deepcopy(ASKED)
    only(asked, "ServiceRequest")["id"] = "SR-1"
    read = read_acknowledgement(asked)

    assert (read.remote_case_number, read.remote_encounter_id, read.reference) == (None, None, "SR-1")


def test_the_own_encounter_is_never_taken_for_the_other_sides() -> None:
    """Even where it is planned as well, as in a CAD to CAD referral that was not yet answered."""
    asked = copy.deepcopy(ASKED)
    only(asked, "Encounter")["status"] = "planned"

    assert read_acknowledgement(asked).remote_case_number is None
    both = asked | {"entry": [*asked["entry"], planned()]}
    assert read_acknowledgement(both).remote_case_number == "R-1"


def test_of_several_encounters_none_planned_none_is_guessed() -> None:
    arrived = planned(status="arrived")

    assert acknowledged(arrived, arrived | {"fullUrl": "urn:uuid:other"}).remote_case_number is None


def test_a_body_that_is_no_message_says_nothing() -> None:
    assert read_acknowledgement({}) == Acknowledgement()


@pytest.mark.req("APP4-VS-35")
@pytest.mark.parametrize("status", ["finished", "triaged"])
def test_a_final_response_is_read_in_either_status(answer: Json, status: str) -> None:
    resources(answer, "Encounter")[1]["status"] = status
    content, issues = read_outcome(answer)

    assert (content.dispatch_required, content.arp, issues) == (True, "C4", [])


def test_what_the_responder_adds_is_told_from_what_it_echoes(answer: Json) -> None:
    content, _ = read_outcome(answer)

    assert [one.text for one in content.medications] == ["Paracetamol"]
    assert [one.text for one in content.allergies] == ["Latex"]
    assert [one.text for one in content.request.medications] == ["Aspirin", "Paracetamol"]
    assert content.request.patient == plain_request().patient


def test_the_focus_may_be_the_service_request(answer: Json) -> None:
    """X-06: then the Encounter that is not the requester's is the responder's."""
    only(answer, "MessageHeader")["focus"] = [only(answer, "CarePlan")["encounter"]]
    by_encounter = read_outcome(answer)[0]
    header = only(ASKED, "MessageHeader")
    only(answer, "MessageHeader")["focus"] = header["focus"]

    assert read_outcome(answer)[0] == by_encounter


def test_nothing_a_responder_says_is_lost(answer: Json) -> None:
    only(answer, "CarePlan")["note"] = [{"text": "Daughter will call back"}]
    answer["entry"].append({"resource": {"resourceType": "Task", "description": "Visit tomorrow"}})
    content, _ = read_outcome(answer)

    assert content.other_resources[-1]["resourceType"] == "Task"
    assert {"Daughter will call back", "Visit tomorrow"} <= {element.value for element in content.also_sent}


@pytest.mark.req("APP4-VS-22")
def test_the_ambulance_case_is_found_by_its_identifier_where_no_plan_refers_to_it(answer: Json) -> None:
    """Defects V15."""
    case = {
        "resourceType": "Encounter",
        "status": "finished",
        "identifier": [{"system": "urn:oid:2.16.840.1.113883.2.1.3.2.4.18.20", "value": "S22"}],
    }
    answer["entry"].append({"fullUrl": "urn:uuid:itk", "resource": case})

    assert read_outcome(answer)[0].new_cad_id == "S22"


def test_no_status_of_the_plan_closes_nothing(answer: Json) -> None:
    del only(answer, "CarePlan")["status"]
    content, _ = read_outcome(answer)

    assert (content.dispatch_required, content.contradictory) == (None, True)


@pytest.mark.parametrize(
    ("reason", "code", "text", "display"),
    [
        ({"coding": [{"code": "XX", "display": "Newer"}], "text": "why"}, "XX", "why", "Newer"),
        ({"text": "only words"}, None, "only words", None),
        ({}, None, None, None),
    ],
)
def test_a_rejection_in_other_words(
    answer: Json, reason: Json, code: str | None, text: str | None, display: str | None
) -> None:
    resources(answer, "Encounter")[1]["reasonCode"] = [reason]
    read = read_rejection(answer)

    assert (read.code, read.text, read.display) == (code, text, display)
