"""The failsafe with a hand-moved clock: at breach exactly once, and protection that ends only as it may."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from cad_bridge.sandbox.actions import Outcome
from cad_bridge.workflow.policy import Policy
from tests.by_hand import (
    BREACH_IN,
    RemoteCas,
    a_clock,
    by_hand,
    messages_of,
    query,
    reasons_of,
    sweep,
    types_of,
)
from tests.service import EOC, Running, configuration

A_SECOND = timedelta(seconds=1)
A_MINUTE = timedelta(minutes=1)
POLICY = Policy()


def deadlines_of(case: dict[str, Any]) -> dict[str, datetime]:
    """When each armed deadline of a case falls due, those of acknowledgements left out."""
    found = {item["kind"]: datetime.fromisoformat(item["due_at"]) for item in case["deadlines"]}
    found.pop("acknowledgement", None)
    return found


async def _pending(running: Running, **changes: Any) -> tuple[dict[str, Any], RemoteCas]:
    """A case that the responder holds."""
    case = await running.open_case(**changes)
    cas = await RemoteCas.of(running, case["id"])
    assert (await cas.post(cas.interim())).status_code == 200
    return await running.case(case["id"]), cas


@pytest.mark.req("APP4-VR-12", "HAZ-H02-02")
async def test_at_the_breach_time_and_not_before_the_case_goes_back_to_dispatch_exactly_once(
    database_url: str,
) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, _ = await _pending(running)
        breach_at = datetime.fromisoformat(case["breach_at"])
        clock.set(breach_at - timedelta(milliseconds=1))
        await sweep(running)
        assert (await running.case(case["id"]))["state"] == "in_progress"
        clock.set(breach_at)
        for _ in range(3):
            await sweep(running)
        known = await running.case(case["id"])
        assert (known["state"], reasons_of(known)) == ("breached", ["breach"])
        events = [e for e in await running.events(case["id"]) if e["type"] == "failsafe.dispatch"]
        assert len(events) == 1
        data = events[0]["data"]
        assert datetime.fromisoformat(data["breach_at"]) == breach_at
        assert datetime.fromisoformat(data["fired_at"]) == clock()
        assert (data["arp"], data["triage"]) == ("C3", case["content"]["triage"])
        assert datetime.fromisoformat(data["clock_start"]) == datetime.fromisoformat(case["clock_start"])
        dispatch_by = datetime.fromisoformat(data["dispatch_by"])
        assert dispatch_by - datetime.fromisoformat(data["clock_start"]) == timedelta(minutes=120)


@pytest.mark.req("HAZ-H02-04")
async def test_a_breach_time_in_local_time_is_the_same_moment(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        breach_at = (clock() + BREACH_IN).replace(microsecond=0)
        local = (breach_at + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT%H:%M:%S+05:30")
        case = await running.open_case(breach_at=local)
        clock.set(breach_at - A_SECOND)
        await sweep(running)
        assert (await running.case(case["id"]))["state"] == "sent"
        clock.set(breach_at)
        await sweep(running)
        assert (await running.case(case["id"]))["state"] == "breached"


async def test_an_interim_response_ends_no_protection(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, _ = await _pending(running)
        assert deadlines_of(case) == {"breach": datetime.fromisoformat(case["breach_at"])}


@pytest.mark.req("APP4-VS-15")
async def test_a_closing_final_ends_protection_for_good(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, cas = await _pending(running)
        await cas.post(cas.final(Outcome.HEAR_AND_TREAT))
        clock.advance(timedelta(hours=3))
        await sweep(running)
        known = await running.case(case["id"])
        assert (known["state"], known["escalations"], known["deadlines"]) == ("completed", [], [])


@pytest.mark.req("APP4-VS-07", "HAZ-H05-05")
async def test_a_rejection_escalates_at_once_and_again_when_nothing_is_dispatched_in_time(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, cas = await _pending(running)
        await cas.post(cas.rejection())
        known = await running.case(case["id"])
        assert (known["state"], reasons_of(known)) == ("returned", ["rejected"])
        assert deadlines_of(known) == {"dispatch": clock() + POLICY.dispatch_within["C3"]}
        clock.advance(POLICY.dispatch_within["C3"])
        for _ in range(2):
            await sweep(running)
        assert sorted(reasons_of(await running.case(case["id"]))) == ["dispatch-overdue", "rejected"]
        clock.advance(BREACH_IN)
        await sweep(running)
        assert "failsafe.dispatch" not in await types_of(running, case["id"])


@pytest.mark.parametrize(
    ("outcome", "arp"), [(Outcome.SAME, "C3"), (Outcome.DOWNGRADE, "C4"), (Outcome.C1, "C1")], ids=["C3", "C4", "C1"]
)
@pytest.mark.req("APP4-VS-15")
async def test_a_final_that_needs_dispatch_has_a_deadline_by_its_priority(
    database_url: str, outcome: Outcome, arp: str
) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, cas = await _pending(running)
        await cas.post(cas.final(outcome))
        known = await running.case(case["id"])
        assert (known["state"], known["arp"], reasons_of(known)) == ("dispatch_required", arp, [])
        assert deadlines_of(known) == {"dispatch": clock() + POLICY.dispatch_within[arp]}
        clock.advance(POLICY.dispatch_within[arp])
        await sweep(running)
        assert reasons_of(await running.case(case["id"])) == ["dispatch-overdue"]


@pytest.mark.parametrize("action", ["dispatch", "close"])
async def test_the_dispatch_deadline_is_ended_by_the_cad(database_url: str, action: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, cas = await _pending(running)
        await cas.post(cas.final(Outcome.SAME))
        assert (await running.api("POST", f"/cases/{case['id']}/{action}")).status_code == 200
        clock.advance(timedelta(hours=3))
        await sweep(running)
        known = await running.case(case["id"])
        assert (known["deadlines"], known["escalations"]) == ([], [])


@pytest.mark.parametrize(("action", "body"), [("dispatch", {}), ("cancel", {"reason": "Called back"})])
async def test_the_cad_ends_protection_by_dispatch_or_cancellation(
    database_url: str, action: str, body: dict[str, str]
) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, _ = await _pending(running)
        assert (await running.api("POST", f"/cases/{case['id']}/{action}", json=body)).status_code in {200, 202}
        clock.advance(timedelta(hours=3))
        await sweep(running)
        assert "failsafe.dispatch" not in await types_of(running, case["id"])
        assert deadlines_of(await running.case(case["id"])) == {}


async def test_closing_an_open_validation_is_refused_and_ends_nothing(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, _ = await _pending(running)
        assert (await running.api("POST", f"/cases/{case['id']}/close")).status_code == 409
        clock.advance(BREACH_IN + A_MINUTE)
        await sweep(running)
        assert (await running.case(case["id"]))["state"] == "breached"


@pytest.mark.req("APP4-VS-16")
async def test_a_final_that_contradicts_itself_closes_nothing(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, cas = await _pending(running)
        answer = await cas.post(cas.final(Outcome.UPGRADE, arp="C2", care_plan_status="completed"))
        assert answer.status_code == 200
        known = await running.case(case["id"])
        assert (known["state"], reasons_of(known)) == ("returned", ["contradictory-final"])
        assert "dispatch" in deadlines_of(known)


async def test_a_late_final_is_kept_and_shown_and_neither_closes_nor_acknowledges_anything(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, cas = await _pending(running)
        clock.advance(BREACH_IN + A_MINUTE)
        await sweep(running)
        late = cas.final(Outcome.HEAR_AND_TREAT)
        assert (await cas.post(late)).status_code == 200
        known = await running.case(case["id"])
        assert known["state"] == "breached"
        assert [item["acknowledged_at"] for item in known["escalations"]] == [None]
        told = (await running.events(case["id"]))[-1]
        assert (told["type"], told["data"]["response"], told["data"]["dispatch_required"]) == (
            "response.late",
            "final",
            False,
        )
        kept = [message for message in await messages_of(running, case["id"]) if message["kind"] == "final"]
        assert len(kept) == 1
        clock.advance(A_MINUTE)
        await sweep(running)
        assert (await types_of(running, case["id"]))[-1] == "escalation.repeated", "the escalation is still open"


async def test_a_late_final_that_raises_the_priority_escalates_anew(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, cas = await _pending(running)
        clock.advance(BREACH_IN + A_MINUTE)
        await sweep(running)
        await cas.post(cas.final(Outcome.UPGRADE, arp="C2", cad_id="S1"))
        known = await running.case(case["id"])
        assert (known["state"], known["arp"]) == ("breached", "C2")
        assert sorted(reasons_of(known)) == ["breach", "priority-raised"]
        assert known["duplicate_of"] == "S1"
        raised = next(item for item in known["escalations"] if item["reason"] == "priority-raised")
        assert raised["data"] == {"arp": "C2", "new_cad_id": "S1"}
        told = [event["data"] for event in await running.events(case["id"]) if event["type"] == "response.late"]
        assert [data["new_cad_id"] for data in told] == ["S1"]


async def test_an_escalation_is_repeated_until_a_named_person_acknowledges_it(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, _ = await _pending(running)
        clock.advance(BREACH_IN + A_MINUTE)
        await sweep(running)
        for _ in range(2):
            clock.advance(POLICY.acknowledge_within)
            await sweep(running)
        (escalation,) = (await running.case(case["id"]))["escalations"]
        assert escalation["level"] == 2
        path = f"/cases/{case['id']}/escalations/{escalation['id']}/acknowledge"
        assert (await running.api("POST", path, json={"by": "Dot Dispatcher"})).status_code == 200
        assert (await running.api("POST", path, json={"by": "Somebody Else"})).status_code == 200
        clock.advance(timedelta(hours=1))
        await sweep(running)
        events = [e for e in await running.events(case["id"]) if e["type"].startswith("escalation")]
        assert [e["type"] for e in events] == [
            "escalation.raised",
            "escalation.repeated",
            "escalation.repeated",
            "escalation.acknowledged",
        ]
        (escalation,) = (await running.case(case["id"]))["escalations"]
        assert escalation["acknowledged_by"] == "Dot Dispatcher (eoc-cad)"
        assert datetime.fromisoformat(escalation["acknowledged_at"]) <= clock()


async def test_where_the_service_says_so_the_responder_is_told_at_breach(database_url: str) -> None:
    clock = a_clock()
    services = [service.model_dump(mode="json") for service in configuration(base_url="http://x").service]
    services[0]["cancel_on_breach"] = True
    async with by_hand(database_url, clock, service=services) as running:
        case, _ = await _pending(running)
        assert services[0]["id"] == EOC
        clock.advance(BREACH_IN + A_MINUTE)
        await sweep(running)
        kinds = [message["kind"] for message in await messages_of(running, case["id"])]
        # Request and interim have the same time by the hand-moved clock.
        assert (sorted(kinds[:2]), kinds[2:]) == (["interim", "request"], ["cancellation"])
        await running.api("POST", f"/cases/{case['id']}/dispatch")
        assert query(database_url, "SELECT count(*) FROM outbox WHERE kind = 'cancellation'") == [(1,)]


async def test_a_response_of_a_stranger_disarms_nothing(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, cas = await _pending(running)
        forged = cas.final(Outcome.HEAR_AND_TREAT)
        header = next(e["resource"] for e in forged["entry"] if e["resource"]["resourceType"] == "MessageHeader")
        header["source"]["endpoint"] = header["source"]["endpoint"].replace("2000000021", "2000000022")
        await cas.post(forged)
        known = await running.case(case["id"])
        assert (known["state"], reasons_of(known)) == ("in_progress", ["unrecognised-response"])
        clock.advance(BREACH_IN + A_MINUTE)
        await sweep(running)
        assert (await running.case(case["id"]))["state"] == "breached"
