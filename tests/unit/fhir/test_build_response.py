"""Acknowledgement, interim response and rejection: the request again, digit for digit, with what the responder adds."""

from __future__ import annotations

import dataclasses
from collections import Counter

import orjson
import pytest
from fhir.resources.R4B.bundle import Bundle

from cad_bridge.fhir.build_acknowledgement import acknowledgement_bundle
from cad_bridge.fhir.build_elements import Entry
from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.build_response import interim_bundle, rejection_bundle
from cad_bridge.fhir.content import RejectionReason
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.echo import parse_verbatim, with_ids
from cad_bridge.fhir.read_response import read_acknowledgement, read_rejection
from cad_bridge.fhir.structure import check_structure
from tests.contents import (
    LATER,
    REQUESTER,
    RESPONDER,
    Json,
    by_url,
    envelope,
    newer,
    only,
    own_encounter,
    plain_request,
    references,
    resources,
    target,
    urls,
)

NHS = "https://fhir.nhs.uk"
REQUEST = request_bundle(plain_request(), envelope())
ASKED = orjson.loads(REQUEST)
ISSUED = {
    url: f"issued-{index}"
    for index, (url, resource) in enumerate(by_url(ASKED).items())
    if resource["resourceType"] not in {"MessageHeader", "Encounter"}
}
NURSE = Practitioner(sds_role_profile_id="T9999", role="Nurse", clinician=True)
ANSWER = envelope(from_requester=False, bundle=2, message=2, at=LATER)
ODD_DIGITS = (
    REQUEST.replace(b'"latitude":53.7975', b'"latitude":53.797500')
    .replace(b'"longitude":-1.5436', b'"longitude":-1.54360000000000000000001')
    .replace(b'"start":"2026-11-21T12:00:00+00:00"', b'"start":"2026-11-21T13:00:00.1234567+01:00"')
    .replace(b'"value":75,', b'"value":7.50E+1,')
)
"""Numbers and times that do not survive a float, an int or a datetime."""


def encounter_of(bundle: Json, case_number: str) -> Json:
    return next(one for one in resources(bundle, "Encounter") if one["identifier"][0]["value"] == case_number)


def interim(request: bytes = REQUEST) -> bytes:
    return interim_bundle(request, issued_ids=ISSUED, encounter=own_encounter(), envelope=ANSWER, practitioner=NURSE)


def rejection(reason: RejectionReason) -> bytes:
    return rejection_bundle(
        REQUEST, issued_ids=ISSUED, encounter=own_encounter(), envelope=ANSWER, practitioner=NURSE, reason=reason
    )


# --- echo --------------------------------------------------------------------------------------------------------


def test_the_odd_digits_are_odd() -> None:
    assert ODD_DIGITS.count(b"53.797500") == ODD_DIGITS.count(b".1234567+01:00") == ODD_DIGITS.count(b"7.50E+1") == 1
    assert orjson.dumps(orjson.loads(ODD_DIGITS)) != ODD_DIGITS


@pytest.mark.parametrize("number", ["53.578960", "-0", "1e400", "0.1000000000000000055", "12345678901234567890123"])
def test_a_number_goes_back_as_it_came(number: str) -> None:
    raw = b'{"value":' + number.encode() + b"}"

    assert orjson.dumps(parse_verbatim(raw)) == raw


def test_what_is_no_object_is_no_message() -> None:
    with pytest.raises(ValueError, match="object"):
        parse_verbatim(b"[]")


def test_an_id_that_an_entry_has_stays_unless_another_is_issued() -> None:
    entries = list(by_url(ASKED).items())
    encounter = next(resource for _, resource in entries if resource["resourceType"] == "Encounter")
    from_entry = dict(with_ids([Entry(*pair) for pair in entries], ISSUED))

    assert from_entry[f"urn:uuid:{encounter['id']}"] == encounter


# --- acknowledgement ---------------------------------------------------------------------------------------------


@pytest.mark.req("CORE-SYNC-01", "CORE-SYNC-02")
def test_the_acknowledgement_mirrors_the_message_and_adds_the_planned_encounter() -> None:
    raw = acknowledgement_bundle(REQUEST, issued_ids={}, encounter=own_encounter())
    answer = orjson.loads(raw)
    added = [entry for entry in answer["entry"] if entry not in ASKED["entry"]]

    assert {**answer, "entry": [entry for entry in answer["entry"] if entry not in added]} == ASKED
    assert [entry["fullUrl"] for entry in added] == [own_encounter().full_url]
    planned = added[0]["resource"]
    assert (planned["resourceType"], planned["status"], planned["id"]) == ("Encounter", "planned", "own-encounter")
    assert planned["identifier"] == [{"system": "https://example.org/Id/cas-case-number", "value": "CAS-0007"}]
    assert planned["subject"] == only(ASKED, "ServiceRequest")["subject"]
    assert planned["episodeOfCare"] == only(ASKED, "Encounter")["episodeOfCare"]
    assert planned["period"] == {"start": "2026-11-21T12:01:00+00:00"}
    assert check_structure(raw).issues == ()
    Bundle.model_validate_json(raw)


