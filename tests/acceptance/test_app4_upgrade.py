"""What must not go wrong between two services: an upgrade, a changed number, an update that nobody read."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.service import CLINICIAN_KEY, configuration, request_body
from tests.two_sites import CAS, TwoSites, two_sites

PRACTITIONER = {"sds_role_profile_id": "PT1", "name": {"family": "Nurse", "given": ["Nell"]}, "role": "Nurse"}


def outcome(**changes: Any) -> dict[str, Any]:
    """What the clinician completes with: advice given, no ambulance."""
    return {"dispatch_required": False, "arp": "C5", "summary": "Advice given.", "practitioner": PRACTITIONER} | changes


@pytest.mark.req("HAZ-H02-06", "HAZ-H02-03", "APP4-VR-22")
async def test_an_upgrade_leaves_one_live_case_that_the_original_names(
    database_url: str, second_database_url: str
) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        asked, held = await sites.ask()
        await sites.answer(held, "start")
        upgrade = outcome(dispatch_required=True, arp="C2", summary="Chest pain now", new_cad_id="YAS-ITK-77")
        await sites.answer(held, "complete", upgrade)
        told = await sites.ast.event(asked["id"], "case.completed")
        assert told["data"]["new_cad_id"] == "YAS-ITK-77"
        original = await sites.ast.case(asked["id"])
        assert original["state"] == "dispatch_required"
        assert original["duplicate_of"] == "YAS-ITK-77"
        assert original["clock_start"] > asked["clock_start"]
        assert [deadline["kind"] for deadline in original["deadlines"]] == ["dispatch"]
        closed = (await sites.ast.api("POST", f"/cases/{asked['id']}/close", json={"by": "Dot"})).json()
        assert closed["state"] == "closed"
        assert (await sites.ast.case(asked["id"]))["deadlines"] == []


async def _updated(sites: TwoSites, **changes: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A case that the responder has accepted and that was updated since: the body, and both sides' view."""
    body = request_body(receiver=CAS)
    opened = (await sites.ast.api("POST", "/validation-requests", json=body)).json()
    asked, held = await sites.held(opened["id"])
    await sites.answer(held, "accept", {"by": "Ann"})
    answer = await sites.ast.api("POST", f"/cases/{asked['id']}/update", json=body | changes)
    assert answer.status_code == 202, answer.text
    told = await sites.ast.event(asked["id"], "case.updated")
    assert told["data"]["update"] == "taken"
    return body, asked, await sites.responder.case(held["id"], key=CLINICIAN_KEY)


@pytest.mark.req("HAZ-H05-04", "APP-COM-25", "APP4-VR-22")
async def test_a_changed_number_reaches_the_responder_as_an_update(database_url: str, second_database_url: str) -> None:
    number = {"rank": 1, "system": "phone", "use": "mobile", "value": "07700 900999"}
    contacts = [{"rank": 1, "relationship": "self", "telecom": [number]}]
    async with two_sites(database_url, second_database_url) as sites:
        _, _, held = await _updated(sites, contacts=contacts)
        assert [item["value"] for item in held["content"]["contacts"][0]["telecom"]] == ["07700 900999"]


async def test_an_update_must_be_read_before_the_case_is_completed(database_url: str, second_database_url: str) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        _, asked, held = await _updated(sites, presenting_complaint="Palpitations, now dizzy")
        assert held["unread_update"] is True
        path = f"/cases/{held['id']}"
        unread = await sites.responder.api("POST", f"{path}/complete", key=CLINICIAN_KEY, json=outcome())
        assert unread.status_code == 409
        old = {"version": held["version"] - 1, "by": "Ann"}
        stale = await sites.responder.api("POST", f"{path}/read", key=CLINICIAN_KEY, json=old)
        assert stale.status_code == 409
        read = await sites.answer(held, "read", {"version": held["version"], "by": "Ann"})
        assert read["unread_update"] is False
        await sites.answer(held, "complete", outcome())
        await sites.ast.state(asked["id"], "completed")
        events = await sites.responder.events(held["id"], key=CLINICIAN_KEY)
        assert {"changed": [], "update_read": True, "by": "Ann (clinicians)"} in [event["data"] for event in events]


