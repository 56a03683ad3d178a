"""Two things at once for one case: the loser of every race meets the new state, and nothing happens twice."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from cad_bridge.sandbox.actions import Outcome
from cad_bridge.workflow import commands
from tests.by_hand import (
    BREACH_IN,
    RemoteCas,
    a_clock,
    by_hand,
    cursor_row_held,
    query,
    reasons_of,
    request_to_us,
    sweep,
    types_of,
    waiting_for_a_lock,
)
from tests.service import CLINICIAN_KEY, Running

AFTER_BREACH = BREACH_IN + timedelta(minutes=1)
CASES = 16
NURSE = {"sds_role_profile_id": "PT1", "name": {"family": "Nurse", "given": ["Nell"]}, "role": "Nurse"}
CHANGED = "The case has changed this very moment: read it again."


async def _open(running: Running) -> tuple[dict[str, Any], RemoteCas]:
    case = await running.open_case()
    return case, await RemoteCas.of(running, case["id"])


@pytest.mark.req("HAZ-H02-02")
async def test_the_breach_first_and_the_final_is_late(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, cas = await _open(running)
        clock.advance(AFTER_BREACH)
        async with cursor_row_held(database_url):
            sweeping = asyncio.create_task(sweep(running))
            await waiting_for_a_lock(database_url)
            answer = asyncio.create_task(cas.post(cas.final()))
            await waiting_for_a_lock(database_url, count=2)
        await sweeping
        assert (await answer).status_code == 200
        assert await _ending(running, case["id"]) == "breached"


@pytest.mark.req("HAZ-H02-02")
async def test_the_final_first_and_the_breach_is_moot(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case, cas = await _open(running)
        clock.advance(AFTER_BREACH)
        async with cursor_row_held(database_url):
            answer = asyncio.create_task(cas.post(cas.final()))
            await waiting_for_a_lock(database_url)
            await sweep(running)
        assert (await answer).status_code == 200
        await sweep(running)
        assert await _ending(running, case["id"]) == "completed"


async def test_a_final_at_the_breach_ends_in_one_of_two_ways_and_never_in_both(database_url: str) -> None:
    """Finals and sweeps of two nodes in random order, all at the breach time."""
    clock = a_clock()
    async with by_hand(database_url, clock) as running, by_hand(database_url, clock) as second:
        opened = [await _open(running) for _ in range(CASES)]
        finals = [cas.final() for _, cas in opened]
        clock.advance(AFTER_BREACH)
        deeds = [cas.post(final) for (_, cas), final in zip(opened, finals, strict=True)]
        deeds += [sweep(node) for node in (running, second) for _ in range(6)]
        random.shuffle(deeds)
        answers = await asyncio.gather(*deeds)
        assert {a.status_code for a in answers if isinstance(a, httpx.Response)} == {200}
        await sweep(running)
        endings = [await _ending(running, case["id"]) for case, _ in opened]
        assert set(endings) <= {"breached", "completed"}


async def _ending(running: Running, case_id: str) -> str:
    """How a case ended, after checking that the whole story agrees with it."""
    known, types = await running.case(case_id), await types_of(running, case_id)
    breached = known["state"] == "breached"
    assert types.count("failsafe.dispatch") == breached
    assert reasons_of(known).count("breach") == breached
    assert types.count("response.late") == breached
    assert types.count("case.completed") == (not breached)
    assert [d["kind"] for d in known["deadlines"] if d["kind"] != "acknowledgement"] == []
    return str(known["state"])


@pytest.mark.req("APP4-VS-16")
async def test_two_finals_that_contradict_each_other_never_leave_the_case_closed(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        case, cas = await _open(running)
        closing, dispatching = cas.final(Outcome.HEAR_AND_TREAT), cas.final(Outcome.SAME)
        answers = await asyncio.gather(cas.post(closing), cas.post(dispatching))
        assert {answer.status_code for answer in answers} == {200}
        known = await running.case(case["id"])
        assert (known["state"], reasons_of(known)) == ("returned", ["contradictory-final"])
        assert [d["kind"] for d in known["deadlines"]] != []


async def test_dispatch_by_the_cad_and_the_breach(database_url: str) -> None:
    """A resource goes: with or without the failsafe's notice before it, and never a notice after it."""
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        cases = [await running.open_case() for _ in range(6)]
        clock.advance(AFTER_BREACH)
        deeds: list[Any] = [running.api("POST", f"/cases/{case['id']}/dispatch") for case in cases]
        await asyncio.gather(*deeds, sweep(running), sweep(running))
        await sweep(running)
        for case in cases:
            types = await types_of(running, case["id"])
            assert (await running.case(case["id"]))["state"] == "dispatched"
            assert types.count("case.updated") == 1
            assert "failsafe.dispatch" not in types[types.index("case.updated") :]


