"""Killed at every seam: nothing is lost and nothing happens twice, whichever side of the commit the node died on."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from cad_bridge.delivery.outbox import LEASE
from cad_bridge.delivery.webhooks import LEASE as HOOK_LEASE
from cad_bridge.sandbox import plans
from tests import messages
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
from tests.integration.test_webhooks import a_subscriber, serve_all, subscribe
from tests.referrals import receiving, refer, referral_body, referral_configuration, referring
from tests.seams import Doom, DoomedNode, Seam, doomed
from tests.service import CAD_KEY, CLINICIAN_KEY, configuration, request_body

KILLED = (httpx.RemoteProtocolError, httpx.ReadError)
COMMIT_SEAMS = [Seam.BEFORE_COMMIT, Seam.AFTER_COMMIT]
CAD = {"Authorization": f"Bearer {CAD_KEY}", "Content-Type": "application/json"}
UPDATES = "SELECT count(*) FROM outbox WHERE kind = 'update'"


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
    headers = CAD | {"Idempotency-Key": str(uuid4())}
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


def _changed(body: dict[str, Any]) -> dict[str, Any]:
    sooner = datetime.fromisoformat(body["breach_at"]) - timedelta(minutes=10)
    return body | {"presenting_complaint": "Palpitations, now dizzy", "breach_at": sooner.isoformat()}


@pytest.mark.req("HAZ-H01-03", "APP4-VR-13")
@pytest.mark.parametrize("seam", COMMIT_SEAMS)
async def test_updating_a_request(database_url: str, seam: Seam) -> None:
    """The earlier breach time is armed in the very commit that queues the update, or neither is."""
    clock, body = a_clock(), request_body()
    changed = _changed(body)
    async with by_hand(database_url, clock) as running:
        case = (await running.api("POST", "/validation-requests", json=body)).json()
        path = f"/cases/{case['id']}/update"
        async with doomed(configuration(base_url=NOWHERE), database_url, Doom(seam, "outbox"), now=clock()) as node:
            await _post(node, f"/api/v1{path}", changed, CAD)
        committed = seam is Seam.AFTER_COMMIT
        held = "SELECT due_at FROM deadlines WHERE kind = 'breach'"
        due = datetime.fromisoformat(changed["breach_at"] if committed else body["breach_at"])
        assert query(database_url, held) == [(due,)]
        assert query(database_url, UPDATES) == [(int(committed),)]
        assert (await running.api("POST", path, json=changed)).status_code == (422 if committed else 202)
        assert query(database_url, UPDATES) == [(1,)]
        assert query(database_url, held) == [(datetime.fromisoformat(changed["breach_at"]),)]


@pytest.mark.req("HAZ-H01-03", "APP4-VR-17")
@pytest.mark.parametrize("seam", COMMIT_SEAMS)
async def test_cancelling_a_request(database_url: str, seam: Seam) -> None:
    """Protection ends in the commit that says so, and the responder is told once."""
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case = await running.open_case()
        path = f"/cases/{case['id']}/cancel"
        reason = {"reason": "Patient called back"}
        async with doomed(configuration(base_url=NOWHERE), database_url, Doom(seam, "outbox"), now=clock()) as node:
            await _post(node, f"/api/v1{path}", reason, CAD)
        committed = seam is Seam.AFTER_COMMIT
        armed = query(database_url, "SELECT count(*) FROM deadlines WHERE kind = 'breach'")
        assert armed == [(0 if committed else 1,)]
        assert (await running.api("POST", path, json=reason)).status_code == 202
        assert query(database_url, "SELECT count(*) FROM outbox WHERE kind = 'cancellation'") == [(1,)]
        assert (await types_of(running, case["id"])).count("case.cancelled") == 1
        clock.advance(BREACH_IN + timedelta(minutes=1))
        await sweep(running)
        assert "failsafe.dispatch" not in await types_of(running, case["id"])


@pytest.mark.req("HAZ-H01-03", "CORE-TI-20")
async def test_receiving_a_cancellation(database_url: str) -> None:
    """Committed, and the 200 lost: the sender's repeat is told that it is one, and nothing is done again."""
    clock, message = a_clock(), request_to_us()
    async with by_hand(database_url, clock) as running:
        correlation = str(uuid4())
        answer = await running.post_message(message, headers={"X-Correlation-Id": correlation})
        given = messages.cancellation(message, answer.json())
        ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": correlation}
        media = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json; version=1.1.0"}
        doom = Doom(Seam.AFTER_COMMIT, "receipts")
        async with doomed(configuration(base_url=NOWHERE), database_url, doom, now=clock()) as node:
            await _post(node, "/FHIR/R4/$process-message", given, ids | media)
        assert (await running.post_message(given, headers=ids)).status_code == 409
        (case,) = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"]
        assert case["state"] == "cancelled"
        told = await types_of(running, case["id"], key=CLINICIAN_KEY)
        assert told == ["case.created", "case.cancelled"]
        assert query(database_url, "SELECT count(*) FROM deadlines WHERE fired_at IS NULL") == [(0,)]


@pytest.mark.req("HAZ-H01-03")
async def test_opening_a_referral(database_url: str) -> None:
    """Committed, and the 201 lost: case, deadline, message and the choice of the receiver are there, once."""
    clock, body = a_clock(), referral_body("a6t1")
    key = {"Idempotency-Key": str(uuid4())}
    async with doomed(referral_configuration(), database_url, Doom(Seam.AFTER_COMMIT), now=clock()) as node:
        await _post(node, "/api/v1/referrals", body, CAD | key)
    async with receiving(database_url, clock=clock) as running:
        answer = await running.api("POST", "/referrals", content=json.dumps(body), headers=CAD | key)
        assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (201, "true"), answer.text
        assert await types_of(running, answer.json()["id"]) == ["case.created"]
    for table in ("cases", "outbox", "events", "idempotency_keys", "receiver_decisions"):
        assert query(database_url, f"SELECT count(*) FROM {table}") == [(1,)], table
    assert query(database_url, "SELECT kind FROM deadlines WHERE fired_at IS NULL") != []


@pytest.mark.parametrize("seam", [Seam.BEFORE_HOOK, Seam.AFTER_HOOK])
async def test_telling_a_subscriber(database_url: str, seam: Seam) -> None:
    """Nothing is lost, and what comes twice comes under the same delivery id, before anything else."""
    clock = a_clock()
    async with by_hand(database_url, clock) as running, a_subscriber() as subscriber:
        await subscribe(running, subscriber.url)
        await running.open_case()
        await running.open_case()
        async with doomed(configuration(base_url=NOWHERE), database_url, Doom(seam), now=clock()) as node:
            await node.died()
        assert len(subscriber.got) == (2 if seam is Seam.AFTER_HOOK else 0)
        clock.advance(HOOK_LEASE)
        await serve_all(running)
        ids = [headers["x-cad-bridge-delivery"] for headers, _ in subscriber.got]
        assert ids[-2:] == [event["id"] for event in (await running.api("GET", "/events")).json()["events"]]
        assert ids == (ids[-2:] * 2 if seam is Seam.AFTER_HOOK else ids[-2:])


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
