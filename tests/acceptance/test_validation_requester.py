"""A CAD asks a CAS to validate a case: the main job, over real HTTP, through the proxy, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cad_bridge.clock import ManualClock
from cad_bridge.sandbox import plans
from cad_bridge.sandbox.actions import Complete, Defect, Outcome
from cad_bridge.sandbox.plans import Plan, Script
from cad_bridge.sandbox.server import CasConfig
from tests.service import Running, until, with_sandbox

SOON = 0.05


def cas(plan: Plan) -> CasConfig:
    """A CAS that follows one plan."""
    return CasConfig(script=Script(plan))


async def types_of(running: Running, case_id: str) -> list[str]:
    """The types of the events of a case, in order."""
    return [event["type"] for event in await running.events(case_id)]


async def test_interim_and_final_without_dispatch(database_url: str) -> None:
    plan = plans.complete(Outcome.HEAR_AND_TREAT, start_after=SOON, consult=SOON)
    async with with_sandbox(database_url, cas=cas(plan)) as running:
        case = await running.open_case()
        assert case["state"] == "sent"
        done = await running.state(case["id"], "completed")
        types = [event["type"] for event in await running.events(case["id"])]
        assert types == ["case.created", "case.acknowledged", "case.in_progress", "case.completed"]
        assert done["remote_case_number"]
        assert done["deadlines"] == []


@pytest.mark.req("CORE-SYNC-03", "CORE-SYNC-07", "APP4-VR-11")
async def test_the_responders_case_number_is_told_with_the_acknowledgement_and_not_before(database_url: str) -> None:
    async with with_sandbox(database_url, cas=cas(plans.silent())) as running:
        assert running.sandbox is not None
        case = await running.open_case()
        assert (case["delivered"], case["remote_case_number"]) == (False, None)
        told = await running.event(case["id"], "case.acknowledged")
        number = running.sandbox.cas.cases.by_case_number(case["case_number"]).case_number
        assert told["data"]["remote_case_number"] == told["case"]["remote_case_number"] == number
        assert running.sandbox.cas.findings == []


@pytest.mark.req("APP4-VS-07", "APP4-VS-08")
async def test_a_rejection_hands_the_case_back_with_its_reason(database_url: str) -> None:
    async with with_sandbox(
        database_url, cas=cas(plans.reject("FC", "No answer on any number", after=SOON))
    ) as running:
        case = await running.open_case()
        returned = await running.event(case["id"], "case.returned")
        assert returned["data"]["reason"]["code"] == "FC"
        assert "No answer on any number" in returned["data"]["reason"]["text"]
        known = await running.case(case["id"])
        assert (known["state"], [e["reason"] for e in known["escalations"]]) == ("returned", ["rejected"])
        assert "breach" not in [deadline["kind"] for deadline in known["deadlines"]]


@pytest.mark.req("APP4-VS-18", "APP4-VS-20", "HAZ-H02-03")
@pytest.mark.parametrize(("outcome", "arp"), [(Outcome.SAME, "C3"), (Outcome.DOWNGRADE, "C4")])
async def test_an_ambulance_of_the_same_or_a_lower_category_keeps_the_clock_start(
    database_url: str, outcome: Outcome, arp: str
) -> None:
    plan = plans.complete(outcome, start_after=SOON, consult=SOON)
    async with with_sandbox(database_url, cas=cas(plan)) as running:
        case = await running.open_case()
        data = (await running.event(case["id"], "case.completed"))["data"]
        assert (data["dispatch_required"], data["arp"]) == (True, arp)
        assert datetime.fromisoformat(data["clock_start"]) == datetime.fromisoformat(case["clock_start"])
        known = await running.state(case["id"], "dispatch_required")
        assert [deadline["kind"] for deadline in known["deadlines"]] == ["dispatch"]


@pytest.mark.req("APP4-VS-19", "APP4-VS-23", "HAZ-H02-03")
async def test_an_upgrade_brings_a_new_cad_id_and_the_responders_clock_start(database_url: str) -> None:
    plan = plans.upgrade(arp="C2", start_after=SOON, consult=SOON, cad_id="S220000042")
    async with with_sandbox(database_url, cas=cas(plan)) as running:
        case = await running.open_case()
        data = (await running.event(case["id"], "case.completed"))["data"]
        assert (data["new_cad_id"], data["arp"], data["dispatch_required"]) == ("S220000042", "C2", True)
        started, first = datetime.fromisoformat(data["clock_start"]), datetime.fromisoformat(case["clock_start"])
        assert started > first
        assert datetime.fromisoformat(data["dispatch_by"]) - started == timedelta(minutes=18)


@pytest.mark.req("APP4-VS-31")
async def test_a_final_before_its_interim_counts_and_the_interim_is_late(database_url: str) -> None:
    plan = plans.final_before_interim(Outcome.HEAR_AND_TREAT, after=SOON)
    async with with_sandbox(database_url, cas=cas(plan)) as running:
        case = await running.open_case()
        await running.event(case["id"], "response.late")
        assert await types_of(running, case["id"]) == [
            "case.created",
            "case.acknowledged",
            "case.completed",
            "response.late",
        ]
        assert (await running.case(case["id"]))["state"] == "completed"


async def test_a_response_before_the_200_is_taken_in_the_order_in_which_it_came(database_url: str) -> None:
    plan = plans.response_before_acknowledgement(Outcome.HEAR_AND_TREAT, consult=SOON)
    async with with_sandbox(database_url, cas=cas(plan)) as running:
        case = await running.open_case()
        await running.state(case["id"], "completed")
        assert await types_of(running, case["id"]) == [
            "case.created",
            "case.acknowledged",
            "case.in_progress",
            "case.completed",
        ]


@pytest.mark.req("APP4-VS-16")
async def test_two_finals_that_contradict_each_other_bring_the_case_back(database_url: str) -> None:
    plan = plans.two_finals(Outcome.HEAR_AND_TREAT, Outcome.SAME, after=SOON)
    async with with_sandbox(database_url, cas=cas(plan)) as running:
        case = await running.open_case()
        known = await running.state(case["id"], "returned")
        assert [e["reason"] for e in known["escalations"]] == ["contradictory-final"]
        assert [deadline["kind"] for deadline in known["deadlines"] if deadline["kind"] == "dispatch"] == ["dispatch"]


@pytest.mark.parametrize(
    "defect", [Defect.NOT_JSON, Defect.UNKNOWN_IDENTIFIER, Defect.NO_CARE_PLAN, Defect.BAD_ENCOUNTER_STATUS]
)
async def test_a_malformed_response_is_refused_and_changes_nothing(database_url: str, defect: Defect) -> None:
    plan = plans.malformed(defect, of=Complete(Outcome.HEAR_AND_TREAT), after=SOON)
    async with with_sandbox(database_url, cas=cas(plan)) as running:
        assert running.sandbox is not None
        performed = running.sandbox.cas.performed
        case = await running.open_case()

        async def answered() -> Any:
            return performed[0].sent if performed else None

        sent = await until(answered, "the answer to the malformed response")
        assert 400 <= sent.status < 500
        assert not sent.delivered
        known = await running.case(case["id"])
        assert known["state"] == "pending"
        assert "breach" in [deadline["kind"] for deadline in known["deadlines"]]


@pytest.mark.req("APP4-VR-12", "HAZ-H02-02")
async def test_a_silent_responder_is_caught_by_the_failsafe_and_its_late_answer_closes_nothing(
    database_url: str,
) -> None:
    clock = ManualClock(datetime.now(UTC))
    async with with_sandbox(database_url, cas=cas(plans.silent()), clock=clock) as running:
        assert running.sandbox is not None
        case = await running.open_case()
        await running.state(case["id"], "pending")
        clock.set(datetime.fromisoformat(case["breach_at"]))
        notice = await running.event(case["id"], "failsafe.dispatch")
        assert (notice["case"]["state"], notice["data"]["arp"]) == ("breached", "C3")
        held = running.sandbox.cas.cases.by_case_number(case["case_number"])
        late = await running.sandbox.cas.act(held, Complete(Outcome.HEAR_AND_TREAT))
        assert late.sent.status == 200
        told = await running.event(case["id"], "response.late")
        assert told["data"]["dispatch_required"] is False
        known = await running.case(case["id"])
        assert (known["state"], known["escalations"][0]["acknowledged_at"]) == ("breached", None)


@pytest.mark.req("APP4-VR-16", "CORE-CAN-05")
async def test_a_dispatched_resource_ends_the_case_at_the_responder(database_url: str) -> None:
    async with with_sandbox(database_url, cas=cas(plans.silent())) as running:
        assert running.sandbox is not None
        case = await running.open_case()
        await running.state(case["id"], "pending")
        assert (await running.api("POST", f"/cases/{case['id']}/dispatch")).status_code == 200
        held = running.sandbox.cas.cases.by_case_number(case["case_number"])

        async def revoked() -> bool:
            return held.request_status == "revoked"

        await until(revoked, "the cancellation at the responder")
