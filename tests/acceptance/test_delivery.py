"""Delivery with all loops running: what goes wrong on the way is put right without anybody's doing."""

from __future__ import annotations

import pytest

from cad_bridge.sandbox import plans
from cad_bridge.sandbox.actions import Complete, Outcome
from cad_bridge.sandbox.faults import Fault
from cad_bridge.sandbox.journal import JournalEntry
from cad_bridge.sandbox.plans import Script
from cad_bridge.sandbox.server import DEMO_CAS, CasConfig
from tests.service import EOC, Running, until, with_sandbox

CAS = DEMO_CAS.service_id
SILENT = CasConfig(script=Script(plans.silent()))


def posts(running: Running, service: str) -> list[JournalEntry]:
    """Every message for a service that reached the proxy."""
    assert running.sandbox is not None
    return [entry for entry in running.sandbox.journal.for_service(service) if entry.method == "POST"]


@pytest.mark.req("CORE-TI-16", "CORE-TI-09", "CORE-TI-10")
async def test_a_lost_200_is_made_up_for_by_the_next_try(database_url: str) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        assert running.sandbox is not None
        running.sandbox.faults.inject(CAS, Fault.drop_response(method="POST"))
        case = await running.open_case()
        await running.event(case["id"], "case.acknowledged")
        lost, second = posts(running, CAS)
        assert (lost.target_statuses, lost.status, second.status) == ((200,), None, 409)
        assert lost.request_body == second.request_body
        assert len(running.sandbox.cas.cases) == 1
        assert (await running.case(case["id"]))["escalations"] == []


@pytest.mark.req("CORE-TI-15", "CORE-TI-09")
async def test_a_token_that_is_not_accepted_any_more_is_renewed_at_once(database_url: str) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        assert running.sandbox is not None
        first = await running.open_case()
        await running.state(first["id"], "pending")
        running.sandbox.proxy.tokens.expire_all()
        second = await running.open_case()
        await running.state(second["id"], "pending")
        taken = posts(running, CAS)[-1]
        tries = [e for e in running.sandbox.journal.entries if e.request_body == taken.request_body]
        assert [entry.status for entry in tries] == [401, 200]
        assert len({entry.request_headers["x-request-id"] for entry in tries}) == 1


@pytest.mark.req("CORE-TI-21", "CORE-TI-23")
async def test_a_response_that_the_network_delivers_twice_counts_once(database_url: str) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        assert running.sandbox is not None
        case = await running.open_case()
        await running.state(case["id"], "pending")
        running.sandbox.faults.inject(EOC, Fault.duplicate(concurrent=True))
        held = running.sandbox.cas.cases.by_case_number(case["case_number"])
        done = await running.sandbox.cas.act(held, Complete(Outcome.HEAR_AND_TREAT))
        assert done.sent.delivered
        await running.state(case["id"], "completed")

        async def both() -> bool:
            return bool(posts(running, EOC)) and len(posts(running, EOC)[0].target_statuses) == 2

        await until(both, "both deliveries")
        first, second = sorted(posts(running, EOC)[0].target_statuses)
        assert (first, second in {409, 425}) == (200, True)
        types = [event["type"] for event in await running.events(case["id"])]
        assert types.count("case.completed") == 1
