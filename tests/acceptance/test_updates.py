"""Updates and cancellations, both sides: read before write, merged by resource, never older over newer."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from cad_bridge.sandbox import plans
from cad_bridge.sandbox.plans import Script
from cad_bridge.sandbox.server import CasConfig
from tests import messages
from tests.service import CLINICIAN_KEY, OUR_CAS, Running, configuration, request_body, serving, with_sandbox

SILENT = CasConfig(script=Script(plans.silent()))


def _requests_seen(running: Running) -> list[tuple[str, str]]:
    """(method, what) of everything our CAD's case made the proxy see, in order."""
    assert running.sandbox is not None
    return [(item.method, item.path.rpartition("/")[2]) for item in running.sandbox.journal.entries]


def _ids(correlation: str) -> dict[str, str]:
    return {"X-Request-Id": str(uuid4()), "X-Correlation-Id": correlation}


def _resource(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)
    return found


@pytest.mark.req("APP4-VR-13", "APP-COM-26", "CORE-WF-11")
async def test_an_update_is_sent_after_reading_the_request_back_and_its_outcome_is_an_event(database_url: str) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        body = request_body()
        case = (await running.api("POST", "/validation-requests", json=body)).json()
        await running.state(case["id"], "pending")
        earlier = datetime.now(UTC) + timedelta(minutes=20)
        changed = body | {"breach_at": earlier.isoformat(), "presenting_complaint": "Palpitations, now dizzy"}
        answer = await running.api("POST", f"/cases/{case['id']}/update", json=changed)
        assert answer.status_code == 202, answer.text
        assert answer.json()["breach_at"] == earlier.isoformat()
        at_once = await running.event(case["id"], "case.updated")
        assert (at_once["data"]["changed"], at_once["data"]["breach_at"]) == (["breach_at"], earlier.isoformat())
        taken = await running.event(case["id"], "case.updated", update="taken")
        assert taken["data"]["breach_at"] == earlier.isoformat()
        assert [method for method, _ in _requests_seen(running)][-2:] == ["GET", "POST"]


@pytest.mark.req("APP4-VR-17", "CORE-CAN-01", "CORE-CAN-04")
async def test_a_cancellation_is_sent_after_reading_the_request_back(database_url: str) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        case = await running.open_case()
        await running.state(case["id"], "pending")
        answer = await running.api("POST", f"/cases/{case['id']}/cancel", json={"reason": "Patient called back"})
        assert answer.status_code == 202
        told = await running.event(case["id"], "case.updated")
        assert told["data"] == {"changed": ["cancellation"], "cancellation": "taken"}
        assert [method for method, _ in _requests_seen(running)][-2:] == ["GET", "POST"]
        sent = (await running.api("GET", f"/cases/{case['id']}/messages")).json()["messages"]
        assert [message["kind"] for message in sent] == ["request", "cancellation"]


async def _held(running: Running, correlation: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    known = messages.validation_request(destination=OUR_CAS)
    answer = await running.post_message(known, headers=_ids(correlation))
    assert answer.status_code == 200, answer.text
    case = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"][0]
    return known, answer.json(), case


@pytest.mark.req("APP4-VR-15", "CORE-UPD-01", "CORE-UPD-09")
async def test_a_received_update_is_merged_and_every_version_is_kept(database_url: str) -> None:
    correlation = str(uuid4())
    async with serving(configuration(base_url="http://127.0.0.1:9"), database_url, background=False) as running:
        known, answer, case = await _held(running, correlation)
        changed = messages.update(known, answer, summary="Palpitations, now dizzy")
        updated = await running.post_message(changed, headers=_ids(correlation))
        assert updated.status_code == 200, updated.text
        case = await running.case(case["id"], key=CLINICIAN_KEY)
        assert case["content"]["triage"]["summary"] == "Palpitations, now dizzy"
        events = [event["type"] for event in await running.events(case["id"], key=CLINICIAN_KEY)]
        assert events == ["case.created", "case.updated"]
        kept = (await running.api("GET", f"/cases/{case['id']}/messages", key=CLINICIAN_KEY)).json()["messages"]
        assert [message["kind"] for message in kept] == ["request", "update"]


@pytest.mark.req("CORE-UPD-07", "CORE-UPD-01")
@pytest.mark.req("HAZ-H07-02")
async def test_an_older_resource_never_overwrites_a_newer_one(database_url: str) -> None:
    correlation = str(uuid4())
    async with serving(configuration(base_url="http://127.0.0.1:9"), database_url, background=False) as running:
        known, answer, case = await _held(running, correlation)
        newer = messages.update(known, answer, summary="The newest")
        stale = copy.deepcopy(messages.update(known, answer, summary="An old one"))
        _resource(stale, "CarePlan")["meta"]["lastUpdated"] = "2021-01-01T00:00:00+00:00"
        for bundle, kept_out in ((newer, []), (stale, ["CORE-UPD-01"])):
            assert (await running.post_message(bundle, headers=_ids(correlation))).status_code == 200
            case = await running.case(case["id"], key=CLINICIAN_KEY)
            assert case["content"]["triage"]["summary"] == "The newest"
            # Kept out, and a person is told so.
            assert [item["rule"] for item in case["warnings"] if item["rule"] == "CORE-UPD-01"] == kept_out


@pytest.mark.req("CORE-UPD-10", "CORE-CAN-06")
@pytest.mark.parametrize("make", [messages.update, messages.cancellation])
@pytest.mark.req("APP4-VR-18")
async def test_what_is_not_held_is_not_found(database_url: str, make: Any) -> None:
    async with serving(configuration(base_url="http://127.0.0.1:9"), database_url, background=False) as running:
        known, answer, _ = await _held(running, str(uuid4()))
        strange = make(known, answer, **({"summary": "x"} if make is messages.update else {}))
        for entry in strange["entry"]:
            if entry["resource"]["resourceType"] == "ServiceRequest":
                entry["resource"]["id"] = str(uuid4())
        text = json.dumps(strange)
        url = next(e["fullUrl"] for e in strange["entry"] if e["resource"]["resourceType"] == "ServiceRequest")
        refused = await running.post_message(text.replace(url, f"urn:uuid:{uuid4()}").encode())
        assert refused.status_code == 404, refused.text
        assert refused.json()["issue"][0]["details"]["coding"][0]["code"] == "REC_NOT_FOUND"


@pytest.mark.req("CORE-CAN-03", "CORE-CAN-09")
@pytest.mark.parametrize("status", ["revoked", "entered-in-error"])
@pytest.mark.req("APP-COM-23")
async def test_a_cancellation_ends_the_case_and_a_second_one_is_a_conflict(database_url: str, status: str) -> None:
    correlation = str(uuid4())
    async with serving(configuration(base_url="http://127.0.0.1:9"), database_url, background=False) as running:
        known, answer, case = await _held(running, correlation)
        cancelled = messages.cancellation(known, answer, status=status)
        assert (await running.post_message(cancelled, headers=_ids(correlation))).status_code == 200
        assert (await running.case(case["id"], key=CLINICIAN_KEY))["state"] == "cancelled"
        again = await running.post_message(cancelled, headers=_ids(correlation))
        assert again.status_code == 409
        assert again.json()["issue"][0]["code"] == "conflict"
        request = _resource(answer, "ServiceRequest")
        read = await running.client.get(
            f"{running.url}/FHIR/R4/ServiceRequest/{request['id']}", headers=_ids(correlation)
        )
        assert read.json()["status"] == status
