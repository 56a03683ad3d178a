"""Updates of a validation request: what changed, and nothing else, is newer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.build_update import update_bundle
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.read_request import read_request
from cad_bridge.fhir.structure import check_structure
from tests.contents import LATER, by_url, envelope, newer, only, plain_request, resources
from tests.strategies import requests

MESSAGE = orjson.loads(request_bundle(plain_request(), envelope()))


def updated(
    before: Request, now: Request, issued_ids: dict[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    first = request_bundle(before, envelope())
    second = update_bundle(first, now, issued_ids=issued_ids or {}, envelope=envelope(message=2, at=LATER))
    return orjson.loads(first), orjson.loads(second)


@pytest.mark.req("CORE-BND-04")
def test_an_update_raises_last_updated_where_content_changed_and_nowhere_else() -> None:
    patient = plain_request().patient.model_dump() | {"gender": "female"}
    before, after = updated(plain_request(), plain_request(patient=patient))

    assert newer(before, after) == ["MessageHeader", "Patient"]
    assert after["meta"]["lastUpdated"] == "2026-11-21T12:10:00+00:00"


@pytest.mark.req("CORE-MH-08", "APP4-VR-13")
def test_an_update_keeps_the_ids_and_says_that_it_is_one() -> None:
    before, after = updated(plain_request(), plain_request(breach_at="2026-11-21T13:00:00Z"))

    assert after["id"] == before["id"]
    assert only(after, "MessageHeader")["reason"]["coding"][0]["code"] == "update"
    assert by_url(after).keys() - by_url(before).keys() == {after["entry"][0]["fullUrl"]}
    assert newer(before, after) == ["MessageHeader", "ServiceRequest"]
    assert only(after, "ServiceRequest")["occurrencePeriod"] == {
        "start": "2026-11-21T12:02:00+00:00",
        "end": "2026-11-21T13:00:00+00:00",
    }


@pytest.mark.req("CORE-SYNC-05", "CORE-UPD-11", "APP6-UPD-02")
def test_an_update_carries_the_ids_that_the_receiver_issued() -> None:
    issued = {url: f"issued-{index}" for index, url in enumerate(by_url(MESSAGE)) if index}
    patient = plain_request().patient.model_dump() | {"gender": "female"}
    _, after = updated(plain_request(), plain_request(patient=patient), issued)

    assert {url: resource["id"] for url, resource in by_url(after).items() if "id" in resource} == issued


def test_ids_stay_in_the_next_update_as_well() -> None:
    issued = {url: f"issued-{index}" for index, url in enumerate(by_url(MESSAGE)) if index}
    first = request_bundle(plain_request(), envelope())
    second = update_bundle(first, plain_request(), issued_ids=issued, envelope=envelope(message=2, at=LATER))
    changed = plain_request(case_number="NAS-0043")
    third = orjson.loads(update_bundle(second, changed, issued_ids={}, envelope=envelope(message=3, at=LATER)))

    assert only(third, "Patient")["id"] == issued[only(third, "ServiceRequest")["subject"]["reference"]]
    assert newer(orjson.loads(second), third) == ["MessageHeader", "Encounter"]


def test_what_no_longer_holds_is_retracted_once_and_stays_so() -> None:
    full = plain_request(
        flags=[{"category": "SG", "text": "one"}, {"category": "RC", "text": "two"}],
        allergies=[{"text": "Peanut"}],
        medications=[{"text": "Aspirin"}],
    )
    bare = plain_request(flags=[], presenting_complaint=None)
    first = request_bundle(full, envelope())
    second = update_bundle(first, bare, issued_ids={}, envelope=envelope(message=2, at=LATER))
    third = update_bundle(second, bare, issued_ids={}, envelope=envelope(message=3, at=LATER + timedelta(minutes=1)))

    after = orjson.loads(second)
    assert sorted(newer(orjson.loads(first), after)) == [
        "AllergyIntolerance",
        "Flag",
        "Flag",
        "MedicationStatement",
        "MessageHeader",
        "Observation",
    ]
    assert [flag.get("period", {}).get("id") for flag in resources(after, "Flag")] == [None, "withdrawn", "withdrawn"]
    assert newer(after, orjson.loads(third)) == ["MessageHeader"]
    received, _ = read_request(after)
    assert (received.flags, received.allergies, received.medications) == ((), (), ())
    assert received.presenting_complaint is None
    assert check_structure(second).issues == ()


def test_an_update_of_another_bundle_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Bundle\.id"):
        update_bundle(
            request_bundle(plain_request(), envelope()), plain_request(), issued_ids={}, envelope=envelope(bundle=2)
        )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(before=requests(), now=requests())
def test_an_update_says_what_holds_now(before: Request, now: Request) -> None:
    now = now.model_copy(update={"journey_id": before.journey_id, "use_case": before.use_case})
    raw = update_bundle(request_bundle(before, envelope()), now, issued_ids={}, envelope=envelope(message=2, at=LATER))
    received, _ = read_request(orjson.loads(raw))

    assert check_structure(raw).issues == ()
    told = {name: value for name, value in now if name != "birth_sex_consent"}  # decides what is told, and is not told
    assert {name: getattr(received, name) for name in told} == told
