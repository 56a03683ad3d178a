"""Killed at every seam: nothing is lost and nothing happens twice, whichever side of the commit the node died on."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from cad_bridge.delivery.outbox import LEASE
from cad_bridge.sandbox import plans
from tests.by_hand import (
    BREACH_IN,
    NOWHERE,
    a_clock,
    by_hand,
    by_hand_with_proxy,
    query,
    request_to_us,
    send_due,
    sweep,
    types_of,
)
from tests.referrals import refer, referral_configuration, referring
from tests.seams import Doom, DoomedNode, Seam, doomed
from tests.service import CAD_KEY, CLINICIAN_KEY, configuration, request_body

KILLED = (httpx.RemoteProtocolError, httpx.ReadError)
COMMIT_SEAMS = [Seam.BEFORE_COMMIT, Seam.AFTER_COMMIT]


async def _post(node: DoomedNode, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    """Post to a node that dies of it."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        with pytest.raises(KILLED):
            await client.post(f"{node.url}{path}", content=json.dumps(body), headers=headers)
    await node.died()


@pytest.mark.req("HAZ-H01-03")
@pytest.mark.parametrize("seam", COMMIT_SEAMS)
async def test_opening_a_request(database_url: str, seam: Seam) -> None:
    clock, body = a_clock(), request_body()
    headers = {
        "Authorization": f"Bearer {CAD_KEY}",
        "Idempotency-Key": str(uuid4()),
        "Content-Type": "application/json",
    }
    async with doomed(configuration(base_url=NOWHERE), database_url, Doom(seam), now=clock()) as node:
        await _post(node, "/api/v1/validation-requests", body, headers)
    committed = seam is Seam.AFTER_COMMIT
    for table in ("cases", "outbox", "events", "idempotency_keys"):
        assert query(database_url, f"SELECT count(*) FROM {table}") == [(int(committed),)], table
    armed = query(database_url, "SELECT kind FROM deadlines ORDER BY kind")
    assert armed == ([("breach",), ("delivery",)] if committed else [])
    async with by_hand(database_url, clock) as running:
        given = {"Idempotency-Key": headers["Idempotency-Key"], "Content-Type": "application/json"}
        answer = await running.api("POST", "/validation-requests", content=json.dumps(body), headers=given)
        assert answer.status_code == 201
        assert answer.headers.get("Idempotency-Replayed") == ("true" if committed else None)
        assert await types_of(running, answer.json()["id"]) == ["case.created"]
        assert query(database_url, "SELECT count(*) FROM cases") == [(1,)]


@pytest.mark.req("HAZ-H01-03", "CORE-TI-20")
@pytest.mark.parametrize("seam", COMMIT_SEAMS)
async def test_receiving_a_message(database_url: str, seam: Seam) -> None:
    clock, message = a_clock(), request_to_us()
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
    media = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json; version=1.1.0"}
    doom = Doom(seam, writing="receipts" if seam is Seam.AFTER_COMMIT else "new-case")
    async with doomed(configuration(base_url=NOWHERE), database_url, doom, now=clock()) as node:
        await _post(node, "/FHIR/R4/$process-message", message, ids | media)
    committed = seam is Seam.AFTER_COMMIT
    ((body, status),) = query(database_url, "SELECT body, status FROM messages")
    assert json.loads(bytes(body)) == message, "the bytes are kept, whatever became of the work"
    assert status == (200 if committed else None)
    assert query(database_url, "SELECT count(*) FROM cases") == [(int(committed),)]
    async with by_hand(database_url, clock) as running:
        assert (await running.post_message(message, headers=ids)).status_code == (409 if committed else 200)
        (case,) = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"]
        assert await types_of(running, case["id"], key=CLINICIAN_KEY) == ["case.created"]
        assert query(database_url, "SELECT kind FROM deadlines") == [("intake",)]


