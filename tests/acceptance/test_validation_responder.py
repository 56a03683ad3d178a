"""A remote system asks our CAS: accepted, queued, worked by a clinician through the local API, answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from cad_bridge.clock import ManualClock
from tests import messages
from tests.service import CLINICIAN_KEY, OUR_CAS, Running, configuration, serving
from tests.shared_material import SHARED, needs_shared

REQUESTS = SHARED / "bars" / "examples" / "requests"
VALREQ01 = "valreq01-validation-request-new-full-999-to-cas.json"
VALREQ03 = "valreq03-validation-request-new-full-ampds-999-to-cas.json"
NOWHERE = "http://127.0.0.1:9"


def official(name: str) -> dict[str, Any]:
    """An official message, unchanged but for its addressing: to our CAS."""
    bundle: dict[str, Any] = json.loads((REQUESTS / name).read_text(encoding="utf-8"))
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "MessageHeader":
            resource["destination"][0]["endpoint"] = OUR_CAS
    return bundle


async def _received(running: Running) -> dict[str, Any]:
    cases = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"]
    assert len(cases) == 1
    case: dict[str, Any] = cases[0]
    return case


@needs_shared
@pytest.mark.parametrize("name", [VALREQ01, VALREQ03])
@pytest.mark.req("CORE-SYNC-01", "CORE-SYNC-02", "CORE-SYNC-04")
async def test_an_official_request_is_accepted_with_a_planned_encounter(database_url: str, name: str) -> None:
    async with serving(configuration(base_url=NOWHERE), database_url, background=False) as running:
        ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
        answer = await running.post_message(official(name), headers=ids)
        assert answer.status_code == 200, answer.text
        assert {name: answer.headers[name] for name in ids} == ids
        encounters = [e["resource"] for e in answer.json()["entry"] if e["resource"]["resourceType"] == "Encounter"]
        planned = [encounter for encounter in encounters if encounter["status"] == "planned"]
        assert len(encounters) == 2
        assert len(planned) == 1
        case = await _received(running)
        assert planned[0]["identifier"][0]["value"] == case["case_number"]
        assert all("id" in entry["resource"] for entry in answer.json()["entry"])
        assert case["state"] == "received"
        assert case["remote_case_number"] == "sender1234"


def _without_identifiers(patient: dict[str, Any]) -> None:
    patient.pop("identifier", None)


def _unknown(patient: dict[str, Any]) -> None:
    for name in ("identifier", "name", "birthDate", "gender", "address"):
        patient.pop(name, None)


@pytest.mark.parametrize("spoil", [_without_identifiers, _unknown])
@pytest.mark.req("APP-COM-20", "APP-COM-21")
async def test_a_patient_whom_nobody_knows_is_taken_like_any_other(database_url: str, spoil: Any) -> None:
    known = messages.validation_request(destination=OUR_CAS)
    spoil(next(e["resource"] for e in known["entry"] if e["resource"]["resourceType"] == "Patient"))
    async with serving(configuration(base_url=NOWHERE), database_url, background=False) as running:
        answer = await running.post_message(known)
        assert answer.status_code == 200, answer.text
        case = await _received(running)
        assert case["state"] == "received"
        assert "nhs_number" not in case["content"]["patient"]
        assert case["content"]["contacts"], "there is somebody to call"


@needs_shared
async def test_nobody_accepting_in_time_escalates(database_url: str) -> None:
    clock = ManualClock(datetime.now(UTC))
    config = configuration(base_url=NOWHERE)
    async with serving(config, database_url, clock=clock, background=False) as running:
        assert (await running.post_message(official(VALREQ01))).status_code == 200
        case = await _received(running)
        clock.advance(timedelta(minutes=10, seconds=1))
        await running.service.timers.sweep_once()
        events = [event["type"] for event in await running.events(case["id"], key=CLINICIAN_KEY)]
        assert events == ["case.created", "escalation.raised"]