async def test_a_case_of_another_clinician_is_completed_only_knowingly(
    database_url: str, second_database_url: str
) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        asked, held = await sites.ask()
        await sites.answer(held, "accept", {"by": "Ann"})
        path = f"/cases/{held['id']}/complete"
        bob = {"Acting-User": "Bob"}
        unknowing = await sites.responder.api("POST", path, key=CLINICIAN_KEY, json=outcome(), headers=bob)
        assert unknowing.status_code == 409
        assert "Ann (clinicians)" in unknowing.json()["detail"]
        await sites.answer(held, "complete", outcome(), headers=bob | {"Take-Over": "true"})
        await sites.ast.state(asked["id"], "completed")
        told = await sites.responder.event(held["id"], "case.completed", key=CLINICIAN_KEY)
        assert told["data"]["by"] == "Bob (clinicians)"


async def test_a_service_may_have_a_breach_time_of_its_own_for_a_category(
    database_url: str, second_database_url: str
) -> None:
    service = [item.model_dump(mode="json") for item in configuration(base_url="http://x").service]
    service[0]["policy"] = {"breach_minutes": {"C3": 40}}
    async with two_sites(database_url, second_database_url, service=service) as sites:
        asked, held = await sites.ask(breach_at=None)
        waits = datetime.fromisoformat(asked["breach_at"]) - datetime.fromisoformat(asked["created_at"])
        assert abs(waits - timedelta(minutes=40)) < timedelta(seconds=30)
        assert held["breach_at"] == asked["breach_at"]
        assert asked["deadlines"] == [{"kind": "breach", "due_at": asked["breach_at"]}]
        none = request_body(receiver=CAS, breach_at=None, case_number="YAS-2")
        none["triage"] = none["triage"] | {"arp": "C4"}
        refused = await sites.ast.api("POST", "/validation-requests", json=none)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["path"] == "breach_at"
        # Without an Acting-User the story has whom the outcome names.
        await sites.answer(held, "complete", outcome())
        told = await sites.responder.event(held["id"], "case.completed", key=CLINICIAN_KEY)
        assert told["data"]["by"] == "Nell Nurse (clinicians)"


async def test_the_version_read_may_come_with_the_completion(database_url: str, second_database_url: str) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        _, asked, held = await _updated(sites, presenting_complaint="Palpitations, now dizzy")
        await sites.answer(held, "complete", outcome(), headers={"If-Match": f'"{held["version"]}"'})
        await sites.ast.state(asked["id"], "completed")


async def test_starting_is_not_held_up_by_an_update(database_url: str, second_database_url: str) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        _, _, held = await _updated(sites, presenting_complaint="Palpitations, now dizzy")
        started = await sites.answer(held, "start", {"by": "Ann"})
        assert started["state"] == "in_progress"
        assert started["unread_update"] is True
        assert started["content"]["presenting_complaint"] == "Palpitations, now dizzy"


@pytest.mark.req("APP-COM-28", "APP4-VR-22")
async def test_a_cancellation_during_the_consultation_blocks_its_completion(
    database_url: str, second_database_url: str
) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        asked, held = await sites.ask()
        await sites.answer(held, "start")
        await sites.ast.state(asked["id"], "in_progress")
        cancelled = await sites.ast.api("POST", f"/cases/{asked['id']}/cancel", json={"reason": "Ambulance passing by"})
        assert cancelled.status_code == 202
        await sites.responder.state(held["id"], "cancelled", key=CLINICIAN_KEY)
        path = f"/cases/{held['id']}/complete"
        stale = await sites.responder.api("POST", path, key=CLINICIAN_KEY, json=outcome())
        assert stale.status_code == 409
        assert (await sites.ast.case(asked["id"]))["state"] == "cancelled"


@pytest.mark.req("HAZ-H01-05", "APP-COM-23")
async def test_an_update_that_is_refused_leaves_the_case_alive(database_url: str, second_database_url: str) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        _, held = await sites.ask()
        sent = (await sites.responder.api("GET", f"/cases/{held['id']}/messages", key=CLINICIAN_KEY)).json()["messages"]
        update = json.loads(base64.b64decode(sent[0]["body_base64"]))
        header = next(e["resource"] for e in update["entry"] if e["resource"]["resourceType"] == "MessageHeader")
        header["reason"]["coding"][0]["code"] = "update"
        request = next(e["resource"] for e in update["entry"] if e["resource"]["resourceType"] == "ServiceRequest")
        del request["subject"]
        refused = await sites.responder.post_message(update)
        assert 400 <= refused.status_code < 500
        kept = await sites.responder.case(held["id"], key=CLINICIAN_KEY)
        assert kept["state"] == "received"
        assert kept["content"] == held["content"]
