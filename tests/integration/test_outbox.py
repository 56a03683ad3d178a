"""The outbox over real HTTP: order, retries, lost answers, dead and slow workers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from cad_bridge.delivery.outbox import LEASE
from cad_bridge.protocol.answers import Answer, Origin, Verdict, no_answer
from cad_bridge.sandbox import plans
from cad_bridge.sandbox.actions import Start
from cad_bridge.sandbox.faults import Fault
from cad_bridge.sandbox.journal import JournalEntry
from cad_bridge.sandbox.server import DEMO_CAS
from cad_bridge.store import claims
from tests.by_hand import (
    a_clock,
    by_hand,
    by_hand_with_proxy,
    copies,
    messages_of,
    query,
    reasons_of,
    request_to_us,
    send_due,
    sweep,
    types_of,
)
from tests.service import CLINICIAN_KEY, DOS, OTHER_KEY, Running, configuration, until

CAS = DEMO_CAS.service_id
A_MINUTE = timedelta(minutes=1)
SAME_ON_EVERY_TRY = {
    "x-request-id",
    "x-correlation-id",
    "nhsd-target-identifier",
    "nhsd-end-user-organisation",
    "nhsd-requesting-software",
    "use-context",
    "content-type",
    "accept",
}

TO_EVERY_CASE = """
INSERT INTO outbox (id, seq, case_id, message_id, kind, state, attempts, created_at, next_attempt_at)
SELECT gen_random_uuid(), nextval('outbox_seq'), cases.id, message_id, kind, 'pending', 0, outbox.created_at,
       next_attempt_at
