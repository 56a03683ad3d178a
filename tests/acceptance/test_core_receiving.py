"""What becomes of updates, cancellations and re-requests that other systems send, entry by entry."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from tests import messages
from tests.by_hand import RemoteCas
from tests.service import CLINICIAN_KEY, OUR_CAS, Running, configuration, serving

Bundle = dict[str, Any]


@pytest_asyncio.fixture
async def running(database_url: str) -> AsyncIterator[Running]:
    async with serving(configuration(base_url="http://127.0.0.1:9"), database_url, background=False) as service:
        yield service


class Conversation:
    """One remote system's side of one request."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.correlation = str(uuid4())

    async def post(self, bundle: Bundle) -> httpx.Response:
        ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": self.correlation}
        return await self._running.post_message(bundle, headers=ids)

    async def open(self, **changes: Any) -> tuple[Bundle, Bundle]:
        known = messages.validation_request(destination=OUR_CAS, **changes)
        answer = await self.post(known)
        assert answer.status_code == 200, answer.text
        return known, answer.json()


async def _cases(running: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"]
    return found


async def _held(running: Running) -> Bundle:
    """The request as it stands here."""
    query = text("SELECT body FROM held_requests ORDER BY updated_at DESC LIMIT 1")
    async with running.service.engine.database.connect() as connection:
        bundle: Bundle = json.loads(bytes((await connection.execute(query)).scalar_one()))
    return bundle


def _resources(bundle: Bundle, kind: str) -> list[dict[str, Any]]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def _later(minutes: int = 5) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def _flag(patient: str) -> dict[str, Any]:
    return {
        "resourceType": "Flag",
        "meta": {"lastUpdated": _later()},
        "status": "active",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "225915006", "display": "Violent behaviour"}]},
        "subject": {"reference": patient},
    }