@pytest.mark.req("HAZ-H01-02", "CORE-TI-09")
@pytest.mark.parametrize("seam", [Seam.BEFORE_SEND, Seam.AFTER_SEND])
async def test_sending_a_request(database_url: str, seam: Seam) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        assert running.sandbox is not None
        case = await running.open_case()
        config = configuration(base_url=running.sandbox.proxy_url)
        async with doomed(config, database_url, Doom(seam), now=clock()) as node:
            await node.died()
        arrived = len(running.sandbox.cas.cases)
        assert arrived == (1 if seam is Seam.AFTER_SEND else 0)
        await send_due(running)
        assert (await running.case(case["id"]))["state"] == "sent", "the lease of the dead node holds"
        clock.advance(LEASE)
        await send_due(running)
        posts = [entry for entry in running.sandbox.journal.entries if entry.method == "POST"]
        assert [entry.status for entry in posts] == ([200, 409] if arrived else [200])
        assert len({entry.request_body for entry in posts}) == 1
        assert len(running.sandbox.cas.cases) == 1
        assert await types_of(running, case["id"]) == ["case.created", "case.acknowledged"]


@pytest.mark.req("HAZ-H02-02", "APP4-VR-12")
@pytest.mark.parametrize("seam", COMMIT_SEAMS)
async def test_firing_the_failsafe(database_url: str, seam: Seam) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case = await running.open_case()
        clock.advance(BREACH_IN + timedelta(minutes=1))
        doom = Doom(seam, writing="escalations")
        async with doomed(configuration(base_url=NOWHERE), database_url, doom, now=clock()) as node:
            await node.died()
        committed = seam is Seam.AFTER_COMMIT
        assert (await running.case(case["id"]))["state"] == ("breached" if committed else "sent")
        await asyncio.gather(sweep(running), sweep(running))
        assert (await types_of(running, case["id"])).count("failsafe.dispatch") == 1
        breaches = "SELECT count(*) FROM escalations WHERE reason = 'breach'"
        assert query(database_url, breaches) == [(1,)]


SILENCES = [
    ("a6t1", False, "delivery-unknown", Seam.BEFORE_COMMIT),
    ("a6t1", True, "status-overdue", Seam.BEFORE_COMMIT),
    ("a6t2", True, "answer-overdue", Seam.BEFORE_COMMIT),
    ("a6t2", True, "answer-overdue", Seam.AFTER_COMMIT),
]


@pytest.mark.req("HAZ-H02-02")
@pytest.mark.parametrize(("use_case", "arrives", "reason", "seam"), SILENCES)
async def test_a_silence_of_a_referrals_receiver_escalates_once(
    database_url: str, use_case: str, arrives: bool, reason: str, seam: Seam
) -> None:
    clock = a_clock()
    async with referring(database_url, plan=plans.silent(), clock=clock, background=False) as running:
        case = await refer(running, use_case)
        if arrives:
            await send_due(running)
        duty = (await running.case(case["id"]))["dispatch_duty"]
        clock.advance(timedelta(hours=2))
        # The doomed node sends into the void, so that nothing but the clock speaks.
        async with doomed(referral_configuration(), database_url, Doom(seam, "escalations"), now=clock()) as node:
            await node.died()
        raised = f"SELECT count(*) FROM escalations WHERE reason = '{reason}'"
        assert query(database_url, raised) == [(int(seam is Seam.AFTER_COMMIT),)]
        await asyncio.gather(sweep(running), sweep(running))
        assert query(database_url, raised) == query(database_url, "SELECT count(*) FROM escalations") == [(1,)]
        assert (await types_of(running, case["id"])).count("escalation.raised") == 1
        assert (await running.case(case["id"]))["dispatch_duty"] == duty


@pytest.mark.req("HAZ-H01-02")
@pytest.mark.parametrize("seam", COMMIT_SEAMS)
async def test_a_referral_that_cannot_be_delivered_escalates_once(database_url: str, seam: Seam) -> None:
    clock = a_clock()
    async with referring(database_url, plan=plans.refuse(), clock=clock, background=False) as running:
        assert running.sandbox is not None
        case = await refer(running)
        config = referral_configuration(base_url=running.sandbox.proxy_url)
        async with doomed(config, database_url, Doom(seam, "escalations"), now=clock()) as node:
            await node.died()
        for _ in range(2):
            clock.advance(LEASE)
            await send_due(running)
        now = await running.case(case["id"])
        assert (now["state"], now["dispatch_duty"]) == ("undelivered", "sender")
        assert [item["reason"] for item in now["escalations"]].count("undeliverable") == 1
