"""Falls lifting (a4t2) and community services (a4t3), both sides, over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from cad_bridge.sandbox import plans
from cad_bridge.sandbox.actions import Outcome
from cad_bridge.sandbox.plans import Script
from cad_bridge.sandbox.server import CasConfig
from tests.service import CLINICIAN_KEY, OUR_CAS, Running, configuration, until, with_sandbox
from tests.two_sites import two_sites

ROLES = {"a4t2": "falls", "a4t3": "community"}


def _answering(use_case: str) -> dict[str, Any]:
    """Our second service is one that answers this use case."""
    service = configuration(base_url="http://127.0.0.1:9").service
    values = [item.model_dump(mode="json", exclude_unset=True) for item in service]
    return {"service": [values[0], values[1] | {"role": ROLES[use_case], "use_cases": [use_case]}]}


def _resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


@pytest.mark.parametrize("use_case", ["a4t1", "a4t2", "a4t3"])
@pytest.mark.req("APP4-VR-22")
async def test_our_ast_asks_through_the_proxy_and_gets_interim_and_final(database_url: str, use_case: str) -> None:
    script = Script(plans.complete(Outcome.HEAR_AND_TREAT, start_after=0.02, consult=0.02))
    async with with_sandbox(database_url, cas=CasConfig(script=script)) as running:
        case = await running.open_case(use_case=use_case)
        done = await running.state(case["id"], "completed")
        assert done["use_case"] == use_case
        types = [event["type"] for event in await running.events(case["id"])]
        assert types == ["case.created", "case.acknowledged", "case.in_progress", "case.completed"]


@pytest.mark.parametrize("use_case", ["a4t2", "a4t3"])
@pytest.mark.req("APP4-VS-01", "APP4-VS-10", "APP4-VS-34")
async def test_our_falls_or_community_service_answers_through_the_proxy(database_url: str, use_case: str) -> None:
    async with with_sandbox(database_url, **_answering(use_case)) as running:
        assert running.sandbox is not None
        requested = await running.sandbox.requester.send_validation(OUR_CAS, use_case=use_case)
        case = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"][0]
        await _act(running, case, "accept", {"by": "Lena Lifter"})
        await _act(running, case, "start", {"by": "Lena Lifter"})
        await _act(running, case, "complete", lifted())

        async def both() -> bool:
            return len(requested.responses) >= 2

        await until(both, "interim and final at the requester")
        interim, final = (response.bundle for response in requested.responses)
        # Falls and community services tell it on acceptance; the start of the visit is told no second time.
        assert len(requested.responses) == 2
        assert "in-progress" in {item["status"] for item in _resources(interim, "Encounter")}
        plan = _resources(final, "CarePlan")[0]
        concepts = [concept for item in plan["activity"] for concept in item.get("outcomeCodeableConcept", [])]
        codes = [coding["code"] for concept in concepts for coding in concept.get("coding", [])]
        assert "PATLIFT" in codes
        assert plan["status"] == "completed"
        assert running.sandbox.requester.findings == []


def lifted() -> dict[str, Any]:
    """The patient was lifted; nobody else has to go."""
    return {
        "dispatch_required": False,
        "arp": "C5",
        "summary": "Lifted from the floor; no injury; daughter stays.",
        "outcome_codes": [{"code": "PATLIFT", "display": "Patient lifted"}],
        "practitioner": {
            "local_identifier": {"value": "L7", "system": "https://falls.example/staff"},
            "name": {"text": "Lena Lifter"},
            "role": "Responder",
        },
    }


async def _act(running: Running, case: dict[str, Any], action: str, body: dict[str, Any]) -> None:
    answer = await running.api("POST", f"/cases/{case['id']}/{action}", key=CLINICIAN_KEY, json=body)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("use_case", ["a4t2", "a4t3"])
async def test_a_local_outcome_reaches_the_cad_with_its_code(
    database_url: str, second_database_url: str, use_case: str
) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        asked, held = await sites.ask(use_case)
        accepted = await sites.answer(held, "accept", {"by": "Lena Lifter"})
        assert accepted["state"] == "accepted"
        await sites.ast.state(asked["id"], "in_progress")
        await sites.answer(held, "complete", lifted())
        done = await sites.ast.state(asked["id"], "completed")
        assert [code["code"] for code in done["outcome"]["outcome_codes"]] == ["PATLIFT"]
        assert done["outcome"]["summary"] == lifted()["summary"]
        closed = await sites.ast.api("POST", f"/cases/{asked['id']}/close", json={})
        assert closed.json()["state"] == "closed"


@pytest.mark.req("APP-COM-44")
async def test_a_request_is_sent_without_asking_for_capacity(database_url: str) -> None:
    async with with_sandbox(database_url, cas=CasConfig(script=Script(plans.silent()))) as running:
        case = await running.open_case()
        await running.state(case["id"], "pending")
        assert running.sandbox is not None
        asked = {item.path.rpartition("/")[2].partition("?")[0] for item in running.sandbox.journal.entries}
        assert asked <= {"metadata", "MessageDefinition", "$process-message"}
        assert "$process-message" in asked
