"""Our CAS answers a simulated AST through the proxy: interim, final, rejection, hub review, upgrade."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from cad_bridge.sandbox import plans
from cad_bridge.sandbox.actions import Outcome
from cad_bridge.sandbox.plans import Script
from cad_bridge.sandbox.requester import Requested
from cad_bridge.sandbox.server import CasConfig
from tests.service import CLINICIAN_KEY, OUR_CAS, REMOTE_CAS, Running, until, with_sandbox

PRACTITIONER = {
    "sds_role_profile_id": "PT1",
    "name": {"family": "Nurse", "given": ["Nell"]},
    "role": "Nurse",
    "clinician": True,
}


def outcome(**changes: Any) -> dict[str, Any]:
    """What a clinician completes a case with: advice given, no ambulance."""
    return {
        "dispatch_required": False,
        "arp": "C5",
        "summary": "Assessed by telephone; advice given.",
        "practitioner": PRACTITIONER,
    } | changes


@asynccontextmanager
async def asked(database_url: str) -> AsyncIterator[tuple[Running, Requested, dict[str, Any]]]:
    """A simulated AST has asked our CAS; gives its side and our case."""
    async with with_sandbox(database_url) as running:
        assert running.sandbox is not None
        requested = await running.sandbox.requester.send_validation(OUR_CAS)
        ours = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"][0]
        assert requested.remote_case_number == ours["case_number"]
        yield running, requested, ours


async def _act(running: Running, case: dict[str, Any], action: str, body: dict[str, Any] | None = None) -> None:
    answer = await running.api("POST", f"/cases/{case['id']}/{action}", key=CLINICIAN_KEY, json=body or {})
    assert answer.status_code == 200, answer.text


async def _responses(requested: Requested, count: int) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]] | None:
        return [response.bundle for response in requested.responses] if len(requested.responses) >= count else None

    found: list[dict[str, Any]] = await until(look, f"{count} responses at the requester")
    return found


def _resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


@pytest.mark.req("APP4-VS-01", "APP4-VS-03", "APP4-VS-10")
async def test_start_and_completion_reach_the_requester_as_interim_and_final(database_url: str) -> None:
    async with asked(database_url) as (running, requested, case):
        await _act(running, case, "accept", {"practitioner": PRACTITIONER})
        await _act(running, case, "contact-attempts", {"contact": "07700 900201", "note": "Voicemail"})
        await _act(running, case, "start", {"practitioner": PRACTITIONER})
        await _act(running, case, "complete", outcome())
        interim, final = await _responses(requested, 2)
        headers = [_resources(bundle, "MessageHeader")[0] for bundle in (interim, final)]
        assert [header["reason"]["coding"][0]["code"] for header in headers] == ["new", "update"]
        assert {header["response"]["identifier"] for header in headers} == {requested.bundle_id}
        assert _resources(interim, "CarePlan") == []
        assert _resources(final, "CarePlan")[0]["status"] == "completed"
        assert sorted(e["status"] for e in _resources(interim, "Encounter")) == ["in-progress", "triaged"]
        assert running.sandbox is not None
        assert running.sandbox.requester.findings == []


@pytest.mark.req("APP4-VS-05", "APP4-VS-06")
async def test_a_rejection_reaches_the_requester_with_its_reason(database_url: str) -> None:
    async with asked(database_url) as (running, requested, case):
        await _act(running, case, "reject", {"code": "RRNA", "text": "No clinician free in time"})
        (rejection,) = await _responses(requested, 1)
        own = next(e for e in _resources(rejection, "Encounter") if e["status"] == "cancelled")
        assert own["reasonCode"][0]["coding"][0]["code"] == "RRNA"
        assert own["reasonCode"][0]["text"] == "No clinician free in time"


@pytest.mark.req("APP4-VS-22", "APP4-VS-19")
async def test_an_upgrade_carries_the_new_cad_id_and_the_clock_start_of_the_disposition(database_url: str) -> None:
    async with asked(database_url) as (running, requested, case):
        upgrade = outcome(dispatch_required=True, arp="C2", new_cad_id="S2209876543", summary="Chest pain now")
        await _act(running, case, "complete", upgrade)
        (final,) = await _responses(requested, 1)
        assert _resources(final, "MessageHeader")[0]["reason"]["coding"][0]["code"] == "new"
        plan = _resources(final, "CarePlan")[0]
        assert plan["status"] == "active"
        assert plan["period"]["start"] > case["clock_start"]
        assert len(_resources(final, "Encounter")) == 3
        assert running.sandbox is not None
        assert running.sandbox.requester.findings == []


@pytest.mark.req("APP4-VS-21")
async def test_an_upgrade_to_c2_needs_the_reference_of_the_itk_request_first(database_url: str) -> None:
    async with asked(database_url) as (running, _, case):
        body = outcome(dispatch_required=True, arp="C2", summary="Chest pain now")
        answer = await running.api("POST", f"/cases/{case['id']}/complete", key=CLINICIAN_KEY, json=body)
        assert answer.status_code == 422
        assert "new_cad_id" in {error["path"] for error in answer.json()["errors"]}


async def test_two_clinicians_do_not_work_on_one_case_unknowingly(database_url: str) -> None:
    async with asked(database_url) as (running, _, case):
        await _act(running, case, "accept", {"by": "Ann"})
        start = f"/cases/{case['id']}/start"
        refused = await running.api("POST", start, key=CLINICIAN_KEY, json={"by": "Bob"})
        assert refused.status_code == 409
        assert "Ann" in refused.json()["detail"]
        rejection = {"by": "Bob", "code": "RRNA", "text": "Nobody is free"}
        refused = await running.api("POST", f"/cases/{case['id']}/reject", key=CLINICIAN_KEY, json=rejection)
        assert refused.status_code == 409
        assert "Ann" in refused.json()["detail"]
        taken = await running.api("POST", start, key=CLINICIAN_KEY, json={"by": "Bob", "take_over": True})
        assert taken.json()["claimed_by"].startswith("Bob")


@pytest.mark.req("APP4-VR-19")
@pytest.mark.req("HAZ-H02-05")
async def test_the_queue_is_ordered_by_breach_time(database_url: str) -> None:
    async with with_sandbox(database_url) as running:
        assert running.sandbox is not None
        sent = {
            minutes: await running.sandbox.requester.send_validation(OUR_CAS, breach_in=timedelta(minutes=minutes))
            for minutes in (50, 20, 35)
        }
        queue = (await running.api("GET", "/cases?side=responder", key=CLINICIAN_KEY)).json()["cases"]
        assert [item["case_number"] for item in queue] == [sent[m].remote_case_number for m in (20, 35, 50)]


@pytest.mark.req("APP4-VS-24")
async def test_a_service_without_approved_triage_waits_for_the_hub(database_url: str) -> None:
    script = Script(plans.complete(Outcome.HEAR_AND_TREAT, start_after=0.02, consult=0.02))
    remote = [{"id": REMOTE_CAS, "ods_code": "RYE", "name": "Remote CAS", "approved_triage": False}]
    async with with_sandbox(database_url, cas=CasConfig(script=script), remote=remote) as running:
        case = await running.open_case()
        waiting = await running.state(case["id"], "awaiting_review")
        assert {"breach", "review"} <= {deadline["kind"] for deadline in waiting["deadlines"]}
        decision = {"dispatch_required": True, "arp": "C3", "amended": True, "note": "Send", "by": "Hub Clinician"}
        answer = await running.api("POST", f"/cases/{case['id']}/review", json=decision)
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == "dispatch_required"
        types = [event["type"] for event in await running.events(case["id"])]
        assert types[-3:] == ["case.review_required", "case.reviewed", "case.completed"]