@pytest.mark.req("CORE-SYNC-04")
def test_the_acknowledgement_issues_ids_and_changes_nothing_else() -> None:
    answer = orjson.loads(acknowledgement_bundle(REQUEST, issued_ids=ISSUED, encounter=own_encounter()))
    without_ids = {
        url: {name: value for name, value in resource.items() if name != "id" or url not in ISSUED}
        for url, resource in by_url(answer).items()
        if url != own_encounter().full_url
    }

    assert without_ids == by_url(ASKED)
    assert {url: by_url(answer)[url]["id"] for url in ISSUED} == ISSUED
    assert newer(ASKED, answer) == ["Encounter"]


def test_the_acknowledgement_repeats_every_digit() -> None:
    raw = acknowledgement_bundle(ODD_DIGITS, issued_ids={}, encounter=None)

    assert raw == ODD_DIGITS


def test_the_acknowledgement_of_an_update_shows_the_own_encounter_once_and_as_it_is_now() -> None:
    first = acknowledgement_bundle(REQUEST, issued_ids=ISSUED, encounter=own_encounter())
    again = orjson.loads(acknowledgement_bundle(first, issued_ids={}, encounter=own_encounter(status="in-progress")))

    assert [encounter["status"] for encounter in resources(again, "Encounter")] == ["triaged", "in-progress"]


@pytest.mark.req("CORE-SYNC-05", "APP-COM-22")
def test_the_requester_reads_the_acknowledgement() -> None:
    answer = orjson.loads(acknowledgement_bundle(REQUEST, issued_ids=ISSUED, encounter=own_encounter()))

    read = read_acknowledgement(answer)

    assert (read.remote_case_number, read.remote_encounter_id) == ("CAS-0007", "own-encounter")
    assert read.remote_encounter_full_url == own_encounter().full_url
    assert ISSUED.items() <= read.issued_ids.items()
    assert read.service_request_id == ISSUED[only(ASKED, "MessageHeader")["focus"][0]["reference"]]


# --- interim -----------------------------------------------------------------------------------------------------


@pytest.mark.req("APP4-VS-03", "APP4-VS-04", "APP4-VS-12")
def test_the_interim_response() -> None:
    bundle = orjson.loads(interim())
    header, own = only(bundle, "MessageHeader"), encounter_of(bundle, "CAS-0007")

    assert header["eventCoding"]["code"] == "servicerequest-response"
    assert header["reason"]["coding"][0]["code"] == "new"
    assert header["definition"] == f"{NHS}/MessageDefinition/bars-message-servicerequest-response-validation-interim"
    assert header["response"] == {"identifier": ASKED["id"], "code": "ok"}
    assert target(bundle, header["focus"][0]) == own
    assert (own["status"], own["id"]) == ("in-progress", "own-encounter")
    assert own["reasonCode"][0]["coding"] == [
        {
            "system": f"{NHS}/CodeSystem/message-reason-encounter",
            "code": "validation-triage-outcome",
            "display": "Validation of triage outcome",
        }
    ]
    assert only(bundle, "ServiceRequest")["status"] == "active"


@pytest.mark.req("APP4-VS-04", "CORE-MH-11", "CORE-BND-10")
def test_the_interim_response_holds_what_its_definition_lists() -> None:
    raw = interim()
    bundle = orjson.loads(raw)

    assert Counter(entry["resource"]["resourceType"] for entry in bundle["entry"]) == {
        "MessageHeader": 1,
        "ServiceRequest": 1,
        "Patient": 1,
        "Encounter": 2,
        "Organization": 3,
        "Practitioner": 1,
        "PractitionerRole": 1,
        "HealthcareService": 1,
    }
    pointed = {found for found in references(bundle) if not found.startswith(("#", "EpisodeOfCare/"))}
    assert pointed <= urls(bundle)
    assert check_structure(raw).issues == ()


@pytest.mark.req("APP4-VS-32")
def test_the_own_encounter_starts_with_the_acknowledgement_and_has_not_ended() -> None:
    own = encounter_of(orjson.loads(interim()), "CAS-0007")

    assert own["period"] == {"start": "2026-11-21T12:01:00+00:00"}


