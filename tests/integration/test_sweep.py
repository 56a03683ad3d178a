"""The sweep under bad conditions: several nodes at once, cases that fail, cases of a newer release, frozen nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from cad_bridge import app
from cad_bridge.clock import ManualClock
from cad_bridge.engine.sweep import BATCH
from cad_bridge.store.database import connect
from cad_bridge.workflow import commands
from tests.by_hand import BREACH_IN, NOWHERE, a_clock, by_hand, copies, messages_of, query, sweep, types_of
from tests.service import Running, configuration, until

AFTER_BREACH = BREACH_IN + timedelta(minutes=1)
"""The service's clock stands still; the requests are dated by the real one."""
BREACHES = "SELECT count(*), count(DISTINCT case_id) FROM escalations WHERE reason = 'breach'"
NOTICES = "SELECT count(*), count(DISTINCT case_id) FROM events WHERE type = 'failsafe.dispatch'"
RAISE_FOR_ONE_CASE = """
CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'this case cannot be escalated'; END $$;
CREATE TRIGGER poison BEFORE INSERT ON escalations FOR EACH ROW
WHEN (NEW.case_id = '{case_id}') EXECUTE FUNCTION poison();
"""


@asynccontextmanager
async def nodes(database_url: str, clock: ManualClock, *, count: int) -> AsyncIterator[list[app.Service]]:
    """Several nodes on one database, without HTTP."""
    config = configuration(base_url=NOWHERE)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(app.running(config, database_url, now=clock, background=False))
            for _ in range(count)
        ]


async def open_cases(running: Running, count: int) -> list[dict[str, Any]]:
    """So many open validations."""
    return list(await asyncio.gather(*(running.open_case() for _ in range(count))))


