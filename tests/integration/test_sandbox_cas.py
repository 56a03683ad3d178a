"""The simulated CAS over real HTTP: acknowledgement, scripts, updates, cancellation, reading back."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cad_bridge.sandbox import plans
from cad_bridge.sandbox.actions import Complete, Defect, Outcome, Start
from cad_bridge.sandbox.clock import ManualClock, ScaledClock
from cad_bridge.sandbox.server import DEMO_CAS
from tests.unit.sandbox.world import (
    EOC,
    StandIn,
    a_validation_request,
    a_world,
    code_of,
    header_of,
    of_type,
    until,
)

CAS = DEMO_CAS.service_id


async def _acknowledged(eoc: StandIn, **changed: Any) -> dict[str, Any]:
    answer = await eoc.send(a_validation_request(CAS, **changed), target=CAS)
    assert answer.status_code == 200, answer.text
    bundle: dict[str, Any] = answer.json()
    return bundle


async def test_acknowledges_with_ids_and_a_planned_encounter() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        request = a_validation_request(CAS)
        request_id, correlation_id = str(uuid.uuid4()), str(uuid.uuid4())
        answer = await eoc.send(request, target=CAS, request_id=request_id, correlation_id=correlation_id)
    body = answer.json()
    own = of_type(body, "Encounter")[1]
    assert answer.status_code == 200
    assert (answer.headers["x-request-id"], answer.headers["x-correlation-id"]) == (request_id, correlation_id)
    assert own["status"] == "planned"
    assert own["identifier"][0]["value"].startswith("CAS-")
    assert own["episodeOfCare"] == of_type(request, "Encounter")[0]["episodeOfCare"]
    assert all(resource.get("id") for resource in of_type(body, "ServiceRequest") + of_type(body, "CarePlan"))
    assert body["id"] == request["id"]


@pytest.mark.parametrize(
    ("form", "held"),
    [
        ("identifier-only", {"identifier"}),
        ("id-only", {"id"}),
        ("no-ids", {"identifier"}),
        ("no-encounter", None),
    ],
)
async def test_acknowledgement_comes_in_the_forms_that_the_wild_has(form: Any, held: set[str] | None) -> None:
    plan = plans.Plan("form", acknowledgement=form)
    async with a_world(plan=plan) as eoc:
        body = await _acknowledged(eoc)
    encounters = of_type(body, "Encounter")
    assert len(encounters) == (1 if held is None else 2)
    if held is not None:
        assert {"id", "identifier"} & set(encounters[1]) == held
    assert ("id" in of_type(body, "ServiceRequest")[0]) == (form != "no-ids")


async def test_interim_then_final_under_the_ids_of_the_conversation() -> None:
    async with a_world(plan=plans.complete(Outcome.HEAR_AND_TREAT)) as eoc:
        request = a_validation_request(CAS)
        correlation_id = str(uuid.uuid4())
        await eoc.send(request, target=CAS, correlation_id=correlation_id)
        await until(lambda: len(eoc.sandbox.journal.entries) == 3)
        headers = [header for header, _ in eoc.received]
        interim, final = eoc.responses
        passed = [entry.service for entry in eoc.sandbox.journal.entries]
    assert [header_of(message)["reason"]["coding"][0]["code"] for message in (interim, final)] == ["new", "update"]
    assert {header["x-correlation-id"] for header in headers} == {correlation_id}
    assert headers[0]["x-request-id"] != headers[1]["x-request-id"]
    assert headers[1]["use-context"] == "a4t1|validation|servicerequest-response|update"
    assert "authorization" not in headers[0]
    assert {header_of(message)["response"]["identifier"] for message in (interim, final)} == {request["id"]}
    assert of_type(interim, "Encounter")[1]["status"] == "in-progress"
    assert of_type(final, "CarePlan")[0]["status"] == "completed"
    assert passed == [CAS, EOC.service_id, EOC.service_id]


async def test_time_stands_still_until_the_clock_is_moved() -> None:
    clock = ManualClock()
    async with a_world(plan=plans.complete(start_after=60, consult=300), clock=clock) as eoc:
        await _acknowledged(eoc)
        await until(lambda: clock.waiting == 1)
        assert eoc.responses == []
        clock.advance(60)
        await until(lambda: len(eoc.responses) == 1)
        await until(lambda: clock.waiting == 1)
        clock.advance(299)
        assert clock.waiting == 1
        clock.advance(1)
        await until(lambda: len(eoc.responses) == 2)


async def test_upgrade_brings_an_itk_case_and_a_new_clock_start() -> None:
    async with a_world(plan=plans.upgrade(cad_id="S0000000042")) as eoc:
        request = a_validation_request(CAS, now=datetime.now(UTC))
        await eoc.send(request, target=CAS)
        await until(lambda: len(eoc.responses) == 2)
        itk = eoc.sandbox.cas.itk_requests
    final = eoc.responses[1]
    care_plan = of_type(final, "CarePlan")[0]
    third = of_type(final, "Encounter")[2]
    linked = care_plan["activity"][0]["outcomeReference"][0]["reference"]
    assert third["identifier"][0]["value"] == "S0000000042"
    assert linked == f"urn:uuid:{third['id']}"
    assert [(made.arp, made.cad_id) for made in itk] == [("C2", "S0000000042")]
    assert datetime.fromisoformat(care_plan["period"]["start"]) > datetime.fromisoformat(
        of_type(request, "CarePlan")[0]["period"]["start"]
    )


async def test_rejection_is_an_interim_response_with_a_reason() -> None:
    async with a_world(plan=plans.reject("OTH", "No answer")) as eoc:
        await _acknowledged(eoc)
        await until(lambda: eoc.responses)
    own = of_type(eoc.responses[0], "Encounter")[1]
    assert header_of(eoc.responses[0])["definition"].endswith("response-validation-interim")
    assert own["status"] == "cancelled"
    assert own["reasonCode"][0]["coding"][0]["code"] == "OTH"
    assert own["reasonCode"][0]["text"] == "No answer"


async def test_orders_that_a_requester_must_survive() -> None:
    async with a_world(plan=plans.final_before_interim()) as eoc:
        cas = eoc.sandbox.cas
        cas.script.for_case_number("TWO-*", plans.two_finals())
        cas.script.for_text("settled at rest", plans.final_only(Outcome.DOWNGRADE))
        await _acknowledged(eoc, case_number="TURNED-1")
        await until(lambda: len(eoc.responses) == 2)
        await _acknowledged(eoc, case_number="TWO-1")
        await until(lambda: len(eoc.responses) == 5)
        await _acknowledged(eoc, case_number="TEXT-1", summary="Chest tight, settled at REST")
        await until(lambda: len(eoc.responses) == 6)
    turned, two, text = eoc.responses[:2], eoc.responses[2:5], eoc.responses[5]
    assert [of_type(message, "Encounter")[1]["status"] for message in turned] == ["finished", "in-progress"]
    assert [len(of_type(message, "CarePlan")) for message in two] == [0, 1, 1]
    assert [of_type(message, "CarePlan")[0]["status"] for message in two[1:]] == ["completed", "active"]
    assert header_of(text)["reason"]["coding"][0]["code"] == "new"


async def test_a_response_can_come_before_the_200() -> None:
    async with a_world(plan=plans.response_before_acknowledgement()) as eoc:
        eoc.gate = asyncio.Event()
        sending = asyncio.create_task(eoc.send(a_validation_request(CAS), target=CAS))
        await until(lambda: eoc.raw)
        assert not sending.done()
        eoc.gate.set()
        answer = await sending
        await until(lambda: len(eoc.responses) == 2)
    assert answer.status_code == 200


async def test_a_late_final_waits_for_the_breach_time() -> None:
    now = datetime.now(UTC)
    clock = ManualClock(now)
    async with a_world(plan=plans.late_final(after_breach=30), clock=clock) as eoc:
        await _acknowledged(eoc, breach_at=now + timedelta(minutes=10))
        await until(lambda: clock.waiting == 1)
        clock.advance(600 + 29)
        assert clock.waiting == 1
        clock.advance(1)
        await until(lambda: eoc.responses)


@pytest.mark.parametrize("defect", [Defect.NOT_JSON, Defect.NO_VERSION, Defect.UNKNOWN_IDENTIFIER, Defect.NO_RESPONSE])
async def test_malformed_responses_leave_and_change_nothing(defect: Defect) -> None:
    async with a_world(plan=plans.malformed(defect)) as eoc:
        await _acknowledged(eoc)
        await until(lambda: eoc.raw)
        assert [case.encounter_status for case in eoc.sandbox.cas.cases] == ["planned"]


async def test_a_refusal_by_script_is_answered_at_once() -> None:
    async with a_world(plan=plans.refuse()) as eoc:
        answer = await eoc.send(a_validation_request(CAS), target=CAS)
        assert len(eoc.sandbox.cas.cases) == 0
    assert (answer.status_code, code_of(answer.json())) == (422, ("REC_UNPROCESSABLE_ENTITY", "not-supported"))


async def test_repeats_are_duplicates_after_success_only() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        request_id = str(uuid.uuid4())
        good = a_validation_request(CAS)
        bad = good | {"meta": {}}
        answers = [await eoc.send(body, target=CAS, request_id=request_id) for body in (bad, good, good)]
        assert len(eoc.sandbox.cas.cases) == 1
    assert [answer.status_code for answer in answers] == [400, 200, 409]
    assert code_of(answers[2].json()) == ("REC_CONFLICT", "duplicate")


async def test_a_repeat_while_in_work_is_too_early() -> None:
    async with a_world(plan=plans.response_before_acknowledgement()) as eoc:
        eoc.gate = asyncio.Event()
        request, request_id = a_validation_request(CAS), str(uuid.uuid4())
        first = asyncio.create_task(eoc.send(request, target=CAS, request_id=request_id))
        await until(lambda: eoc.raw)
        second = await eoc.send(request, target=CAS, request_id=request_id)
        eoc.gate.set()
        assert (await first).status_code == 200
    assert (second.status_code, code_of(second.json())) == (425, ("REC_TOO_EARLY", "duplicate"))


def _wrong(change: Any) -> dict[str, Any]:
    bundle = a_validation_request(CAS)
    change(bundle)
    return bundle


INVARIANT = ("REC_BAD_REQUEST", "invariant")
NOT_SUPPORTED = ("REC_UNPROCESSABLE_ENTITY", "not-supported")


def _no_collection(bundle: dict[str, Any]) -> None:
    bundle["type"] = "collection"


def _no_version(bundle: dict[str, Any]) -> None:
    del bundle["meta"]["versionId"]


def _future_version(bundle: dict[str, Any]) -> None:
    bundle["meta"]["versionId"] = "9.9.9"


def _for_another(bundle: dict[str, Any]) -> None:
    header_of(bundle)["destination"][0]["endpoint"] = EOC.service_id


def _completed_plan(bundle: dict[str, Any]) -> None:
    of_type(bundle, "CarePlan")[0]["status"] = "completed"


def _draft(bundle: dict[str, Any]) -> None:
    of_type(bundle, "ServiceRequest")[0]["status"] = "draft"


def _incomplete(bundle: dict[str, Any]) -> None:
    del bundle["entry"][-1]


def _other_use_case(bundle: dict[str, Any]) -> None:
    of_type(bundle, "ServiceRequest")[0]["category"][0]["coding"][1]["code"] = "a6t1"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (_no_collection, 400, INVARIANT),
        (_no_version, 400, INVARIANT),
        (_future_version, 422, NOT_SUPPORTED),
        (_for_another, 404, ("REC_NOT_FOUND", "not-found")),
        (_completed_plan, 400, INVARIANT),
        (_draft, 400, INVARIANT),
        (_incomplete, 400, INVARIANT),
        (_other_use_case, 422, NOT_SUPPORTED),
    ],
)
async def test_refuses_what_the_standard_refuses(change: Any, status: int, code: tuple[str, str]) -> None:
    async with a_world(plan=plans.silent()) as eoc:
        answer = await eoc.send(_wrong(change), target=CAS)
        assert len(eoc.sandbox.cas.cases) == 0
    assert (answer.status_code, code_of(answer.json())) == (status, code)


async def test_sends_again_until_delivered_with_the_same_bytes() -> None:
    async with a_world(plan=plans.reject()) as eoc:
        eoc.statuses = [503, 500]
        await _acknowledged(eoc)
        await until(lambda: len(eoc.sandbox.cas.performed) == 1)
        performed = eoc.sandbox.cas.performed[0]
    assert performed.sent.attempts == 3
    assert performed.sent.delivered
    assert len(set(eoc.raw)) == 1
    assert len({header["x-request-id"] for header, _ in eoc.received}) == 1


async def test_update_is_merged_and_acknowledged() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        requester = eoc.sandbox.requester
        requested = await requester.send_validation(CAS)
        sent = await requester.send_update(requested, summary="Now pale as well", breach_in=timedelta(minutes=5))
        case = next(iter(eoc.sandbox.cas.cases))
    care_plan = case.held.one("CarePlan")
    assert sent.status == 200
    assert case.updates == 1
    assert care_plan["activity"][0]["outcomeCodeableConcept"][-1] == {"text": "Now pale as well"}
    assert care_plan["id"] == of_type(requested.known, "CarePlan")[0]["id"]
    assert len(case.held.of_type("CarePlan")) == 1
    assert eoc.sandbox.cas.findings == []


async def test_cancellation_stops_the_script() -> None:
    clock = ManualClock()
    async with a_world(plan=plans.complete(), clock=clock) as eoc:
        requester, cas = eoc.sandbox.requester, eoc.sandbox.cas
        requested = await requester.send_validation(CAS)
        await until(lambda: clock.waiting == 1)
        sent = await requester.send_cancellation(requested)
        await until(lambda: clock.waiting == 0)
        read = await requester.read_back(requested)
        clock.advance(3600)
        again = await eoc.send(json.loads(sent.body), target=CAS)
        assert cas.performed == []
    assert sent.status == 200
    assert read.answer is not None
    assert read.answer["status"] == "revoked"
    assert (again.status_code, code_of(again.json())) == (409, ("REC_CONFLICT", "conflict"))


async def test_reads_and_searches() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        body = await _acknowledged(eoc)
        issued = of_type(body, "ServiceRequest")[0]["id"]
        identifier = of_type(body, "Patient")[0]["identifier"][0]
        query = f"ServiceRequest?patient:identifier={identifier['system']}|{identifier['value']}"
        read = await eoc.get(f"ServiceRequest/{issued}", target=CAS)
        found = await eoc.get(query, target=CAS)
        statuses = [
            (await eoc.get(path, target=CAS)).status_code
            for path in ("ServiceRequest/123", f"ServiceRequest/{uuid.uuid4()}", "ServiceRequest")
        ]
    assert (read.json()["id"], read.json()["status"]) == (issued, "active")
    assert [held["resource"]["id"] for held in found.json()["entry"]] == [issued]
    assert statuses == [400, 404, 400]


async def test_says_what_it_serves() -> None:
    async with a_world() as eoc:
        capabilities = (await eoc.get("metadata", target=CAS)).json()
        definitions = (await eoc.get(f"MessageDefinition?context={CAS}", target=CAS)).json()
        statuses = [
            (await eoc.get(path, target=CAS)).status_code
            for path in ("MessageDefinition", "MessageDefinition?context=2099999999")
        ]
    supported = capabilities["messaging"][0]["supportedMessage"]
    urls = [held["resource"]["url"] for held in definitions["entry"]]
    assert {"mode": "receiver", "definition": urls[0]} in supported
    assert urls[0].endswith("request-validation")
    assert statuses == [400, 404]


async def test_notes_what_is_wrong_but_acceptable() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        bundle = a_validation_request(CAS)
        bundle["entry"] = [held for held in bundle["entry"] if held["resource"]["resourceType"] != "Flag"]
        of_type(bundle, "Patient")[0]["generalPractitioner"] = [{"reference": f"urn:uuid:{uuid.uuid4()}"}]
        answer = await eoc.send(bundle, target=CAS, **{"use-context": "a4t1|validation|servicerequest-request|new"})
        noted = "\n".join(eoc.sandbox.cas.findings)
    assert answer.status_code == 200
    assert "APP4-VR-07" in noted
    assert "CORE-BND-10: a reference of Patient" in noted
    assert "CORE-HDR-18" not in noted
    assert "CORE-HDR-06/07" in noted


async def test_acts_by_hand_outside_any_plan() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        await _acknowledged(eoc, case_number="BY-HAND-1")
        cas = eoc.sandbox.cas
        case = cas.cases.by_case_number("BY-HAND-1")
        await cas.act(case, Start())
        await cas.act(case, Complete(Outcome.SAME))
        assert len(eoc.responses) == 2
        assert cas.errors == []


async def test_a_plan_that_cannot_be_carried_out_is_kept_as_an_error() -> None:
    async with a_world(plan=plans.attend(), clock=ScaledClock(0)) as eoc:
        await _acknowledged(eoc)
        await until(lambda: len(eoc.sandbox.cas.errors) == 3)
        assert eoc.responses == []