def _url(bundle: Bundle, kind: str) -> str:
    found: str = next(e["fullUrl"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)
    return found


@pytest.mark.req("CORE-UPD-02", "CORE-UPD-03")
async def test_an_entry_of_another_name_is_added_and_never_merged(running: Running) -> None:
    talk = Conversation(running)
    known, answer = await talk.open()
    for count in (1, 2):
        update = messages.update(known, answer, summary="Palpitations")
        flag = _flag(_url(update, "Patient"))
        update["entry"].append({"fullUrl": f"urn:uuid:{uuid4()}", "resource": flag})
        before = len(_resources(await _held(running), "Flag"))
        assert (await talk.post(update)).status_code == 200
        flags = _resources(await _held(running), "Flag")
        assert len(flags) == before + 1, f"update {count}: same type, another fullUrl and id"
        assert flags[-1]["meta"]["lastUpdated"] == flag["meta"]["lastUpdated"]


@pytest.mark.req("CORE-UPD-02")
@pytest.mark.parametrize("by", ["fullUrl", "id"])
async def test_an_entry_is_the_same_by_its_full_url_or_by_the_id_that_we_issued(running: Running, by: str) -> None:
    talk = Conversation(running)
    known, answer = await talk.open()
    update = messages.update(known, answer, summary="Palpitations, now dizzy")
    plan = _resources(update, "CarePlan")[0]
    if by == "id":
        plan["id"] = _resources(answer, "CarePlan")[0]["id"]
        renamed = json.dumps(update).replace(_url(update, "CarePlan"), f"urn:uuid:{uuid4()}")
        update = json.loads(renamed)
    else:
        plan.pop("id", None)
    assert (await talk.post(update)).status_code == 200
    held = await _held(running)
    assert len(_resources(held, "CarePlan")) == 1
    assert (await _cases(running))[0]["content"]["triage"]["summary"] == "Palpitations, now dizzy"


@pytest.mark.req("CORE-UPD-04")
async def test_what_is_held_has_the_time_of_the_update(running: Running) -> None:
    talk = Conversation(running)
    known, answer = await talk.open()
    update = messages.update(known, answer, summary="Palpitations, now dizzy")
    update["meta"]["lastUpdated"] = "2026-11-21T10:00:00.1234567+00:00"
    assert (await talk.post(update)).status_code == 200
    assert (await _held(running))["meta"]["lastUpdated"] == "2026-11-21T10:00:00.1234567+00:00"


@pytest.mark.req("CORE-UPD-06")
@pytest.mark.parametrize("ended_by", ["reject", "complete"])
async def test_an_update_that_collides_with_what_was_decided_here_changes_nothing(
    running: Running, ended_by: str
) -> None:
    """X-14: received resources are not edited here; what an update can collide with is the end of the case."""
    talk = Conversation(running)
    known, answer = await talk.open()
    case = (await _cases(running))[0]
    practitioner = {"sds_role_profile_id": "PT1", "name": {"family": "Nurse", "given": ["Nell"]}, "role": "Nurse"}
    ending = {
        "reject": {"code": "OTH", "text": "No capacity", "practitioner": practitioner},
        "complete": {"dispatch_required": False, "arp": "C5", "summary": "Advice", "practitioner": practitioner},
    }
    if ended_by == "complete":
        started = {"practitioner": practitioner}
        await running.api("POST", f"/cases/{case['id']}/accept", key=CLINICIAN_KEY, json=started)
        await running.api("POST", f"/cases/{case['id']}/start", key=CLINICIAN_KEY, json=started)
    done = await running.api("POST", f"/cases/{case['id']}/{ended_by}", key=CLINICIAN_KEY, json=ending[ended_by])
    assert done.status_code == 200, done.text
    before = (await _held(running), await running.case(case["id"], key=CLINICIAN_KEY))
    update = messages.update(known, answer, summary="Palpitations, now dizzy")
    update["entry"].append({"fullUrl": f"urn:uuid:{uuid4()}", "resource": _flag(_url(update, "Patient"))})
    refused = await talk.post(update)
    issue = refused.json()["issue"][0]
    triple = (refused.status_code, issue["details"]["coding"][0]["code"], issue["code"])
    assert triple == (409, "REC_CONFLICT", "conflict")
    assert (await _held(running), await running.case(case["id"], key=CLINICIAN_KEY)) == before


@pytest.mark.req("CORE-WF-05", "CORE-WF-03", "CORE-MH-08")
async def test_a_case_is_requested_anew_after_it_was_revoked(running: Running) -> None:
    talk = Conversation(running)
    known, answer = await talk.open()
    again = copy.deepcopy(known)
    assert (await talk.post(again)).status_code == 409, "one request of a case is active at a time"
    assert (await talk.post(messages.cancellation(known, answer))).status_code == 200
    assert (await talk.post(again)).status_code == 200
    assert sorted(case["state"] for case in await _cases(running)) == ["cancelled", "received"]


@pytest.mark.req("CORE-WF-02", "CORE-WF-13", "CORE-BND-02")
@pytest.mark.parametrize("query", ["", "?async=true"])
async def test_a_message_is_processed_when_it_is_answered(running: Running, query: str) -> None:
    """No booking came before; async=true changes nothing; the case is there as soon as the answer is."""
    bundle = messages.validation_request(destination=OUR_CAS)
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
    url = f"{running.url}/FHIR/R4/$process-message{query}"
    answer = await running.client.post(url, content=json.dumps(bundle), headers=ids)
    assert answer.status_code == 200
    assert answer.json()["resourceType"] == "Bundle"
    assert [case["state"] for case in await _cases(running)] == ["received"]


@pytest.mark.req("CORE-ERR-PM-03")
async def test_a_message_that_was_processed_is_a_duplicate(running: Running) -> None:
    bundle = messages.validation_request(destination=OUR_CAS)
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
    assert (await running.post_message(bundle, headers=ids)).status_code == 200
    again = await running.post_message(bundle, headers=ids)
    issue = again.json()["issue"][0]
    triple = (again.status_code, issue["details"]["coding"][0]["code"], issue["code"])
    assert triple == (409, "REC_CONFLICT", "duplicate")
    assert len(await _cases(running)) == 1


@pytest.mark.req("CORE-CAN-07")
@pytest.mark.parametrize(
    ("patient", "status"),
    [
        ({"identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990548609"}]}, 409),
        ({"identifier": None, "birthDate": "1901-01-01"}, 409),
        ({"birthDate": "1901-01-01"}, 200),
        ({"identifier": None}, 200),
    ],
    ids=["another NHS number", "no number, another birth date", "the number is the same", "nothing contradicts"],
)
@pytest.mark.req("HAZ-H07-03")
async def test_a_cancellation_that_names_another_patient_ends_nothing(
    running: Running, patient: dict[str, Any], status: int
) -> None:
    talk = Conversation(running)
    known, answer = await talk.open()
    cancellation = messages.cancellation(known, answer)
    named = _resources(cancellation, "Patient")[0]
    named.update(patient)
    if named["identifier"] is None:
        del named["identifier"]
    replied = await talk.post(cancellation)
    assert replied.status_code == status, replied.text
    state = (await _cases(running))[0]["state"]
    assert state == ("received" if status == 409 else "cancelled")
    if status == 409:
        assert replied.json()["issue"][0]["code"] == "conflict"
        assert "9990548609" not in replied.text


@pytest.mark.req("CORE-CAN-12")
@pytest.mark.req("APP-COM-29")
async def test_nothing_asks_the_receiver_to_tell_the_patient_of_a_cancellation(running: Running) -> None:
    talk = Conversation(running)
    known, answer = await talk.open()
    assert (await talk.post(messages.cancellation(known, answer))).status_code == 200
    case = await running.case((await _cases(running))[0]["id"], key=CLINICIAN_KEY)
    assert case["state"] == "cancelled"
    assert case["deadlines"] == []
    assert case["escalations"] == []


