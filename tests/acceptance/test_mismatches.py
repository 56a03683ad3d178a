"""Updates, cancellations and responses that do not fit the case they seem to mean: refused, and raised to a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson
import pytest

from cad_bridge.sandbox import plans
from cad_bridge.sandbox.actions import Defect, Malformed, Refuse
from tests.by_hand import a_clock, messages_of, reasons_of, send_due
from tests.referrals import OTHER_AST, RemoteSender, ids, party, receiving, refer, referring
from tests.service import Running

STRANGER = party(OTHER_AST, "RX7", "North West Ambulance Service")
OTHER_PATIENT = {"nhs_number": {"value": "9990548609", "verification": "number-present-and-verified"}}


async def _received(running: Running, sender: RemoteSender) -> dict[str, Any]:
    known = {case["id"] for case in await _cases(running)}
    answer = await sender.post(running, sender.new())
    assert answer.status_code == 200, answer.text
    (case,) = [case for case in await _cases(running) if case["id"] not in known]
    return case


async def _cases(running: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await running.api("GET", "/cases")).json()["cases"]
    return found


def _with_patient(message: bytes, nhs_number: str) -> bytes:
    bundle = orjson.loads(message)
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            entry["resource"]["identifier"][0]["value"] = nhs_number
    return orjson.dumps(bundle)


def _with_request_id(message: bytes, id_: str) -> bytes:
    bundle = orjson.loads(message)
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "ServiceRequest":
            entry["resource"]["id"] = id_
    return orjson.dumps(bundle)


async def _assert_raised_once(running: Running, case: dict[str, Any], **detail: str) -> None:
    now = await running.case(case["id"])
    assert reasons_of(now) == ["mismatched-message"]
    assert now["escalations"][0]["data"] | detail == now["escalations"][0]["data"]
    assert (now["state"], now["dispatch_duty"]) == (case["state"], case["dispatch_duty"])
    assert now["content"] == case["content"]


@pytest.mark.req("HAZ-H07-03", "CORE-CAN-07")
async def test_a_cancellation_of_another_patient_is_raised_once_and_kept_with_the_case(database_url: str) -> None:
    async with receiving(database_url) as running:
        sender = RemoteSender.of()
        case = await _received(running, sender)
        for _ in range(2):
            message = _with_patient(sender.cancellation(), "9990548609")
            answer = await sender.post(running, message)
            assert answer.status_code == 409
        await _assert_raised_once(running, case, why="another-patient", message="cancellation")
        kept = await messages_of(running, case["id"])
        assert [item["kind"] for item in kept] == ["request", *["mismatched-message"] * 2]
        assert kept[1]["status"] == 409
        assert (await sender.post(running, sender.cancellation())).status_code == 200


async def test_a_cancellation_from_another_service_is_not_found_there_and_raised_here(database_url: str) -> None:
    async with receiving(database_url) as running:
        sender = RemoteSender.of()
        case = await _received(running, sender)
        issued = (await running.case(case["id"]))["issued_ids"]
        request_id = issued[_request_url(sender.sent)]
        sender.envelope = replace(sender.envelope, sender=STRANGER)
        answer = await sender.post(running, _with_request_id(sender.cancellation(), request_id))
        assert answer.status_code == 404
        await _assert_raised_once(running, case, why="another-service", came_from=OTHER_AST)


def _request_url(message: bytes) -> str:
    found: str = next(
        e["fullUrl"] for e in orjson.loads(message)["entry"] if e["resource"]["resourceType"] == "ServiceRequest"
    )
    return found


@pytest.mark.parametrize("what", ["update", "cancellation"])
async def test_what_may_mean_several_cases_is_raised_on_each(database_url: str, what: str) -> None:
    async with receiving(database_url) as running:
        first = RemoteSender.of()
        second = replace(first, correlation_id=str(uuid4()))
        cases = [await _received(running, sender) for sender in (first, second)]
        for case in cases:
            # A new request means no case that is there, whatever names it reuses.
            assert "decision 7" not in {warning["rule"] for warning in case["warnings"]}
        message = first.cancellation() if what == "cancellation" else first.update(presenting_complaint="Worse")
        answer = await running.post_message(message, headers=ids())
        assert answer.status_code == 404
        for case in cases:
            await _assert_raised_once(running, case, why="several-cases", message=what)
        assert (await first.post(running, message)).status_code == 200


async def test_an_update_that_only_a_full_url_ties_to_a_case_is_of_its_patient_or_refused(database_url: str) -> None:
    async with receiving(database_url) as running:
        sender = RemoteSender.of()
        case = await _received(running, sender)
        worse = sender.update(presenting_complaint="Worse")
        assert (await running.post_message(_with_patient(worse, "9990548609"), headers=ids())).status_code == 409
        await _assert_raised_once(running, case, why="another-patient", message="update")
        assert (await running.post_message(worse, headers=ids())).status_code == 200
        now = await running.case(case["id"])
        assert now["content"]["presenting_complaint"] == "Worse"
        assert "decision 7" in {warning["rule"] for warning in now["warnings"]}


async def test_the_patient_of_a_case_may_be_corrected_in_its_own_conversation(database_url: str) -> None:
    async with receiving(database_url) as running:
        sender = RemoteSender.of()
        case = await _received(running, sender)
        traced = case["content"]["patient"] | OTHER_PATIENT
        assert (await sender.post(running, sender.update(patient=traced))).status_code == 200
        now = await running.case(case["id"])
        assert now["content"]["patient"]["nhs_number"]["value"] == "9990548609"
        assert reasons_of(now) == []
        assert "decision 7" not in {warning["rule"] for warning in now["warnings"]}


async def test_a_response_that_names_no_message_of_ours_is_raised_on_the_case_of_its_conversation(
    database_url: str,
) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        case = await refer(running, "a6t2")
        await send_due(running)
        assert running.sandbox is not None
        there = list(running.sandbox.ast.cases)[-1]
        await running.sandbox.ast.act(there, Malformed(Defect.UNKNOWN_IDENTIFIER, Refuse("RRNA", "No crew")))
        now = await running.case(case["id"])
        assert (now["state"], now["dispatch_duty"]) == ("pending", "sender")
        assert reasons_of(now) == ["unrecognised-response"]