@pytest.mark.req("HAZ-H02-02", "APP4-VR-12")
async def test_three_nodes_that_sweep_at_once_escalate_every_case_exactly_once(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running, nodes(database_url, clock, count=3) as three:
        copies(database_url, (await running.open_case())["id"], count=BATCH * 2 - 1)
        clock.advance(AFTER_BREACH)
        while query(database_url, "SELECT count(*) FROM deadlines WHERE kind = 'breach' AND fired_at IS NULL")[0][0]:
            await asyncio.gather(*(node.timers.sweep_once() for node in three))
    assert query(database_url, BREACHES) == [(BATCH * 2, BATCH * 2)]
    assert query(database_url, NOTICES) == [(BATCH * 2, BATCH * 2)]
    assert query(database_url, "SELECT DISTINCT state FROM cases") == [("breached",)]
    cursors = [row[0] for row in query(database_url, "SELECT cursor FROM events ORDER BY cursor")]
    assert cursors == list(range(1, len(cursors) + 1))
    assert [node.timers.state.failures for node in three] == [0, 0, 0]


async def test_a_case_that_fails_holds_up_no_other_and_is_tried_again(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        cases = await open_cases(running, 5)
        bad = cases[2]["id"]
        query(database_url, RAISE_FOR_ONE_CASE.format(case_id=bad))
        clock.advance(AFTER_BREACH)
        await sweep(running)
        states = {case["id"]: (await running.case(case["id"]))["state"] for case in cases}
        assert states == {case["id"]: "sent" if case["id"] == bad else "breached" for case in cases}
        clock.advance(timedelta(seconds=5))
        health = await running.client.get(f"{running.url}/health/failsafe")
        assert health.status_code == 503
        assert "a deadline is overdue and has not fired" in health.json()["faults"]
        query(database_url, "DROP TRIGGER poison ON escalations")
        await sweep(running)
        assert (await running.case(bad))["state"] == "breached"
        assert (await running.client.get(f"{running.url}/health/failsafe")).status_code == 200


async def test_a_case_that_failed_is_passed_over_for_a_moment_only(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        (case,) = await open_cases(running, 1)
        query(database_url, RAISE_FOR_ONE_CASE.format(case_id=case["id"]))
        clock.advance(AFTER_BREACH)
        await sweep(running)
        failures = running.service.timers.state.failures
        assert failures
        await sweep(running)
        assert running.service.timers.state.failures == failures
        clock.advance(timedelta(seconds=5))
        await sweep(running)
        assert running.service.timers.state.failures > failures


async def test_cases_of_a_newer_release_are_left_alone_and_hold_up_nothing(database_url: str) -> None:
    """More of them than a batch holds, all due before the one that this release knows."""
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        copies(database_url, (await running.open_case())["id"], count=BATCH + 4)
        query(database_url, "UPDATE cases SET state = 'teleported'")
        query(database_url, "UPDATE deadlines SET due_at = due_at - interval '1 minute'")
        known = await running.open_case()
        clock.advance(AFTER_BREACH)
        async with asyncio.timeout(20):
            await sweep(running)
        assert (await running.case(known["id"]))["state"] == "breached"
        untouched = "SELECT count(*) FROM cases WHERE state = 'teleported' AND version = 1"
        assert query(database_url, untouched) == [(BATCH + 5,)]
        assert query(database_url, "SELECT count(*) FROM deadlines WHERE fired_at IS NOT NULL AND kind = 'breach'") == [
            (1,)
        ]


async def test_a_deadline_of_a_kind_that_a_newer_release_made_does_not_disturb_the_others(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case = await running.open_case()
        query(
            database_url,
            "INSERT INTO deadlines (id, case_id, kind, subject, due_at, armed_at)"
            " VALUES (%s, %s, 'tomorrow', '', %s, %s)",
            uuid4(),
            UUID(case["id"]),
            clock() - timedelta(minutes=1),
            clock(),
        )
        clock.advance(AFTER_BREACH)
        await sweep(running)
        assert (await running.case(case["id"]))["state"] == "breached"
        assert running.service.timers.state.failures == 0
        assert query(database_url, "SELECT fired_at FROM deadlines WHERE kind = 'tomorrow'") == [(None,)]
        answer = await running.api("POST", f"/cases/{case['id']}/dispatch")
        assert answer.status_code == 200


async def test_a_case_that_cannot_even_be_read_holds_up_no_other(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        cases = await open_cases(running, 4)
        unreadable = UUID(cases[1]["id"])
        query(database_url, "UPDATE cases SET use_case = 'a9t9' WHERE id = %s", unreadable)
        query(database_url, "UPDATE deadlines SET due_at = due_at - interval '1 minute' WHERE case_id = %s", unreadable)
        clock.advance(AFTER_BREACH)
        await sweep(running)
        assert query(database_url, BREACHES) == [(3, 3)]
        query(database_url, "UPDATE cases SET use_case = 'a4t1'")
        clock.advance(timedelta(seconds=5))
        await sweep(running)
        assert query(database_url, BREACHES) == [(4, 4)]


@pytest.mark.req("HAZ-H02-02", "HAZ-H01-02")
async def test_a_responder_that_cannot_be_told_does_not_stop_the_failsafe(database_url: str) -> None:
    """The service was taken out of the configuration: its cancellation cannot be written, its patient still waits."""
    clock = a_clock()
    service = configuration(base_url=NOWHERE).service[0].model_dump(mode="json")
    async with by_hand(
        database_url, clock, service=[service | {"cancel_on_breach": True}], client=[], user=[]
    ) as first:
        case_id = await _opened_by_engine(first)
    other = configuration(base_url=NOWHERE).service[1].model_dump(mode="json")
    async with by_hand(database_url, clock, service=[other], client=[], user=[]) as second:
        clock.advance(AFTER_BREACH)
        await second.service.timers.sweep_once()
        await second.service.timers.sweep_once()
    assert query(database_url, "SELECT state FROM cases WHERE id = %s", case_id) == [("breached",)]
    assert query(database_url, NOTICES) == [(1, 1)]
    reasons = query(database_url, "SELECT reason FROM escalations WHERE reason <> 'delivery-unknown' ORDER BY reason")
    assert reasons == [("breach",), ("cancellation-refused",)]
    assert query(database_url, "SELECT count(*) FROM outbox WHERE kind = 'cancellation'") == [(0,)]


async def _opened_by_engine(running: Running) -> UUID:
    from cad_bridge.engine.requests import open_request
    from cad_bridge.fhir.content import Request
    from tests.service import request_body

    opened = await open_request(running.service.engine, Request.model_validate(request_body()), by="test")
    return opened.stored.id


@pytest.mark.req("HAZ-H02-02")
async def test_a_frozen_node_is_cut_off_and_the_others_go_on_without_a_failure(database_url: str) -> None:
    """A node stops for good in the middle of a transaction that holds a due case and the row of the event cursor."""
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        held, *free = await open_cases(running, 4)
        clock.advance(AFTER_BREACH)
        frozen = connect(database_url, pool_size=1)
        connection = await frozen.connect()
        await connection.execute(text("SELECT 1 FROM cases WHERE id = :id FOR UPDATE"), {"id": held["id"]})
        await connection.execute(text("UPDATE event_cursor SET value = value"))
        await sweep(running)
        assert query(database_url, BREACHES)[0][0] >= len(free)

        async def held_one_too() -> bool:
            await sweep(running)
            return bool(query(database_url, BREACHES) == [(4, 4)])

        await until(held_one_too, "the escalation of the case that the frozen node held")
        assert running.service.timers.state.failures == 0
        with pytest.raises(Exception, match=r"idle-in-transaction|terminating connection|closed"):
            await connection.execute(text("SELECT 1"))
        await connection.close()
        await frozen.dispose()


async def test_the_failsafe_does_not_queue_behind_traffic(database_url: str) -> None:
    """Every connection of the node waits for one locked case; another case falls due meanwhile."""
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        busy, due = await open_cases(running, 2)
        clock.advance(AFTER_BREACH)
        locker = connect(database_url, pool_size=1)
        engine, command = running.service.engine, commands.Cancel(reason="Called back")
        traffic: list[asyncio.Task[Any]] = []
        try:
            async with locker.connect() as holder:
                await holder.execute(text("SELECT 1 FROM cases WHERE id = :id FOR UPDATE"), {"id": busy["id"]})
                traffic += [asyncio.create_task(engine.handle(UUID(busy["id"]), command)) for _ in range(40)]

                async def all_wait() -> bool:
                    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    return bool(query(database_url, waiting)[0][0] >= 30)

                await until(all_wait, "a node without a free connection")
                running.service.timers.start()

                async def escalated() -> bool:
                    return bool(query(database_url, "SELECT 1 FROM escalations WHERE case_id = %s", UUID(due["id"])))

                await until(escalated, "the escalation")
                assert not any(task.done() for task in traffic), "the traffic was to wait all the while"
        finally:
            await asyncio.gather(*traffic, return_exceptions=True)
            await running.service.timers.stop()
            await locker.dispose()


async def test_the_sweep_outlives_the_loss_of_every_connection(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case = await running.open_case()
        clock.advance(AFTER_BREACH)
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        running.service.timers.start()
        try:
            query(database_url, f"SELECT pg_terminate_backend(pid) {others}")

            async def escalated() -> bool:
                return bool(query(database_url, BREACHES) == [(1, 1)])

            await until(escalated, "the escalation")
        finally:
            await running.service.timers.stop()
        assert (await running.case(case["id"]))["state"] == "breached"


async def test_what_fell_due_together_after_a_long_stop_is_told_in_order_and_once(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case = await running.open_case()
        clock.advance(timedelta(hours=9))
        await sweep(running)
        await sweep(running)
        assert await types_of(running, case["id"]) == [
            "case.created",
            "escalation.raised",
            "failsafe.dispatch",
            "escalation.raised",
        ]
        raised = [e["data"]["reason"] for e in await running.events(case["id"]) if e["type"] == "escalation.raised"]
        assert raised == ["delivery-unknown", "breach"]
        assert [m["kind"] for m in await messages_of(running, case["id"])] == ["request"]


async def test_health_turns_red_when_no_sweep_comes_and_nobody_needs_the_timer_for_it(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        url = f"{running.url}/health/failsafe"
        assert (await running.client.get(url)).json()["faults"] == ["the failsafe sweep is late"]
        await sweep(running)
        assert (await running.client.get(url)).json()["status"] == "ok"
        clock.advance(timedelta(seconds=6))
        late = await running.client.get(url)
        assert (late.status_code, late.json()["faults"]) == (503, ["the failsafe sweep is late"])
        ready = await running.client.get(f"{running.url}/health/ready")
        assert ready.status_code == 503
        metrics = (await running.client.get(f"{running.url}/metrics")).text
        assert "cad_bridge_failsafe_sweep_age_seconds 6.0" in metrics