async def _correct(running: Running, case_id: str, *parts: str) -> None:
    body = {"parts": list(parts), "by": "Ann", "note": "The caller gave another house number"}
    answer = await running.api("PUT", f"/cases/{case_id}/corrections", key=CLINICIAN_KEY, json=body)
    assert (answer.status_code, answer.json()["corrected"]) == (200, sorted(parts)), answer.text


@pytest.mark.req("CORE-UPD-05", "CORE-UPD-07", "CORE-ERR-PM-05")
async def test_an_update_of_what_was_corrected_here_is_refused_as_a_whole(running: Running) -> None:
    talk = Conversation(running)
    known, answer = await talk.open()
    case = (await _cases(running))[0]
    await _correct(running, case["id"], "incident_location", "patient")
    update = messages.update(known, answer, summary="Palpitations, now dizzy")
    place = next(r for r in _resources(update, "Location") if r.get("address"))
    place["address"]["line"] = ["2 Another Street"]
    place["meta"]["lastUpdated"] = _later()
    update["entry"].append({"fullUrl": f"urn:uuid:{uuid4()}", "resource": _flag(_url(update, "Patient"))})
    before = await _held(running)
    refused = await talk.post(update)
    assert refused.status_code == 409, refused.text
    issue = refused.json()["issue"][0]
    assert (issue["code"], issue["details"]["coding"][0]["code"]) == ("conflict", "REC_CONFLICT")
    assert "incident_location" in issue["diagnostics"]
    assert "Another Street" not in refused.text
    assert await _held(running) == before, "nothing of it is merged"
    after = await running.case(case["id"], key=CLINICIAN_KEY)
    assert after["content"] == case["content"]
    told = (await running.events(case["id"], key=CLINICIAN_KEY))[-1]
    assert (told["type"], told["data"]["conflict"]) == ("case.updated", ["incident_location"])
    await _correct(running, case["id"])
    again = Conversation(running)
    again.correlation = talk.correlation
    assert (await again.post(update)).status_code == 200
    assert (await running.case(case["id"], key=CLINICIAN_KEY))["content"] != case["content"]


async def test_an_update_of_other_parts_than_the_corrected_ones_is_taken(running: Running) -> None:
    talk = Conversation(running)
    known, answer = await talk.open()
    case = (await _cases(running))[0]
    await _correct(running, case["id"], "incident_location")
    assert (await talk.post(messages.update(known, answer, summary="Now dizzy"))).status_code == 200
    after = await running.case(case["id"], key=CLINICIAN_KEY)
    assert (after["content"]["triage"]["summary"], after["corrected"]) == ("Now dizzy", ["incident_location"])
    unknown = {"parts": ["breach_at"]}
    path = f"/cases/{case['id']}/corrections"
    assert (await running.api("PUT", path, key=CLINICIAN_KEY, json=unknown)).status_code == 422


@pytest.mark.req("CORE-MH-18", "CORE-MH-17")
@pytest.mark.parametrize("form", ["urn:uuid:{}", "{}"])
async def test_a_final_that_names_the_interim_belongs_to_the_case_of_both(running: Running, form: str) -> None:
    """X-12: one published final response names the interim and not the request."""
    other = await running.open_case()
    case = await running.open_case()
    cas = await RemoteCas.of(running, case["id"])
    interim = cas.interim()
    assert (await cas.post(interim)).status_code == 200
    final = cas.final()
    _resources(final, "MessageHeader")[0]["response"]["identifier"] = form.format(interim["id"])
    assert (await cas.post(final)).status_code == 200
    assert (await running.case(case["id"]))["state"] == "completed"
    assert (await running.case(other["id"]))["state"] == "sent"


@pytest.mark.req("CORE-MH-06", "CORE-HDR-10")
async def test_who_sent_a_request_is_kept_for_the_answer_and_the_audit(running: Running) -> None:
    """Where no response is expected as well: the sender stands with every message and its headers."""
    bundle = messages.validation_request(destination=OUR_CAS)
    software = {"resourceType": "Device", "deviceName": {"name": "EOC CAD"}, "version": {"value": "1.2"}}
    given = {"NHSD-Requesting-Software": base64.b64encode(json.dumps(software).encode()).decode()}
    assert (await running.post_message(bundle, headers=given)).status_code == 200
    source = _resources(bundle, "MessageHeader")[0]["source"]["endpoint"]
    async with running.service.engine.database.connect() as connection:
        (kept,) = (await connection.execute(text("SELECT remote_service, headers FROM messages"))).all()
    assert kept.remote_service == source == (await _cases(running))[0]["sender"]
    assert kept.headers["nhsd-requesting-software"] == given["NHSD-Requesting-Software"]