async def test_an_acknowledgement_and_its_overdue_repeat(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case = await running.open_case()
        clock.advance(AFTER_BREACH)
        await sweep(running)
        clock.advance(timedelta(seconds=61))
        path = f"/cases/{case['id']}/escalations"
        deeds: list[Any] = [
            running.api("POST", f"{path}/{escalation['id']}/acknowledge", json={"by": "Dot"})
            for escalation in (await running.case(case["id"]))["escalations"]
        ]
        await asyncio.gather(sweep(running), *deeds, sweep(running))
        clock.advance(timedelta(hours=1))
        await sweep(running)
        types = await types_of(running, case["id"])
        assert types.count("escalation.acknowledged") == 2
        assert "escalation.repeated" not in types[types.index("escalation.acknowledged") + 2 :]
        assert (await running.case(case["id"]))["deadlines"] == []


async def test_two_clinicians_who_end_one_case_at_once_send_one_answer(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        assert (await running.post_message(request_to_us())).status_code == 200
        case_id = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"][0]["id"]
        rejection = {"code": "FC", "text": "No answer on any number"}
        answers = await asyncio.gather(
            *(
                running.api("POST", f"/cases/{case_id}/reject", key=CLINICIAN_KEY, json=rejection | {"by": name})
                for name in ("Ann", "Bob", "Cat")
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        assert query(database_url, "SELECT kind FROM outbox") == [("rejection",)]


async def test_commands_from_many_connections_leave_no_gap_in_the_versions(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        case = await running.open_case()
        engine = running.service.engine
        strangers = [commands.UnrecognisedResponse(came_from=str(number)) for number in range(12)]
        await asyncio.gather(*(engine.handle(UUID(case["id"]), command) for command in strangers))
        events = await running.events(case["id"])
        assert [event["case"]["version"] for event in events] == list(range(1, 14))
        assert len((await running.case(case["id"]))["escalations"]) == 12


async def test_a_completion_made_from_a_version_that_another_commit_overtook_is_not_done(database_url: str) -> None:
    """Its clock start and its check for an ITK reference came from what the case was before."""
    outcome = {"dispatch_required": False, "arp": "C5", "summary": "Advice given.", "practitioner": NURSE}
    async with by_hand(database_url, a_clock()) as running:
        assert (await running.post_message(request_to_us())).status_code == 200
        path = f"/cases/{(await running.api('GET', '/cases', key=CLINICIAN_KEY)).json()['cases'][0]['id']}"

        async def post(action: str, body: dict[str, Any]) -> httpx.Response:
            return await running.api("POST", f"{path}/{action}", key=CLINICIAN_KEY, json=body)

        async with cursor_row_held(database_url):
            first = asyncio.create_task(post("contact-attempts", {"contact": "mobile"}))
            await waiting_for_a_lock(database_url)
            second = asyncio.create_task(post("complete", outcome))
            await waiting_for_a_lock(database_url, count=2)
        assert (await first).status_code == 200
        refused = await second
        assert (refused.status_code, refused.json()["detail"]) == (409, CHANGED)
        assert (await post("complete", outcome)).status_code == 200
