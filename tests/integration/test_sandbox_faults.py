"""Injected faults over real connections: what the sender sees, what the target got."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest

from cad_bridge.sandbox import plans
from cad_bridge.sandbox.clock import ManualClock
from cad_bridge.sandbox.faults import Fault
from cad_bridge.sandbox.server import DEMO_CAS
from tests.unit.sandbox.world import EOC, a_validation_request, a_world, code_of, until

CAS = DEMO_CAS.service_id


async def test_lost_200_then_409_duplicate_on_the_repeat() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        request, request_id = a_validation_request(CAS), str(uuid.uuid4())
        eoc.sandbox.faults.inject(CAS, Fault.drop_response())
        with pytest.raises(httpx.RemoteProtocolError):
            await eoc.send(request, target=CAS, request_id=request_id)
        assert len(eoc.sandbox.cas.cases) == 1
        repeated = await eoc.send(request, target=CAS, request_id=request_id)
        lost = eoc.sandbox.journal.entries[0]
    assert (repeated.status_code, code_of(repeated.json())) == (409, ("REC_CONFLICT", "duplicate"))
    assert (lost.status, lost.target_statuses, lost.fault) == (None, (200,), "drop_response")


async def test_reset_reaches_no_target() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        eoc.sandbox.faults.inject(CAS, Fault.reset())
        with pytest.raises(httpx.ReadError):
            await eoc.send(a_validation_request(CAS), target=CAS)
        assert eoc.sandbox.cas.arrivals == []


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_error_statuses_are_counted_and_keep_the_ids(status: int) -> None:
    async with a_world(plan=plans.silent()) as eoc:
        eoc.sandbox.faults.inject(CAS, Fault.answer(status, times=2))
        answers = [await eoc.send(a_validation_request(CAS), target=CAS) for _ in range(3)]
        assert len(eoc.sandbox.cas.cases) == 1
        assert eoc.sandbox.faults.pending(CAS) == ()
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].json()["resourceType"] == "OperationOutcome"
    assert "x-request-id" in answers[0].headers


async def test_an_error_without_an_outcome_has_no_body() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        eoc.sandbox.faults.inject(CAS, Fault.answer(503, with_outcome=False))
        answer = await eoc.send(a_validation_request(CAS), target=CAS)
    assert (answer.status_code, answer.content) == (503, b"")


async def test_html_from_a_gateway_in_between() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        eoc.sandbox.faults.inject(CAS, Fault.html())
        answer = await eoc.send(a_validation_request(CAS), target=CAS)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
    assert "x-request-id" not in answer.headers


@pytest.mark.parametrize("concurrent", [False, True])
async def test_duplicate_delivery_is_answered_once(concurrent: bool) -> None:
    async with a_world(plan=plans.silent()) as eoc:
        eoc.sandbox.faults.inject(CAS, Fault.duplicate(concurrent=concurrent))
        answer = await eoc.send(a_validation_request(CAS), target=CAS)
        statuses = eoc.sandbox.journal.entries[0].target_statuses
        assert len(eoc.sandbox.cas.cases) == 1
    assert sorted(statuses) in ([200, 409], [200, 425])
    assert answer.status_code == statuses[0]


async def test_stripped_ids() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        eoc.sandbox.faults.inject(CAS, Fault.strip_ids())
        answer = await eoc.send(a_validation_request(CAS), target=CAS)
    assert answer.status_code == 200
    assert "x-request-id" not in answer.headers
    assert "x-correlation-id" not in answer.headers


async def test_delay_lasts_until_the_clock_has_moved() -> None:
    clock = ManualClock()
    async with a_world(plan=plans.silent(), clock=clock) as eoc:
        eoc.sandbox.faults.inject(CAS, Fault.delay(30))
        sending = asyncio.create_task(eoc.send(a_validation_request(CAS), target=CAS))
        await until(lambda: clock.waiting == 1)
        assert eoc.sandbox.cas.arrivals == []
        clock.advance(30)
        assert (await sending).status_code == 200


async def test_faults_meet_only_what_they_are_meant_for() -> None:
    async with a_world(plan=plans.reject()) as eoc:
        eoc.sandbox.faults.inject(CAS, Fault.html(method="GET"))
        eoc.sandbox.faults.inject(EOC.service_id, Fault.html(event="validation-interim"))
        posted = await eoc.send(a_validation_request(CAS), target=CAS)
        read = await eoc.get("metadata", target=CAS)
        await until(lambda: len(eoc.sandbox.cas.performed) == 1)
        attempts = eoc.sandbox.cas.performed[0].sent.attempts
    assert (posted.status_code, read.status_code) == (200, 502)
    assert attempts == 2


async def test_the_simulated_sender_survives_every_fault() -> None:
    faults = [
        Fault.drop_response(),
        Fault.reset(),
        Fault.html(),
        Fault.answer(429),
        Fault.strip_ids(),
        Fault.answer(503),
    ]
    async with a_world(plan=plans.reject()) as eoc:
        for fault in faults:
            eoc.sandbox.faults.inject(EOC.service_id, fault)
        await eoc.send(a_validation_request(CAS), target=CAS)
        await until(lambda: eoc.sandbox.cas.performed)
        sent = eoc.sandbox.cas.performed[0].sent
    assert (sent.attempts, sent.delivered) == (7, True)
    assert len(set(eoc.raw)) == 1


async def test_a_lapsed_token_is_renewed() -> None:
    async with a_world(plan=plans.complete()) as eoc:
        eoc.gate = asyncio.Event()
        await eoc.send(a_validation_request(CAS), target=CAS)
        await until(lambda: eoc.raw)
        eoc.sandbox.proxy.tokens.expire_all()
        eoc.gate.set()
        await until(lambda: len(eoc.sandbox.cas.performed) == 2)
        attempts = [performed.sent.attempts for performed in eoc.sandbox.cas.performed]
    assert attempts == [1, 2]
