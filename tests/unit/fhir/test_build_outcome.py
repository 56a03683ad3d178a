"""The final response: the outcome in place of the first triage, all else as it was asked."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import HealthCheck, given, settings

from cad_bridge.fhir.build_outcome import final_bundle
from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.content import Outcome, Request
from cad_bridge.fhir.content_triage import TriageSystem
from cad_bridge.fhir.read_response import read_outcome
from cad_bridge.fhir.structure import check_structure
from tests.contents import (
    LATER,
    Json,
    by_url,
    envelope,
    newer,
    only,
    own_encounter,
    plain_outcome,
    plain_request,
    references,
    resources,
    target,
    urls,
)
from tests.strategies import outcomes, requests

NHS = "https://fhir.nhs.uk"
REQUEST = request_bundle(plain_request(), envelope())
ASKED = orjson.loads(REQUEST)
ISSUED = {
    url: f"issued-{index}"
    for index, (url, resource) in enumerate(by_url(ASKED).items())
    if resource["resourceType"] not in {"MessageHeader", "Encounter"}
}


def final_bytes(outcome: Outcome, *, request: bytes = REQUEST, interim_sent: bool = True) -> bytes:
    return final_bundle(
        request,
        issued_ids=ISSUED,
        encounter=own_encounter(),
        envelope=envelope(from_requester=False, bundle=2, message=3, at=LATER),
        outcome=outcome,
        interim_sent=interim_sent,
    )


def final(request: bytes = REQUEST, **changes: Any) -> Json:
    return orjson.loads(final_bytes(plain_outcome(**changes), request=request))


def own(bundle: Json) -> Json:
    return target(bundle, only(bundle, "MessageHeader")["focus"][0])


def outcome_codes(bundle: Json, system: str) -> list[str]:
    concepts = only(bundle, "CarePlan")["activity"][0]["outcomeCodeableConcept"]
    return [
        coding["code"]
        for concept in concepts
        for coding in concept.get("coding", ())
        if coding["system"] == f"{NHS}/CodeSystem/{system}"
    ]


@pytest.mark.req("APP4-VS-10", "APP4-VS-11", "APP4-VS-12")
def test_what_makes_a_message_a_final_response() -> None:
    bundle = final()
    header = only(bundle, "MessageHeader")

    assert header["eventCoding"]["code"] == "servicerequest-response"
    assert header["definition"] == f"{NHS}/MessageDefinition/bars-message-servicerequest-response-validation-full"
    assert header["response"] == {"identifier": ASKED["id"], "code": "ok"}
    assert (own(bundle)["status"], only(bundle, "ServiceRequest")["status"]) == ("finished", "active")
    assert own(bundle)["reasonCode"][0]["coding"][0]["code"] == "validation-triage-outcome"


@pytest.mark.req("APP4-VS-10")
@pytest.mark.parametrize(("interim_sent", "reason"), [(True, "update"), (False, "new")])
def test_its_reason_depends_on_the_interim_response(interim_sent: bool, reason: str) -> None:
    bundle = orjson.loads(final_bytes(plain_outcome(), interim_sent=interim_sent))

    assert only(bundle, "MessageHeader")["reason"]["coding"][0]["code"] == reason


@pytest.mark.req("APP4-VS-13", "APP4-VS-17")
@pytest.mark.parametrize(
    ("arp", "dispatch", "status", "code"),
    [("C2", True, "active", "C2"), ("C5", False, "completed", "C5"), ("HCP4T", True, "active", "HP4T")],
)
def test_the_care_plan_says_whether_the_requester_must_act(arp: str, dispatch: bool, status: str, code: str) -> None:
    bundle = final(arp=arp, dispatch_required=dispatch)

    assert only(bundle, "CarePlan")["status"] == status
    assert outcome_codes(bundle, "arp-priority-codes") == [code]


@pytest.mark.req("APP4-VS-18")
def test_an_unchanged_clock_start_is_repeated_to_the_digit() -> None:
    odd = REQUEST.replace(b'"start":"2026-11-21T12:00:00+00:00"', b'"start":"2026-11-21T13:00:00.0000007+01:00"')

    assert only(final(odd), "CarePlan")["period"] == {"start": "2026-11-21T13:00:00.0000007+01:00"}


@pytest.mark.req("APP4-VS-19")
def test_a_new_clock_start_is_sent() -> None:
    bundle = final(arp="C2", clock_start="2026-11-21T12:20:00Z")

    assert only(bundle, "CarePlan")["period"] == {"start": "2026-11-21T12:20:00+00:00"}


def test_no_clock_start_no_response() -> None:
    with pytest.raises(ValueError, match="clock start"):
        final(clock_start=None)


def test_the_outcome_takes_the_place_of_the_first_triage() -> None:
    bundle = final(triage={"ampds": {"code": "17A01"}})
    plan, asked = only(bundle, "CarePlan"), only(ASKED, "CarePlan")
    url = only(ASKED, "ServiceRequest")["basedOn"][0]["reference"]

    assert by_url(bundle)[url] == plan
    assert plan["id"] == ISSUED[url]
    assert target(bundle, plan["encounter"]) == own(bundle)
    assert outcome_codes(bundle, "pathways-sg-codes") == []
    assert outcome_codes(bundle, "ampds-dispatch-codes") == ["17A01"]
    assert plan["meta"]["lastUpdated"] > asked["meta"]["lastUpdated"]


@pytest.mark.req("APP4-VS-21", "APP4-VS-22")
def test_the_ambulance_case_is_the_third_encounter() -> None:
    bundle = final(arp="C1", new_cad_id="S2201240000")
    link = only(bundle, "CarePlan")["activity"][0]["outcomeReference"][0]

    assert len(resources(bundle, "Encounter")) == 3
    assert target(bundle, link)["identifier"] == [
        {"system": "urn:oid:2.16.840.1.113883.2.1.3.2.4.18.20", "value": "S2201240000"}
    ]
    assert read_outcome(bundle)[0].new_cad_id == "S2201240000"
    assert len(resources(final(), "Encounter")) == 2


@pytest.mark.req("APP4-VS-29")
def test_a_local_outcome_is_sent_with_its_code() -> None:
    bundle = final(outcome_codes=[{"code": "PATLIFT"}], arp="C5", dispatch_required=False)

    assert outcome_codes(bundle, "response-outcome-codes") == ["PATLIFT"]


@pytest.mark.req("APP4-VS-32")
def test_the_own_encounter_has_ended() -> None:
    assert own(final())["period"] == {"start": "2026-11-21T12:01:00+00:00", "end": "2026-11-21T12:10:00+00:00"}


@pytest.mark.req("APP4-VS-33")
def test_the_validating_practitioner_is_the_requester() -> None:
    bundle = final()
    sent, asked = only(bundle, "ServiceRequest"), only(ASKED, "ServiceRequest")

    assert target(bundle, sent["requester"])["identifier"][0]["value"] == "T9999"
    assert sent["occurrencePeriod"] == asked["occurrencePeriod"]
    assert target(bundle, only(bundle, "CarePlan")["author"])["code"][0]["text"] == "Nurse"


@pytest.mark.req("APP4-VS-25", "APP4-VS-26", "CORE-BND-04")
def test_what_did_not_change_is_echoed_as_it_was() -> None:
    bundle = final()
    unchanged = {"Location", "Flag", "Consent", "Patient", "Observation", "HealthcareService", "Organization"}

    for url, resource in by_url(ASKED).items():
        if resource["resourceType"] in unchanged:
            assert by_url(bundle)[url] == {"id": ISSUED[url]} | resource
    assert unchanged.isdisjoint(newer(ASKED, bundle))


@pytest.mark.req("APP4-VS-25")
def test_a_changed_location_replaces_the_first() -> None:
    bundle = final(incident_location={"uprn": "99", "status": "confirmed"})
    url = only(ASKED, "ServiceRequest")["locationReference"][0]["reference"]

    assert only(bundle, "Location")["extension"][0]["extension"][0]["valueString"] == "99"
    assert by_url(bundle)[url]["id"] == ISSUED[url]
    assert "Location" in newer(ASKED, bundle)


def test_a_changed_location_is_provisional_unless_it_says_otherwise() -> None:
    """The requester's Encounter still calls the first one confirmed; the responder's speaks of the new one."""
    assert read_outcome(final(incident_location={"uprn": "99"}))[0].incident_location.status == "provisional"  # type: ignore[union-attr]


@pytest.mark.req("APP4-VS-26")
def test_changed_scene_safety_replaces_the_first() -> None:
    bundle = final(scene_safety={"status": "safe"})
    said = [flag for flag in resources(bundle, "Flag") if flag["category"][0]["coding"][0]["code"] == "SS"]

    assert [flag["code"]["coding"][0]["code"] for flag in said] == ["S"]
    assert target(bundle, said[0]["encounter"]) == own(bundle)


@pytest.mark.req("APP4-VS-26")
def test_changed_flags_are_added_kept_and_withdrawn() -> None:
    kept = {"category": "SG", "text": "Concern about neglect", "date": "2026-11-21"}
    new = {"category": "RA", "code": {"code": "doeslipread"}}

    added = final(flags=[kept, new])
    withdrawn = final(flags=[new])

    assert [flag["status"] for flag in resources(added, "Flag")] == ["active"] * 3
    ended = [flag.get("period", {}).get("id") for flag in resources(withdrawn, "Flag")]
    assert Counter(ended) == {None: 2, "withdrawn": 1}
    assert read_outcome(withdrawn)[0].flags == plain_outcome(flags=[new]).flags


def test_a_responder_without_system_repeats_that_of_the_requester_and_is_not_taken_to_have_used_it() -> None:
    bare, own_system = final(), final(triage={"system": {"name": "PaCCS", "version": "2"}})

    def named(bundle: Json) -> list[str]:
        return [part["valueString"] for part in only(bundle, "MessageHeader")["extension"][0]["extension"]]

    assert (named(bare), named(own_system)) == (["NHS Pathways", "41.2.0"], ["PaCCS", "2"])
    assert read_outcome(bare)[0].triage is None
    assert read_outcome(own_system)[0].triage.system == TriageSystem(name="PaCCS", version="2")  # type: ignore[union-attr]


def test_a_request_that_lacks_what_a_response_needs_is_completed() -> None:
    asked = orjson.loads(REQUEST)
    asked["entry"] = [
        entry for entry in asked["entry"] if entry["resource"]["resourceType"] not in {"Flag", "Consent", "CarePlan"}
    ]
    service_request = only(asked, "ServiceRequest")
    for name in ("authoredOn", "basedOn", "performer", "locationReference"):
        del service_request[name]
    bundle = final(orjson.dumps(asked))
    sent = only(bundle, "ServiceRequest")

    assert sent["authoredOn"] == asked["timestamp"]
    assert target(bundle, sent["basedOn"][0]) == only(bundle, "CarePlan")
    assert target(bundle, sent["performer"][0]) == only(bundle, "HealthcareService")
    assert target(bundle, sent["locationReference"][0]) == only(bundle, "Location")
    assert only(bundle, "Flag")["code"]["coding"][0]["code"] == "UNK"
    assert only(bundle, "Consent")["dateTime"] == "2026-11-21T12:10:00+00:00"


COUNTS = {
    "MessageHeader": (1, 1),
    "ServiceRequest": (1, 1),
    "Patient": (1, 1),
    "Encounter": (2, 3),
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
"""MessageDefinition bars-message-servicerequest-response-validation-full."""


@pytest.mark.req("APP4-VS-11", "CORE-BND-10")
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(request=requests(), outcome=outcomes())
def test_every_final_response_is_sound(request: Request, outcome: Outcome) -> None:
    raw = final_bytes(outcome, request=request_bundle(request, envelope()))
    bundle = orjson.loads(raw)
    counts = Counter(entry["resource"]["resourceType"] for entry in bundle["entry"])

    assert check_structure(raw).issues == ()
    Bundle.model_validate_json(raw)
    assert {kind for kind in COUNTS if not COUNTS[kind][0] <= counts[kind] <= COUNTS[kind][1]} == set()
    assert set(counts) <= set(COUNTS)
    pointed = {found for found in references(bundle) if not found.startswith(("#", "EpisodeOfCare/"))}
    assert pointed <= urls(bundle)
    assert len(urls(bundle)) == len(bundle["entry"])


@pytest.mark.req("APP4-VS-14", "APP4-VS-15")
@pytest.mark.parametrize(("arp", "dispatch"), [("C4", True), ("C5", False)])
def test_the_requester_reads_whether_dispatch_is_required(arp: str, dispatch: bool) -> None:
    received, _ = read_outcome(final(arp=arp, dispatch_required=dispatch))

    assert (received.dispatch_required, received.contradictory) == (dispatch, False)
    assert received.clock_start == datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.req("APP4-VS-16")
@pytest.mark.parametrize(
    ("status", "arp", "contradictory"),
    [
        ("completed", "C1", True),
        ("completed", "C4T", True),
        ("completed", "HP4T", True),
        ("active", "C5", True),
        ("completed", "C5", False),
        ("active", "HCP2", False),
        ("active", "unheard-of", False),
        ("draft", "C5", True),
    ],
)
def test_status_and_category_that_disagree_are_a_contradiction(status: str, arp: str, contradictory: bool) -> None:
    bundle = final()
    plan = only(bundle, "CarePlan")
    plan["status"] = status
    plan["activity"] = [
        {"outcomeCodeableConcept": [{"coding": [{"system": f"{NHS}/CodeSystem/arp-priority-codes", "code": arp}]}]}
    ]
    received, issues = read_outcome(bundle)

    assert received.contradictory is contradictory
    assert ("APP4-VS-16" in {issue.rule for issue in issues}) is contradictory
