"""Updates of referrals: what joins the case is newer, what is withdrawn is withdrawn, everything else stands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from cad_bridge.fhir.build_acknowledgement import acknowledgement_bundle
from cad_bridge.fhir.build_cancellation import cancellation_bundle
from cad_bridge.fhir.build_referral import referral_bundle, referral_update_bundle
from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.build_update import update_bundle
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.encounters import OwnEncounters
from cad_bridge.fhir.facts import read_facts
from cad_bridge.fhir.merge import merge_update
from cad_bridge.fhir.read_request import read_request
from cad_bridge.fhir.structure import check_structure
from cad_bridge.protocol.decision import decide_row
from cad_bridge.protocol.definitions import check_definition
from tests.contents import LATER, Json, by_url, envelope, newer, only, own_encounter, plain_request, resources
from tests.referral_contents import REFERRALS, category_5, early, issued_ids, mutual_aid, triage

OWN = OwnEncounters(full_urls=frozenset({own_encounter().full_url}))


def updated(before: Request, now: Request, **options: Any) -> tuple[Json, Json]:
    first = referral_bundle(before, envelope())
    ids = issued_ids(orjson.loads(first))
    second = referral_update_bundle(first, now, issued_ids=ids, envelope=envelope(message=2, at=LATER), **options)
    return orjson.loads(first), orjson.loads(second)


def joined(before: Json, after: Json) -> list[str]:
    """Types of the resources that are newer, without the MessageHeader, in alphabetical order."""
    return sorted(set(newer(before, after)) - {"MessageHeader"})


@pytest.mark.parametrize("use_case", REFERRALS)
@pytest.mark.req("APP6-UPD-02", "APP3-UPD-01", "CORE-BND-04")
def test_an_update_keeps_ids_and_urls_and_says_that_it_is_one(use_case: str) -> None:
    make = category_5 if use_case == "a3t1" else mutual_aid
    same = {"use_case": use_case, "resource_requested": None}
    before, after = updated(make(**same), make(**same, presenting_complaint="Cardiac arrest"))

    assert after["id"] == before["id"]
    assert only(after, "MessageHeader")["reason"]["coding"][0]["code"] == "update"
    assert only(after, "ServiceRequest")["status"] == "active"
    assert by_url(after).keys() - by_url(before).keys() == {after["entry"][0]["fullUrl"]}
    assert joined(before, after) == (["Observation"] if use_case == "a3t1" else ["Condition"])
    assert all("id" in entry["resource"] for entry in after["entry"][1:])


@pytest.mark.req("APP6-UPD-01")
@pytest.mark.parametrize(
    ("changes", "types"),
    [
        ({"timings": {"call_connect": "2026-11-21T11:56:12Z", "cpr_start": "2026-11-21T11:58:00Z"}}, ["Procedure"]),
        ({"patient": {"gender": "male"}}, ["Patient"]),
        ({"scene_safety": {"status": "safe"}}, ["Flag"]),
        ({"flags": [{"category": "AC", "text": "Police", "date": "2026-11-21T12:01:00Z"}]}, ["Flag"]),
        ({"call_log": [{"at": "2026-11-21T12:01:00Z", "text": "x"}]}, ["Communication"]),
        ({"crew_notes": [{"at": "2026-11-21T12:01:00Z", "text": "x"}]}, ["Communication"]),
        ({"presenting_complaint": "Choking"}, ["CarePlan", "Condition"]),
        (
            {"triage": {"pre_triage_sieve": {"breathing": False}, "nature_of_call": {"code": "CHOP"}}},
            ["Questionnaire", "QuestionnaireResponse"],
        ),
        ({"triage": {"pre_triage_sieve": {"breathing": True}}}, ["QuestionnaireResponse"]),
        ({"triage": triage(arp="C1", pre_triage_sieve={"breathing": False})}, ["CarePlan", "Encounter", "Observation"]),
        ({"incident_location": {"what3words": "raft.metals.misty", "status": "confirmed"}}, ["Encounter"]),
        ({"other_locations": [{"type": "rendezvous", "uprn": "72000002"}]}, ["Encounter", "Location"]),
    ],
)
def test_what_is_learnt_joins_the_case_and_nothing_else_is_newer(changes: dict[str, Any], types: list[str]) -> None:
    before, after = updated(early(), early(**changes))

    assert joined(before, after) == types


@pytest.mark.req("APP6-REF-07")
def test_the_end_of_the_call_is_an_update_of_the_encounter_alone() -> None:
    before, after = updated(early(), early(), encounter_status="finished")

    assert joined(before, after) == ["Encounter"]
    assert only(after, "Encounter")["status"] == "finished"


def test_when_the_referral_was_first_sent_stays_so_although_triage_comes_later() -> None:
    disposed = {"call_connect": "2026-11-21T11:56:12Z", "disposition": "2026-11-21T12:09:00Z"}
    before, after = updated(early(), early(timings=disposed))

    assert joined(before, after) == ["CarePlan"]
    assert only(after, "ServiceRequest")["authoredOn"] == "2026-11-21T12:02:00+00:00"


def test_what_is_withdrawn_is_gone_at_the_receiver() -> None:
    whole = mutual_aid(presenting_complaint_code={"system": "http://snomed.info/sct", "code": "1"})
    bare = mutual_aid(
        presenting_complaint=None,
        timings={"call_connect": "2026-11-21T11:56:12Z"},
        triage=triage(arp="C1"),
        other_locations=[],
        incident_location=whole.incident_location.model_dump() | {"status": "provisional"},
        call_log=[],
        crew_notes=[],
        resource_requested=None,
        flags=[],
    )
    before, after = updated(whole, bare)
    held = merge_update(orjson.dumps(before), orjson.dumps(after), issued_ids={}).body
    received, _ = read_request(orjson.loads(held))

    assert received.presenting_complaint is None
    assert received.presenting_complaint_code is None
    assert received.timings.cpr_start is None
    assert received.triage.pre_triage_sieve is None
    assert received.triage.nature_of_call is None
    assert received.other_locations == ()
    assert (received.call_log, received.crew_notes, received.resource_requested) == ((), (), None)
    assert {one["status"] for one in resources(after, "Communication")} == {"entered-in-error"}
    assert only(after, "Procedure")["status"] == "entered-in-error"
    assert "clinicalStatus" not in only(after, "Condition")


@pytest.mark.req("APP6-REF-13")
@pytest.mark.parametrize(("clinician", "system"), [(True, None), (False, "NHS Pathways")])
def test_triage_anew_by_a_clinician_alone_is_no_longer_that_of_the_system(clinician: bool, system: str | None) -> None:
    practitioner = mutual_aid().practitioner.model_dump() | {"clinician": clinician}
    anew = triage(arp="C2", system=None)
    actions = [{"text": "Go"}] if clinician else []
    before, after = updated(mutual_aid(), mutual_aid(triage=anew, practitioner=practitioner, actions=actions))
    held = merge_update(orjson.dumps(before), orjson.dumps(after), issued_ids={}).body
    received, _ = read_request(orjson.loads(held))

    assert received.triage.arp == "C2"
    assert (received.triage.system.name if received.triage.system else None) == system


@pytest.mark.req("APP6-UPD-02")
def test_a_withdrawn_task_stays_requested_or_the_update_would_be_refused() -> None:
    _, after = updated(mutual_aid(), mutual_aid(resource_requested=None))
    task = only(after, "Task")

    assert task["status"] == "requested"
    assert task["businessStatus"] == {"text": "No longer requested"}
    assert not any("reference" in activity for activity in only(after, "CarePlan")["activity"])
    assert decide_row(read_facts(after)).row.id == "DT-10c"


@pytest.mark.req("CORE-BND-04")
def test_a_task_that_joins_later_is_of_its_own_time_and_stays_so() -> None:
    first = referral_bundle(mutual_aid(resource_requested=None), envelope())
    ids = issued_ids(orjson.loads(first))
    second = referral_update_bundle(first, mutual_aid(), issued_ids=ids, envelope=envelope(message=2, at=LATER))
    third = referral_update_bundle(
        second, mutual_aid(), issued_ids=ids, envelope=envelope(message=3, at=LATER + timedelta(minutes=1))
    )

    assert only(orjson.loads(second), "Task")["authoredOn"] == "2026-11-21T12:10:00+00:00"
    assert newer(orjson.loads(second), orjson.loads(third)) == ["MessageHeader"]


@pytest.mark.req("CORE-BND-04")
def test_what_was_withdrawn_once_is_not_newer_in_every_later_update() -> None:
    with_numbers = plain_request(patient={"estimated_age_years": 75})
    first = request_bundle(with_numbers, envelope())
    without = plain_request(patient={})
    second = update_bundle(first, without, issued_ids={}, envelope=envelope(message=2, at=LATER))
    later = envelope(message=3, at=LATER + timedelta(minutes=1))
    third = update_bundle(second, without, issued_ids={}, envelope=later)

    assert "Observation" in newer(orjson.loads(first), orjson.loads(second))
    assert newer(orjson.loads(second), orjson.loads(third)) == ["MessageHeader"]


@pytest.mark.req("APP6-UPD-05")
def test_the_receivers_encounter_rides_along_as_it_came() -> None:
    first = referral_bundle(mutual_aid(), envelope())
    answer = acknowledgement_bundle(first, issued_ids={}, encounter=own_encounter())
    _, plain = updated(mutual_aid(), mutual_aid(presenting_complaint="x"))
    _, after = updated(mutual_aid(), mutual_aid(presenting_complaint="x"), receivers_message=answer)
    structure = check_structure(orjson.dumps(after))
    facts = read_facts(after)

    assert len(resources(plain, "Encounter")) == 1
    assert by_url(after)[own_encounter().full_url] == by_url(orjson.loads(answer))[own_encounter().full_url]
    assert structure.issues == ()
    assert check_definition(facts, strict=True) == []
    assert decide_row(facts, own_encounters=OWN).row.id == "DT-10c"
    content, _ = read_request(after, own=OWN)
    assert content.other_resources == ()
    assert content.sender_encounter_status == "triaged"


def test_a_message_of_the_receiver_with_no_encounter_of_its_own_adds_nothing() -> None:
    first = referral_bundle(mutual_aid(), envelope())
    _, after = updated(mutual_aid(), mutual_aid(), receivers_message=first)

    assert len(resources(after, "Encounter")) == 1


def test_another_bundle_is_not_updated() -> None:
    first = referral_bundle(mutual_aid(), envelope())

    with pytest.raises(ValueError, match="keeps the Bundle"):
        referral_update_bundle(first, mutual_aid(), issued_ids={}, envelope=envelope(bundle=9))


@pytest.mark.req("APP6-REF-09", "APP6-UPD-01")
def test_a_call_referred_early_becomes_whole_update_by_update_at_the_receiver() -> None:
    known: dict[str, Any] = {}
    stages: list[dict[str, Any]] = [
        {},
        {"incident_location": {"what3words": "raft.metals.misty", "uprn": "72000001", "status": "confirmed"}},
        {
            "patient": {"gender": "male", "birth_date": "1951"},
            "scene_safety": {"status": "unsafe", "reasons": ["Knife"]},
        },
        {"triage": triage(arp="C1", pre_triage_sieve={"breathing": False}, nature_of_call={"code": "AP1P"})},
        {"call_log": [{"at": "2026-11-21T12:05:00Z", "text": "Caller hung up"}]},
    ]
    sent = held = referral_bundle(early(), envelope())
    ids = issued_ids(orjson.loads(sent))
    for number, stage in enumerate(stages[1:], start=2):
        known |= stage
        at = LATER + timedelta(minutes=number)
        sent = referral_update_bundle(sent, early(**known), issued_ids=ids, envelope=envelope(message=number, at=at))
        held = merge_update(held, sent, issued_ids=ids).body
    received, _ = read_request(orjson.loads(held))
    wanted = early(**known)

    names = ("incident_location", "patient", "scene_safety", "triage", "call_log", "flags", "clock_start")
    assert {name: getattr(received, name) for name in names} == {name: getattr(wanted, name) for name in names}
    assert received.sender_encounter_status == "triaged"


@pytest.mark.parametrize("use_case", REFERRALS)
@pytest.mark.parametrize("status", ["revoked", "entered-in-error"])
@pytest.mark.req("APP3-CAN-01", "APP6-CAN-01")
def test_a_referral_is_cancelled_like_any_request(use_case: str, status: Any) -> None:
    make = category_5 if use_case == "a3t1" else mutual_aid
    first = referral_bundle(make(use_case=use_case, resource_requested=None), envelope())
    sent = cancellation_bundle(
        first,
        issued_ids=issued_ids(orjson.loads(first)),
        status=status,
        reason_text="Patient has left",
        envelope=envelope(message=2, at=LATER),
    )
    structure = check_structure(sent)
    assert structure.bundle is not None
    request = only(structure.bundle, "ServiceRequest")

    assert structure.issues == ()
    assert check_definition(read_facts(structure.bundle), strict=True) == []
    assert decide_row(read_facts(structure.bundle), strict=True).row.id == "DT-08"
    assert [coding["code"] for coding in request["category"][0]["coding"]] == ["referral", use_case]
    assert request["status"] == status
