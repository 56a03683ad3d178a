"""Two services of ours refer to each other through the proxy: what one sends, the other takes, strictly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cad_bridge.sandbox.proxy import ProxySettings
from cad_bridge.sandbox.server import SandboxConfig, start_sandbox
from cad_bridge.settings import key_digest
from tests.by_hand import a_clock, reasons_of, send_due, types_of
from tests.referrals import CAD_TO_CAD, LEEDS, NEWCASTLE, ids, location, referral_body, referral_configuration
from tests.service import CAD_KEY, CLINICIAN_KEY, DOS, EOC, OUR_CAS, Running, serving

OTHER_EOC = f"{DOS}|2000000016"
OTHER_KEY = "test-other-cad-key"


@asynccontextmanager
async def both_sides(database_url: str) -> AsyncIterator[Running]:
    """Yorkshire's and the North East's AST and a CAS in one installation; their messages go through the proxy."""
    ast = {"role": "ast", "use_cases": ["a3t1", *CAD_TO_CAD], "strict": True}
    services = [
        ast | {"id": EOC, "ods_code": "RX8", "name": "Yorkshire EOC"},
        ast | {"id": OTHER_EOC, "ods_code": "RX6", "name": "North East EOC"},
        {"id": OUR_CAS, "ods_code": "RYE", "name": "CAS", "role": "cas", "use_cases": ["a3t1"]},
    ]
    clients = [
        {"name": "yorkshire", "key_sha256": key_digest(CAD_KEY), "services": [EOC], "roles": ["cad"]},
        {"name": "north-east", "key_sha256": key_digest(OTHER_KEY), "services": [OTHER_EOC], "roles": ["cad"]},
        {"name": "cas", "key_sha256": key_digest(CLINICIAN_KEY), "services": [OUR_CAS], "roles": ["clinician"]},
    ]
    config = SandboxConfig(proxy=ProxySettings(require_token=False), cas=(), asts=(), requesters=())
    async with start_sandbox(config) as sandbox:
        settings = referral_configuration(base_url=sandbox.proxy_url, service=services, client=clients, remote=[])
        async with serving(settings, database_url, clock=a_clock(), background=False) as running:
            running.sandbox = sandbox
            for service in (EOC, OTHER_EOC, OUR_CAS):
                sandbox.route(service, f"{running.url}/FHIR/R4")
            yield running


async def _refer(running: Running, use_case: str, receiver: str | None, **changes: Any) -> dict[str, Any]:
    body = referral_body(use_case, receiver=receiver, **changes)
    answer = await running.api("POST", "/referrals", json=body)
    assert answer.status_code == 201, answer.text
    await send_due(running)
    return {**answer.json(), "body": body}


async def _theirs(running: Running, key: str = OTHER_KEY) -> dict[str, Any]:
    """The receiver's case."""
    found = (await running.api("GET", "/cases", key=key)).json()["cases"]
    assert len(found) == 1
    return await running.case(found[0]["id"], key=key)


async def _they(running: Running, action: str, key: str = OTHER_KEY, **body: Any) -> None:
    case = await _theirs(running, key)
    answer = await running.api("POST", f"/cases/{case['id']}/{action}", key=key, json=body)
    assert answer.status_code == 200, answer.text
    _advance(running)
    await send_due(running)


def _advance(running: Running) -> None:
    clock: Any = running.service.engine.now
    clock.advance(timedelta(seconds=2))


async def _duties(running: Running, case: dict[str, Any]) -> tuple[str, str]:
    ours, theirs = await running.case(case["id"]), await _theirs(running)
    return ours["dispatch_duty"], theirs["dispatch_duty"]


@pytest.mark.req("APP6-REF-27", "APP6-REF-21", "APP6-RSP-13")
async def test_an_out_of_area_referral_from_its_sieve_to_the_cleared_scene(database_url: str) -> None:
    async with both_sides(database_url) as running:
        case = await _refer(running, "a6t1", None, triage={"pre_triage_sieve": {"breathing": False}})
        assert case["receiver"] == OTHER_EOC
        assert await _duties(running, case) == ("receiver", "receiver")
        theirs = await _theirs(running)
        assert theirs["arp"] is None
        assert theirs["content"]["patient"] == case["content"]["patient"]
        _advance(running)
        triage = {"arp": "C1", "summary": "Cardiac arrest", "pre_triage_sieve": {"breathing": False}}
        told = await running.api("POST", f"/cases/{case['id']}/update", json=case["body"] | {"triage": triage})
        assert told.status_code == 202, told.text
        await send_due(running)
        assert (await _theirs(running))["arp"] == "C1"
        await _they(running, "accept")
        assert (await running.case(case["id"]))["state"] == "accepted"
        for status in ("in-progress", "planned", "in-progress", "finished"):
            await _they(running, "status", status=status)
        done = await running.case(case["id"])
        assert done["state"] == "completed"
        assert done["remote_case_number"] == theirs["case_number"]
        assert [c["status"] for c in done["status_history"]] == [
            "planned",
            "in-progress",
            "planned",
            "in-progress",
            "finished",
        ]
        assert reasons_of(done) == reasons_of(await _theirs(running)) == []


@pytest.mark.req("APP6-RSP-17", "APP6-RSP-09", "APP6-RSP-12")
async def test_a_call_assist_that_is_accepted_and_then_given_back(database_url: str) -> None:
    async with both_sides(database_url) as running:
        case = await _refer(running, "a6t2", OTHER_EOC)
        assert await _duties(running, case) == ("sender", "sender")
        await _they(running, "accept")
        assert await _duties(running, case) == ("receiver", "receiver")
        await _they(running, "reject", code="OTH", text="Our crew has broken down")
        back = await running.case(case["id"])
        assert back["state"] == "returned"
        assert await _duties(running, case) == ("sender", "sender")
        assert back["escalations"][0]["data"]["rejection"]["text"] == "Our crew has broken down"


