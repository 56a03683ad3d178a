"""Two strict ambulance services in two installations: whatever one can send, the other takes, and nothing is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from cad_bridge.fhir.content import ReceivedRequest, Request, RequestContent
from tests.acceptance.test_referral_bundles import FHIR, CadMessages
from tests.by_hand import reasons_of
from tests.integration.test_roundtrip_services import drawn, shared
from tests.referral_contents import as_received, referrals
from tests.referrals import CAD_TO_CAD, NEWCASTLE, early_body, location
from tests.service import CLINICIAN_KEY, EOC
from tests.two_asts import THEIR_CAS, THEIR_EOC, TwoAsts, two_asts

_LOG = {"at": "2026-11-21T11:58:00Z", "text": "Caller has gone to the road"}
REFUSAL = {"code": "OTH", "text": "The bridge is closed"}


def _addressed(content: Request) -> Request:
    """The same case between our two sites, with times that a CAD may still ask for."""
    now = datetime.now(UTC).replace(microsecond=0)
    is_category_5 = content.use_case == "a3t1"
    return content.model_copy(
        update={
            "sender": EOC,
            "receiver": THEIR_CAS if is_category_5 else THEIR_EOC,
            "case_number": f"{content.case_number} {uuid4().hex[:8]}",
            "clock_start": now - timedelta(minutes=4),
            "breach_at": now + timedelta(hours=1) if is_category_5 or content.breach_at else None,
        }
    )


def _body(content: Request) -> dict[str, Any]:
    confirmed = {"confirm_receiver": {"by": "Dee", "reason": "Agreed"}} if content.use_case == "a6t1" else {}
    return content.model_dump(mode="json", exclude_none=True) | confirmed


def _assert_arrived(held: dict[str, Any], content: Request) -> None:
    received = ReceivedRequest.model_validate(held["content"])
    assert shared(received, RequestContent) == shared(as_received(content), RequestContent)


async def _referred(sites: TwoAsts, content: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    case, held = await sites.refer(_body(content))
    _assert_arrived(held, content)
    return case, held


_KEPT = ("sender", "receiver", "case_number", "clock_start", "breach_at", "journey_id", "patient")


@pytest.mark.req("APP6-UPD-01", "APP6-RSP-01", "CORE-UPD-03")
async def test_whatever_is_said_of_a_case_is_taken_strictly_and_told_back(
    database_url: str, second_database_url: str
) -> None:
    async with two_asts(database_url, second_database_url) as sites:
        for use_case in CAD_TO_CAD:
            content, other = (_addressed(content) for content in drawn(referrals(use_case=use_case), 2))
            case, held = await _referred(sites, content)
            # Everything else is said of the same patient, and then it is taken back again.
            for now in (other.model_copy(update={name: getattr(content, name) for name in _KEPT}), content):
                await sites.tell(case, "update", now.model_dump(mode="json", exclude_none=True))
                before, (case, held) = held, await sites.both(case["id"])
                assert reasons_of(case) == []
                _assert_arrived(held, _with_system(now, before))
            await _worked(sites, held, use_case)
            case, held = await sites.both(case["id"])
            assert reasons_of(held) == []
            assert (case["state"], reasons_of(case)) in [("completed", []), ("returned", ["rejected"])]


def _with_system(content: Request, before: dict[str, Any]) -> Request:
    """An update that names no triage system takes none away, unless a clinician triages without one."""
    known = None if content.practitioner.clinician else ReceivedRequest(**before["content"]).triage.system
    system = content.triage.system or known
    return content.model_copy(update={"triage": content.triage.model_copy(update={"system": system})})


async def _worked(sites: TwoAsts, held: dict[str, Any], use_case: str) -> None:
    """Accepted, a resource allocated and stood down; in the end cleared, or refused where that can be."""
    await sites.they(held, "accept")
    await sites.they(held, "status", status="in-progress")
    await sites.they(held, "status", status="planned")
    if use_case == "a6t1":
        await sites.they(held, "status", status="finished")
    else:
        await sites.they(held, "reject", **REFUSAL)


@pytest.mark.req("CORE-SYNC-05", "APP6-UPD-02")
async def test_an_update_that_was_made_before_the_200_carries_the_ids_that_came_with_it(
    database_url: str, second_database_url: str
) -> None:
    async with two_asts(database_url, second_database_url) as sites:
        body = early_body(sender=EOC, receiver=THEIR_EOC)
        opened = (await sites.ours.api("POST", "/referrals", json=body)).json()
        told = body | {"scene_safety": {"status": "unsafe", "reasons": ["Dog loose"]}, "call_log": [_LOG]}
        await sites.tell(opened, "update", told)
        case, held = await sites.both(opened["id"])
        assert (reasons_of(case), held["content"]["call_log"][0]["text"]) == ([], _LOG["text"])
        # What joined with an update has an id from its 200 on, and is known by it ever after.
        await sites.tell(case, "update", told | {"call_log": [_LOG | {"text": "CPR begun"}]})
        case, held = await sites.both(opened["id"])
        assert (reasons_of(case), held["content"]["call_log"][0]["text"]) == ([], "CPR begun")
        first, second = [_ids_in(message["body"]) for message in await sites.sent(case) if message["kind"] == "update"]
        assert first["ServiceRequest"][0] in case["issued_ids"].values()
        assert first["Communication"] == [None]
        del second["MessageHeader"]
        assert None not in [id_ for ids in second.values() for id_ in ids]


def _ids_in(message: bytes) -> dict[str, list[str | None]]:
    """The ids of the resources of each type."""
    found: dict[str, list[str | None]] = {}
    for entry in orjson.loads(message)["entry"]:
        found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"].get("id"))
    return found


@pytest.mark.req("APP3-INT-01", "APP3-CAN-01")
async def test_a_category_5_referral_between_strict_services(database_url: str, second_database_url: str) -> None:
    async with two_asts(database_url, second_database_url) as sites:
        content = _addressed(drawn(referrals(use_case="a3t1"), 1)[0])
        case, held = await _referred(sites, content)
        assert (case["dispatch_duty"], held["dispatch_duty"]) == ("receiver", "receiver")
        await sites.tell(case, "cancel", {"reason": "Patient called back"})
        case, held = await sites.both(case["id"])
        assert (held["state"], held["dispatch_duty"], case["dispatch_duty"]) == ("cancelled", "sender", "sender")
        assert reasons_of(case) == reasons_of(held) == []


@pytest.mark.req("CORE-UPD-05", "CORE-UPD-08")
async def test_what_the_receiver_has_corrected_is_settled_by_people_on_both_sides(
    database_url: str, second_database_url: str
) -> None:
    async with two_asts(database_url, second_database_url) as sites:
        body = early_body(sender=EOC, receiver=THEIR_EOC)
        case, held = await sites.refer(body)
        path = f"/cases/{held['id']}/corrections"
        corrected = {"parts": ["incident_location"], "note": "The caller is at the back door"}
        marked = await sites.theirs.api("PUT", path, key=CLINICIAN_KEY, json=corrected)
        assert marked.status_code == 200, marked.text
        moved = body["incident_location"] | {"text": "At the front door"}
        told = body | {"incident_location": moved, "scene_safety": {"status": "unsafe", "reasons": ["Dog loose"]}}
        await sites.tell(case, "update", told)
        case, after = await sites.both(case["id"])
        assert after["content"] == held["content"], "nothing of it is taken, the dog neither"
        assert reasons_of(case) == ["update-refused"]
        story = await sites.theirs.events(held["id"], key=CLINICIAN_KEY)
        assert story[-1]["data"]["conflict"] == ["incident_location"]
        await sites.theirs.api("PUT", path, key=CLINICIAN_KEY, json={"parts": []})
        await sites.tell(case, "update", told | {"presenting_complaint": "Settled by telephone"})
        _, after = await sites.both(case["id"])
        assert after["content"]["incident_location"]["text"] == "At the front door"
        assert after["content"]["scene_safety"]["status"] == "unsafe"


@pytest.mark.req("APP3-CAN-01", "APP6-CAN-01", "APP6-UPD-02")
async def test_messages_of_the_cads_own_are_taken_strictly_as_well(database_url: str, second_database_url: str) -> None:
    async with two_asts(database_url, second_database_url) as sites:
        for use_case, receiver in (("a3t1", THEIR_CAS), *((use_case, THEIR_EOC) for use_case in CAD_TO_CAD)):
            cad = CadMessages.between(use_case, EOC, receiver, incident_location=location(NEWCASTLE))
            opened = await sites.ours.api("POST", "/referrals", content=cad.new(), headers=FHIR)
            assert opened.status_code == 201, opened.text
            await sites.send()
            case, _ = await sites.both(opened.json()["id"])
            for action, message in (
                ("update", cad.told_more(case["issued_ids"], presenting_complaint="Worse")),
                ("cancel", cad.no_longer(case["issued_ids"], "revoked")),
            ):
                path = f"/cases/{case['id']}/{action}"
                answer = await sites.ours.api("POST", path, content=message, headers=FHIR)
                assert answer.status_code == 202, answer.text
                await sites.send()
            case, held = await sites.both(case["id"])
            assert held["state"] == "cancelled"
            # The one thing that a strict service takes from nobody: an update of a category 5 referral.
            assert reasons_of(case) == (["update-refused"] if use_case == "a3t1" else [])
            assert (held["content"]["presenting_complaint"] == "Worse") is (use_case != "a3t1")
