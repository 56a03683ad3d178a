"""Two strict services: whatever one of ours sends, the other takes, over real HTTP."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.acceptance.test_app4_upgrade import PRACTITIONER, outcome
from tests.service import CLINICIAN_KEY, request_body, until
from tests.two_sites import CAS, TwoSites, two_sites

FLAGS = [
    {"category": "SG", "text": "Concern raised by neighbour", "date": "2026-11-21"},
    {"category": "RA", "code": {"code": "doeslipread"}},
]
REJECTIONS = [{"code": code, "text": f"Because of {code}"} for code in ("RRNA", "OTH", "FC")]
OUTCOMES = [
    outcome(summary="Hear and treat", medications=[{"text": "Paracetamol 1 g"}]),
    outcome(summary="Referred", onward_referral="Emergency department"),
    outcome(summary="Lifted", outcome_codes=[{"code": "PATLIFT"}]),
    outcome(summary="The same", dispatch_required=True, arp="C3", flags=[]),
    outcome(summary="Down", dispatch_required=True, arp="C4", scene_safety={"status": "unsafe", "reasons": ["Dog"]}),
    outcome(summary="Up", dispatch_required=True, arp="C2", new_cad_id="YAS-ITK-9"),
    outcome(summary="Without a system", dispatch_required=True, arp="HCP3", incident_location={"uprn": "99"}),
]


@pytest.mark.req("APP4-VS-27", "APP4-VS-13", "APP4-VS-17")
async def test_every_outcome_and_reason_is_taken_by_a_strict_service(
    database_url: str, second_database_url: str
) -> None:
    async with two_sites(database_url, second_database_url, strict=True) as sites:
        for number, answer in enumerate([*REJECTIONS, *OUTCOMES]):
            asked, held = await sites.ask(case_number=f"YAS-{number}", flags=FLAGS)
            if answer in REJECTIONS:
                await sites.answer(held, "reject", answer | {"practitioner": PRACTITIONER})
                returned = await sites.ast.event(asked["id"], "case.returned")
                assert returned["data"]["reason"] == answer
                continue
            await sites.answer(held, "start")
            await sites.ast.event(asked["id"], "case.in_progress")
            await sites.answer(held, "complete", answer)
            told = "case.review_required" if answer["arp"] == "HCP3" else "case.completed"
            done = await sites.ast.event(asked["id"], told)
            assert done["data"]["outcome"]["summary"] == answer["summary"]
            taken = (await sites.ast.case(asked["id"]))["outcome"]
            assert taken["scene_safety"] == answer.get("scene_safety", {"status": "safe", "reasons": []})
        assert await _escalations(sites) == {"rejected"}


@pytest.mark.req("APP-COM-33", "APP4-VR-08", "APP4-VS-30")
async def test_statements_are_taken_back_and_made_again_between_strict_services(
    database_url: str, second_database_url: str
) -> None:
    patient = request_body()["patient"] | {"communication": {"language": "q4", "interpreter_required": True}}
    body = request_body(receiver=CAS, flags=FLAGS[:1], chief_concern="Palpitations", patient=patient)
    async with two_sites(database_url, second_database_url, strict=True) as sites:
        opened = await sites.ast.api("POST", "/validation-requests", json=body)
        assert opened.status_code == 201, opened.text
        asked, _ = await sites.held(opened.json()["id"])
        first = await _update(sites, asked, body | {"flags": FLAGS[1:], "chief_concern": None, "acuity": "High"})
        assert [flag["category"] for flag in first["content"]["flags"]] == ["RA"]
        assert "chief_concern" not in first["content"]
        assert first["content"]["scene_safety"] == {"status": "safe", "reasons": []}
        unsafe = {"status": "unsafe", "reasons": ["Dog"]}
        triage = body["triage"] | {"summary": "Palpitations, dizzy now."}
        again = body | {"flags": FLAGS, "acuity": "High", "scene_safety": unsafe, "triage": triage}
        held = await _update(sites, asked, again)
        assert held["content"]["scene_safety"] == unsafe
        assert [flag["category"] for flag in held["content"]["flags"]] == ["SG", "RA"]
        assert held["content"]["chief_concern"] == "Palpitations"
        await sites.answer(held, "complete", outcome(flags=FLAGS[:1]))
        done = await sites.ast.state(asked["id"], "completed")
        assert [flag["category"] for flag in done["outcome"]["flags"]] == ["SG"]
        # The case shows the final triage; the audit has each that was made.
        assert done["outcome"]["summary"] == "Advice given."
        assert await _summaries(sites, asked) == [
            ["Palpitations since morning, breathless on stairs."],
            ["Palpitations since morning, breathless on stairs."],
            ["Palpitations, dizzy now."],
            ["Advice given."],
        ]


async def _summaries(sites: TwoSites, asked: dict[str, Any]) -> list[list[str]]:
    """What each message that holds a triage says of it, in the order of the messages."""
    messages = (await sites.ast.api("GET", f"/cases/{asked['id']}/messages")).json()["messages"]
    bundles = [json.loads(base64.b64decode(message["body_base64"])) for message in messages]
    plans = [
        entry["resource"]
        for bundle in bundles
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "CarePlan"
    ]
    return [
        [concept["text"] for concept in plan["activity"][0]["outcomeCodeableConcept"] if "text" in concept]
        for plan in plans
    ]


async def _update(sites: TwoSites, asked: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Update the case, and give the responder's as soon as the requester knows that it was taken."""
    before = len(await _told(sites, asked))
    answer = await sites.ast.api("POST", f"/cases/{asked['id']}/update", json=body)
    assert answer.status_code == 202, answer.text

    async def taken() -> bool:
        return len(await _told(sites, asked)) > before

    await until(taken, "what became of the update")
    assert {data["update"] for data in await _told(sites, asked)} == {"taken"}
    query = {"q": asked["remote_case_number"]}
    (held,) = (await sites.responder.api("GET", "/cases", key=CLINICIAN_KEY, params=query)).json()["cases"]
    return held  # type: ignore[no-any-return]


async def _told(sites: TwoSites, asked: dict[str, Any]) -> list[dict[str, Any]]:
    events = await sites.ast.events(asked["id"])
    return [event["data"] for event in events if event["type"] in {"case.updated", "delivery.failed"}]


async def _escalations(sites: TwoSites) -> set[str]:
    cases = (await sites.ast.api("GET", "/cases")).json()["cases"]
    seen = [await sites.ast.case(case["id"]) for case in cases]
    return {item["reason"] for case in seen for item in case["escalations"]}