@pytest.mark.req("APP4-VS-33", "CORE-BND-04")
def test_only_the_requester_of_the_service_request_is_another() -> None:
    bundle = orjson.loads(interim())
    sent, asked = only(bundle, "ServiceRequest"), only(ASKED, "ServiceRequest")

    assert target(bundle, sent["requester"])["identifier"][0]["value"] == "T9999"
    assert sent["occurrencePeriod"] == asked["occurrencePeriod"]
    assert {name for name in asked if name not in sent} == {"basedOn", "locationReference"}
    assert set(newer(ASKED, bundle)) == {
        "MessageHeader",
        "ServiceRequest",
        "Encounter",
        "Practitioner",
        "PractitionerRole",
    }


@pytest.mark.req("CORE-BND-09", "APP4-VS-34")
def test_the_response_goes_back_to_who_asked() -> None:
    bundle = orjson.loads(interim())
    header = only(bundle, "MessageHeader")

    assert header["destination"][0]["endpoint"] == REQUESTER.service_id
    assert header["source"]["endpoint"] == RESPONDER.service_id
    assert target(bundle, header["destination"][0]["receiver"])["identifier"][0]["value"] == "RX8"
    assert target(bundle, header["sender"])["identifier"][0]["value"] == "RYE"
    journeys = [encounter["episodeOfCare"] for encounter in resources(bundle, "Encounter")]
    assert journeys[0] == journeys[1]


def test_the_interim_response_repeats_every_digit_it_carries() -> None:
    odd = REQUEST.replace(b'"rank":2', b'"rank":2.0').replace(
        b'"end":"2026-11-21T12:40:00+00:00"', b'"end":"2026-11-21T13:40:00.7654321+01:00"'
    )

    assert b'"rank":2.0' in interim(odd)
    assert b'"end":"2026-11-21T13:40:00.7654321+01:00"' in interim(odd)


def test_organisations_without_code_are_named_anew() -> None:
    nameless = REQUEST.replace(b'"value":"RYE"', b'"value":"OTHER"')
    bundle = orjson.loads(interim(nameless))

    assert target(bundle, only(bundle, "MessageHeader")["sender"])["identifier"][0]["value"] == "RYE"


def test_organisations_whose_code_nobody_knows_are_those_that_the_request_named() -> None:
    unknown = dataclasses.replace(
        ANSWER,
        sender=dataclasses.replace(ANSWER.sender, ods_code=None),
        receiver=dataclasses.replace(ANSWER.receiver, ods_code=None),
    )
    answer = interim_bundle(REQUEST, issued_ids={}, encounter=own_encounter(), envelope=unknown, practitioner=NURSE)
    header, asked = only(orjson.loads(answer), "MessageHeader"), only(ASKED, "MessageHeader")

    assert header["sender"] == asked["destination"][0]["receiver"]
    assert header["destination"][0]["receiver"] == asked["sender"]


def test_what_is_no_request_cannot_be_answered() -> None:
    with pytest.raises(ValueError, match="ServiceRequest"):
        interim(b'{"resourceType":"Bundle","entry":[]}')


def test_the_answer_names_the_original_request_even_after_an_update_under_another_id() -> None:
    raw = interim_bundle(
        REQUEST,
        issued_ids={},
        encounter=own_encounter(),
        envelope=ANSWER,
        practitioner=NURSE,
        original_bundle_id="the-first",
    )

    assert only(orjson.loads(raw), "MessageHeader")["response"]["identifier"] == "the-first"


# --- rejection ---------------------------------------------------------------------------------------------------


@pytest.mark.req("APP4-VS-05", "APP4-VS-06")
@pytest.mark.parametrize(
    ("reason", "display"),
    [
        (RejectionReason(code="FC", text="No answer after three calls"), "Failed Contact"),
        (RejectionReason(code="RRNA"), "Requested resource not available within timescale"),
        (RejectionReason(code="OTH", text="Phone line down"), "Other"),
        (RejectionReason(code="NEW", text="A newer reason", display="Newer"), "Newer"),
        (RejectionReason(code="NEW", display="NEW"), "NEW"),
    ],
)
def test_the_rejection(reason: RejectionReason, display: str) -> None:
    bundle = orjson.loads(rejection(reason))
    header, own = only(bundle, "MessageHeader"), encounter_of(bundle, "CAS-0007")

    assert header["definition"].endswith("response-validation-interim")
    assert header["reason"]["coding"][0]["code"] == "new"
    assert (own["status"], only(bundle, "ServiceRequest")["status"]) == ("cancelled", "active")
    assert own["reasonCode"][0]["coding"] == [
        {"system": f"{NHS}/CodeSystem/rejected-reasons-bars", "code": reason.code, "display": display}
    ]
    assert "end" not in own["period"]
    assert read_rejection(bundle) == reason
    assert check_structure(orjson.dumps(bundle)).issues == ()


def test_a_rejection_has_a_code() -> None:
    assert b'"display":"XX"' in rejection(RejectionReason(code="XX"))
    with pytest.raises(ValueError, match="code"):
        rejection(RejectionReason(text="just because"))