FROM cases, outbox, generate_series(1, %s)
"""
"""So many more parcels for every case, with the message of the only parcel there is."""


def posts(running: Running) -> list[JournalEntry]:
    """Every message that reached the proxy."""
    assert running.sandbox is not None
    return [entry for entry in running.sandbox.journal.entries if entry.method == "POST"]


def break_next(running: Running, fault: Fault) -> None:
    """The proxy makes trouble for messages to the CAS."""
    assert running.sandbox is not None
    running.sandbox.faults.inject(CAS, fault)


def outbox(database_url: str) -> list[tuple[Any, ...]]:
    """Kind, state and tries of every parcel, in order."""
    return query(database_url, "SELECT kind, state, attempts FROM outbox ORDER BY seq")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.drop_response(method="POST"), id="lost-200", marks=pytest.mark.req("CORE-TI-16")),
        pytest.param(Fault.reset(method="POST"), id="reset"),
        pytest.param(Fault.html(method="POST"), id="html", marks=pytest.mark.req("CORE-TI-12")),
        pytest.param(Fault.answer(500, with_outcome=False, method="POST"), id="500-without-outcome"),
        pytest.param(Fault.answer(503, method="POST"), id="503", marks=pytest.mark.req("CORE-TI-14")),
        pytest.param(Fault.answer(429, method="POST"), id="429", marks=pytest.mark.req("CORE-TI-15")),
        pytest.param(Fault.strip_ids(method="POST"), id="without-ids", marks=pytest.mark.req("CORE-TI-11")),
    ],
)
@pytest.mark.req("CORE-TI-10", "CORE-BND-11")
async def test_what_did_not_get_through_goes_again_unchanged_until_it_is_known_to_have_arrived(
    database_url: str, fault: Fault
) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        break_next(running, fault)
        case = await running.open_case()
        await send_due(running)
        assert (await running.case(case["id"]))["state"] == "sent"
        assert outbox(database_url) == [("request", "pending", 1)]
        clock.advance(A_MINUTE)
        await send_due(running)
        first, second = posts(running)
        assert first.request_body == second.request_body
        assembled = datetime.fromisoformat(json.loads(second.request_body)["timestamp"])
        assert assembled <= clock() - A_MINUTE, "a try is no assembly"
        assert set(first.request_headers) >= SAME_ON_EVERY_TRY
        for name in SAME_ON_EVERY_TRY:
            assert first.request_headers[name] == second.request_headers[name]
        assert (await running.case(case["id"]))["state"] == "pending"
        assert await types_of(running, case["id"]) == ["case.created", "case.acknowledged"]
        assert running.sandbox is not None
        assert len(running.sandbox.cas.cases) == 1
        assert outbox(database_url) == [("request", "delivered", 2)]


@pytest.mark.req("CORE-TI-16")
async def test_after_a_lost_200_the_409_proves_the_delivery_and_a_response_brings_the_case_number(
    database_url: str,
) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        assert running.sandbox is not None
        break_next(running, Fault.drop_response(method="POST"))
        case = await running.open_case()
        await send_due(running)
        clock.advance(A_MINUTE)
        await send_due(running)
        assert posts(running)[-1].status == 409
        assert (await running.case(case["id"]))["remote_case_number"] is None
        held = running.sandbox.cas.cases.by_case_number(case["case_number"])
        await running.sandbox.cas.act(held, Start())
        known = await running.case(case["id"])
        assert (known["state"], known["remote_case_number"]) == ("in_progress", held.case_number)


async def test_a_response_that_comes_before_the_200_proves_the_delivery(database_url: str) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.response_before_acknowledgement()) as running:
        case = await running.open_case()
        await send_due(running)
        assert (await running.case(case["id"]))["state"] == "in_progress"
        assert await types_of(running, case["id"]) == ["case.created", "case.acknowledged", "case.in_progress"]
        assert outbox(database_url) == [("request", "delivered", 1)]


@pytest.mark.req("HAZ-H01-02", "HAZ-H02-07")
async def test_an_unknown_outcome_is_escalated_after_a_minute_and_tried_on(database_url: str) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        break_next(running, Fault.reset(times=2, method="POST"))
        case = await running.open_case()
        await send_due(running)
        clock.advance(timedelta(seconds=59))
        await sweep(running)
        assert reasons_of(await running.case(case["id"])) == []
        clock.advance(timedelta(seconds=1))
        await sweep(running)
        await send_due(running)
        known = await running.case(case["id"])
        assert (known["state"], reasons_of(known)) == ("sent", ["delivery-unknown"])
        clock.advance(A_MINUTE)
        await send_due(running)
        known = await running.case(case["id"])
        assert (known["state"], known["delivered"]) == ("pending", True)
        assert [d["kind"] for d in known["deadlines"]] == ["acknowledgement", "breach"]


@pytest.mark.req("HAZ-H01-02", "CORE-TI-17")
@pytest.mark.parametrize(
    "refusal",
    [
        plans.refuse(422),
        plans.refuse(400, "REC_BAD_REQUEST", "invariant"),
        plans.refuse(409, "REC_CONFLICT", "conflict"),
    ],
    ids=["422", "400", "409-conflict"],
)
async def test_a_refused_request_is_told_and_escalated_at_once_and_stays_protected(
    database_url: str, refusal: plans.Plan
) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=refusal) as running:
        case = await running.open_case()
        await send_due(running)
        known = await running.case(case["id"])
        assert (known["state"], reasons_of(known)) == ("undelivered", ["undeliverable"])
        events = await running.events(case["id"])
        assert [e["type"] for e in events] == ["case.created", "delivery.failed", "escalation.raised"]
        assert events[1]["data"]["attempts"] == 1
        assert "breach" in [d["kind"] for d in known["deadlines"]]
        clock.advance(timedelta(hours=1))
        await send_due(running)
        assert len(posts(running)) == 1


async def test_messages_of_one_case_leave_in_order_whatever_happens_to_the_first(database_url: str) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        break_next(running, Fault.answer(503, times=2, method="POST"))
        case = await running.open_case()
        await send_due(running)
        await running.api("POST", f"/cases/{case['id']}/cancel", json={"reason": "Called back"})
        await send_due(running)
        assert [entry.status for entry in posts(running)] == [503], "a cancellation must not overtake its request"
        clock.advance(A_MINUTE)
        await send_due(running)
        assert outbox(database_url)[0] == ("request", "withdrawn", 1)
        assert outbox(database_url)[1][0] == "cancellation"


async def test_a_request_cancelled_before_its_first_try_never_leaves_nor_does_its_cancellation(
    database_url: str,
) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        assert running.sandbox is not None
        cases = [await running.open_case() for _ in range(2)]
        await running.api("POST", f"/cases/{cases[0]['id']}/cancel", json={"reason": "Called back"})
        await running.api("POST", f"/cases/{cases[1]['id']}/dispatch")
        await send_due(running)
        assert running.sandbox.journal.entries == ()
        assert {row[:2] for row in outbox(database_url)} == {("request", "withdrawn"), ("cancellation", "withdrawn")}
        for case in cases:
            assert reasons_of(await running.case(case["id"])) == []


async def test_a_lease_keeps_other_workers_off_until_its_worker_must_be_dead(database_url: str) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        case = await running.open_case()
        await _a_worker_dies_over_its_parcel(running)
        await send_due(running)
        assert posts(running) == []
        clock.advance(LEASE)
        await send_due(running)
        assert (await running.case(case["id"]))["state"] == "pending"
        tries = query(database_url, "SELECT number, verdict FROM attempts ORDER BY number")
        assert tries == [(1, "unknown"), (2, "delivered")]


async def test_a_request_that_a_dead_worker_may_have_sent_is_cancelled_at_the_responder(database_url: str) -> None:
    """Sent, killed before it was settled, cancelled by the CAD: the responder may be working on it."""
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        assert running.sandbox is not None
        case = await running.open_case()
        parcel = await _a_worker_dies_over_its_parcel(running)
        sent = await running.client.post(
            f"{running.sandbox.proxy_url}/$process-message", content=parcel.body, headers=parcel.headers
        )
        assert sent.status_code == 200
        await running.api("POST", f"/cases/{case['id']}/cancel", json={"reason": "Called back"})
        clock.advance(LEASE)
        await send_due(running)
        held = running.sandbox.cas.cases.by_case_number(case["case_number"])
        assert held.request_status == "revoked"
        assert [row[:2] for row in outbox(database_url)] == [("request", "withdrawn"), ("cancellation", "delivered")]


async def _a_worker_dies_over_its_parcel(running: Running) -> claims.Parcel:
    engine = running.service.engine
    (parcel,) = await claims.claim_parcels(engine.database, node="dead", now=engine.now(), lease=LEASE, limit=1)
    return parcel


async def test_a_worker_that_was_too_slow_changes_nothing_but_what_it_has_learnt(database_url: str) -> None:
    """A frozen worker wakes up when another has delivered its parcel."""
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        case = await running.open_case()
        slow = await _a_worker_dies_over_its_parcel(running)
        clock.advance(LEASE)
        await send_due(running)
        refused = Answer(verdict=Verdict.REFUSED, origin=Origin.RECEIVER, advice="No.", http_status=400)
        for answer in (refused, no_answer()):
            await running.service.outbox._settle(slow, answer, None, took_ms=1.0)
        assert outbox(database_url) == [("request", "delivered", 2)]
        assert (await running.case(case["id"]))["state"] == "pending"
        assert await types_of(running, case["id"]) == ["case.created", "case.acknowledged"]


async def test_two_workers_never_claim_the_same_parcel_nor_two_of_one_case(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        engine = running.service.engine
        case = await running.open_case()
        copies(database_url, case["id"], count=29)
        query(database_url, TO_EVERY_CASE, 2)
        batches = await asyncio.gather(
            *(
                claims.claim_parcels(engine.database, node=f"n{i}", now=engine.now(), lease=LEASE, limit=4)
                for i in range(12)
            )
        )
        claimed = [parcel for batch in batches for parcel in batch]
        assert all(len(batch) <= 4 for batch in batches)
        assert len({parcel.id for parcel in claimed}) == len(claimed)
        assert len({parcel.case_id for parcel in claimed}) == len(claimed)


@asynccontextmanager
async def a_service_that_never_answers() -> AsyncIterator[str]:
    """Takes connections and is silent for as long as the test wants."""
    over = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/FHIR/R4"
    finally:
        over.set()
        server.close()
        await server.wait_closed()


async def test_a_service_that_hangs_holds_up_no_other(database_url: str) -> None:
    """More requests hang than a batch held; the one to another service goes out all the same."""
    hanging = f"{DOS}|2000000099"
    async with by_hand_with_proxy(database_url, a_clock(), plan=plans.silent()) as running:
        assert running.sandbox is not None
        async with a_service_that_never_answers() as silent_url:
            running.sandbox.route(hanging, silent_url)
            stuck = await running.open_case(receiver=hanging)
            copies(database_url, stuck["id"], count=11)
            query(database_url, TO_EVERY_CASE, 1)
            good = await running.open_case()
            turn = asyncio.create_task(_work_on(running))
            await running.state(good["id"], "pending")
            assert query(database_url, "SELECT count(*) FROM cases WHERE state = 'sent'") == [(12,)]
            turn.cancel()
            await asyncio.wait({turn})
        await running.service.outbox.finish()


async def _work_on(running: Running) -> None:
    while True:
        if not await running.service.outbox.work_on():
            await asyncio.sleep(0.01)


async def test_a_responders_answer_is_tried_again_unchanged_and_its_failure_escalated(database_url: str) -> None:
    """Our CAS answers a remote AST that cannot be reached: unchanged tries, then a person is told."""
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        assert (await running.post_message(request_to_us())).status_code == 200
        case_id = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"][0]["id"]
        assert (await running.api("POST", f"/cases/{case_id}/start", key=CLINICIAN_KEY)).status_code == 200
        for _ in range(12):
            await send_due(running)
            clock.advance(timedelta(minutes=2))
        bodies = {entry.request_body for entry in posts(running)}
        ids = {entry.request_headers["x-request-id"] for entry in posts(running)}
        assert (len(bodies), len(ids)) == (1, 1)
        assert outbox(database_url)[0][:2] == ("interim", "refused")
        case = await running.case(case_id, key=OTHER_KEY)
        assert "response-undeliverable" in reasons_of(case)
        types = await types_of(running, case_id, key=CLINICIAN_KEY)
        assert "delivery.failed" in types


@pytest.mark.req("HAZ-H01-02")
async def test_a_message_that_cannot_even_be_tried_is_given_up_and_escalated_like_any_other(database_url: str) -> None:
    """The local service is taken out of the configuration while its cancellation waits."""
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        case = await running.open_case()
        await send_due(running)
        await running.api("POST", f"/cases/{case['id']}/cancel", json={"reason": "Called back"})
    other = configuration(base_url="http://x").service[1].model_dump(mode="json")
    async with by_hand(database_url, clock, service=[other], client=[], user=[]) as running:
        for _ in range(12):
            await send_due(running)
            clock.advance(timedelta(minutes=2))
    assert outbox(database_url)[1] == ("cancellation", "refused", 12)
    reasons = query(database_url, "SELECT reason FROM escalations WHERE case_id = %s", UUID(case["id"]))
    assert reasons == [("cancellation-refused",)]


async def test_the_bytes_that_were_sent_are_the_bytes_that_are_kept(database_url: str) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        case = await running.open_case()
        await send_due(running)
        (kept,) = await messages_of(running, case["id"])
        (sent,) = posts(running)
        assert kept["body"] == sent.request_body
        assert (kept["direction"], kept["status"]) == ("out", 200)
        assert UUID(kept["request_id"]) == UUID(sent.request_headers["x-request-id"])


async def test_a_stop_in_good_order_settles_what_is_on_its_way(database_url: str) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        break_next(running, Fault.delay(0.2, method="POST"))
        await running.open_case()
        assert await running.service.outbox.work_on()
        for loop in running.service.loops:
            await loop.stop()
        assert outbox(database_url) == [("request", "delivered", 1)]


async def test_undelivered_messages_are_seen_in_health_and_metrics(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        await running.open_case()
        await send_due(running)

        async def figures() -> bool:
            health = (await running.client.get(f"{running.url}/health/failsafe")).json()
            metrics = (await running.client.get(f"{running.url}/metrics")).text
            return bool(health["undelivered"] == 1 and "cad_bridge_undelivered 1.0" in metrics)

        await until(figures, "one undelivered message")