@pytest.mark.req("APP6-REF-25")
async def test_mutual_aid_stays_ours_from_beginning_to_end(database_url: str) -> None:
    by = (datetime.now(UTC) + timedelta(minutes=30)).replace(microsecond=0)
    asked = {"text": "Double-crewed ambulance", "number": 2, "by": by.isoformat()}
    async with both_sides(database_url) as running:
        case = await _refer(running, "a6t3", OTHER_EOC, resource_requested=asked)
        duties = [await _duties(running, case)]
        for action, body in (("accept", {}), ("status", {"status": "in-progress"}), ("status", {"status": "finished"})):
            await _they(running, action, **body)
            duties.append(await _duties(running, case))
        assert set(duties) == {("sender", "sender")}
        theirs = await _theirs(running)
        assert theirs["content"]["resource_requested"]["number"] == 2
        assert datetime.fromisoformat(theirs["needed_by"]) == by
        assert "case.completed" not in await types_of(running, case["id"])
        assert (await running.api("POST", f"/cases/{case['id']}/close")).json()["state"] == "closed"


@pytest.mark.parametrize("use_case", ["a6t1", "a6t2", "a6t3"])
async def test_a_cancelled_referral_ends_on_both_sides(database_url: str, use_case: str) -> None:
    async with both_sides(database_url) as running:
        receiver = None if use_case == "a6t1" else OTHER_EOC
        case = await _refer(running, use_case, receiver)
        _advance(running)
        cancelled = await running.api("POST", f"/cases/{case['id']}/cancel", json={"reason": "Patient found"})
        assert cancelled.status_code == 202
        await send_due(running)
        assert (await _theirs(running))["state"] == "cancelled"
        assert await _duties(running, case) == ("sender", "sender")


@pytest.mark.req("APP6-SS-02", "APP6-SS-03", "APP-COM-18")
async def test_what_is_told_of_the_scene_and_the_patient_arrives_as_it_was_said(database_url: str) -> None:
    said: dict[str, Any] = {
        "scene_safety": {"status": "unsafe", "reasons": ["Dog loose", "Gas smelt"]},
        "flags": [{"category": "SG", "text": "Neglect", "date": "2026-11-21"}],
        "call_log": [{"at": "2026-11-21T12:00:00Z", "text": "Caller says the door is open"}],
        "crew_notes": [{"at": "2026-11-21T12:01:00Z", "text": "Narrow lane"}],
        "incident_location": location(NEWCASTLE, uprn="10001234567", supplementary="Round the back"),
    }
    async with both_sides(database_url) as running:
        case = await _refer(running, "a6t1", None, **said)
        content = (await _theirs(running))["content"]
        for name in said:
            assert content[name] == case["content"][name], name


@pytest.mark.req("APP3-REF-01", "APP3-REF-02", "APP3-INT-01")
async def test_a_category_5_referral_reaches_the_cas_and_nothing_comes_back(database_url: str) -> None:
    async with both_sides(database_url) as running:
        case = await _refer(running, "a3t1", OUR_CAS, incident_location=location(LEEDS))
        assert (await running.case(case["id"]))["dispatch_duty"] == "receiver"
        theirs = await _theirs(running, CLINICIAN_KEY)
        assert theirs["breach_at"] == case["breach_at"]
        assert theirs["dispatch_duty"] == "receiver"
        closed = await running.api("POST", f"/cases/{case['id']}/close")
        assert closed.json()["state"] == "handed_over"
        _advance(running)
        later = case["body"] | {"presenting_complaint": "Rash"}
        assert (await running.api("POST", f"/cases/{case['id']}/update", json=later)).status_code == 202
        await send_due(running)
        assert (await _theirs(running, CLINICIAN_KEY))["content"]["presenting_complaint"] == "Rash"
        await _they(running, "start", CLINICIAN_KEY)
        await _they(running, "status", CLINICIAN_KEY, status="finished")
        now = await running.case(case["id"])
        assert (now["state"], reasons_of(now)) == ("handed_over", [])


@pytest.mark.req("APP6-REF-03")
@pytest.mark.parametrize(("service", "use_cases"), [(OTHER_EOC, set(CAD_TO_CAD)), (OUR_CAS, {"a3t1"})])
async def test_a_service_states_the_use_cases_that_it_receives(
    database_url: str, service: str, use_cases: set[str]
) -> None:
    async with both_sides(database_url) as running:
        answer = await running.client.get(
            f"{running.url}/FHIR/R4/MessageDefinition", params={"context": service}, headers=ids()
        )
        codes = {
            coding["code"]
            for entry in answer.json()["entry"]
            for context in entry["resource"]["useContext"]
            for coding in context["valueCodeableConcept"]["coding"]
        }
        assert codes & {"a3t1", "a4t1", "a4t2", "a4t3", *CAD_TO_CAD} == use_cases


@pytest.mark.req("APP6-REF-02")
async def test_a_use_case_that_the_receiver_does_not_take_is_not_sent(database_url: str) -> None:
    async with both_sides(database_url) as running:
        case = await _refer(running, "a3t1", OTHER_EOC, incident_location=location(LEEDS))
        now = await running.case(case["id"])
        assert (now["state"], now["dispatch_duty"]) == ("undelivered", "sender")
        assert reasons_of(now) == ["undeliverable"]
        assert running.sandbox is not None
        assert {entry.method for entry in running.sandbox.journal.entries} == {"GET"}
