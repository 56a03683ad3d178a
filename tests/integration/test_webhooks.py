"""Webhooks over real HTTP: signed, in order, again and again, and visible when nobody takes them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from cad_bridge.delivery.transport import NoAnswerError, Transport
from cad_bridge.delivery.webhooks import LEASE
from cad_bridge.sandbox.connections import LoopbackServer
from cad_bridge.store import claims
from tests.by_hand import BREACH_IN, RemoteCas, a_clock, by_hand, copies, query, sweep
from tests.service import OTHER_KEY, Running, until

SECRET = "a-secret-of-the-cad-vendor"
A_MINUTE = timedelta(minutes=1)


@dataclass
class Subscriber:
    """A CAD's endpoint: keeps what it gets, and answers as it is told."""

    url: str
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[dict[str, Any]], int] = lambda event: 204
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    """Unset: no answer comes until it is set."""

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event that came, in order, those that were refused included."""
        return [json.loads(body) for _, body in self.got]

    @property
    def types(self) -> list[str]:
        """Their types."""
        return [event["type"] for event in self.events]


@asynccontextmanager
async def a_subscriber() -> AsyncIterator[Subscriber]:
    """An endpoint that takes everything, until it is told otherwise."""
    server, app = LoopbackServer(host="127.0.0.1", port=0), FastAPI()
    subscriber = Subscriber(f"{server.url}/events")
    subscriber.silent.set()

    @app.post("/events")
    async def take(request: Request) -> Response:
        body = await request.body()
        await subscriber.silent.wait()
        subscriber.got.append((dict(request.headers), body))
        return Response(status_code=subscriber.answer(json.loads(body)))

    server.start(app)
    try:
        yield subscriber
    finally:
        subscriber.silent.set()
        await server.stop()


async def subscribe(running: Running, url: str, **more: Any) -> dict[str, Any]:
    """Subscribe as the CAD."""
    key = more.pop("key", None)
    options = {"key": key} if key else {}
    answer = await running.api("POST", "/subscriptions", json={"url": url, "secret": SECRET} | more, **options)
    assert answer.status_code == 201, answer.text
    view: dict[str, Any] = answer.json()
    return view


async def serve_all(running: Running) -> None:
    """Serve every subscription until nothing is due."""
    while await running.service.webhooks.work():
        pass


async def _view(running: Running) -> dict[str, Any]:
    (view,) = (await running.api("GET", "/subscriptions")).json()["subscriptions"]
    return dict(view)


async def _a_case_with_a_story(running: Running) -> dict[str, Any]:
    case = await running.open_case()
    cas = await RemoteCas.of(running, case["id"])
    await cas.post(cas.interim())
    await cas.post(cas.final())
    return case


async def test_events_arrive_signed_and_in_order_with_the_very_objects_of_the_event_log(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running, a_subscriber() as subscriber:
        await subscribe(running, subscriber.url)
        for _ in range(2):
            await _a_case_with_a_story(running)
        await serve_all(running)
        log = (await running.api("GET", "/events")).json()["events"]
        assert subscriber.events == log
        assert len(log) == 8
        for headers, body in subscriber.got:
            mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
            assert headers["x-cad-bridge-signature"] == f"sha256={mac}"
            event = json.loads(body)
            assert headers["x-cad-bridge-event"] == event["type"]
            assert headers["x-cad-bridge-delivery"] == event["id"]


async def test_what_was_refused_comes_again_before_anything_after_it(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running, a_subscriber() as subscriber:
        await subscribe(running, subscriber.url)
        await _a_case_with_a_story(running)
        refusals = iter([500, 302])
        subscriber.answer = lambda event: next(refusals, 200) if event["type"] == "case.in_progress" else 200
        for _ in range(3):
            await serve_all(running)
            clock.advance(A_MINUTE)
        assert subscriber.types == [
            "case.created",
            "case.acknowledged",
            "case.in_progress",
            "case.in_progress",
            "case.in_progress",
            "case.completed",
        ]
        assert len({event["id"] for event in subscriber.events[2:5]}) == 1


async def test_nothing_is_tried_before_its_pause_is_over(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running, a_subscriber() as subscriber:
        await subscribe(running, subscriber.url)
        await running.open_case()
        subscriber.answer = lambda event: 503
        await serve_all(running)
        await serve_all(running)
        assert len(subscriber.got) == 1
        clock.advance(timedelta(seconds=2))
        await serve_all(running)
        assert len(subscriber.got) == 2


async def test_a_dead_subscriber_is_seen_in_health_metrics_and_on_its_subscription(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        async with a_subscriber() as subscriber:
            await subscribe(running, subscriber.url)
        await running.open_case()
        await sweep(running)
        for _ in range(3):
            await serve_all(running)
            clock.advance(A_MINUTE)
            await sweep(running)
        view = await _view(running)
        assert (view["failures"], view["last_error"]) == (3, "no answer: ConnectError: ECONNREFUSED")
        health = await running.client.get(f"{running.url}/health/failsafe")
        assert (health.status_code, health.json()["failing_subscriptions"]) == (200, 1)
        metrics = (await running.client.get(f"{running.url}/metrics")).text
        assert "cad_bridge_failing_subscriptions 1.0" in metrics


async def test_a_subscriber_that_recovers_gets_all_that_it_missed_and_is_healthy_again(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running, a_subscriber() as subscriber:
        await subscribe(running, subscriber.url)
        await _a_case_with_a_story(running)
        subscriber.answer = lambda event: 500
        await serve_all(running)
        await _a_case_with_a_story(running)
        subscriber.answer = lambda event: 200
        clock.advance(A_MINUTE)
        await serve_all(running)
        log = (await running.api("GET", "/events")).json()["events"]
        assert subscriber.events[1:] == log
        view = await _view(running)
        assert (view["failures"], view["last_error"]) == (0, None)
        assert view["cursor"] == log[-1]["cursor"]


async def test_a_subscriber_that_hangs_holds_up_no_other(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running, a_subscriber() as hanging, a_subscriber() as other:
        hanging.silent.clear()
        for subscriber in (hanging, other):
            await subscribe(running, subscriber.url)
        await _a_case_with_a_story(running)
        turn = asyncio.create_task(_work_on(running))

        async def served() -> bool:
            return len(other.got) == 4

        await until(served, "all events at the subscriber that answers")
        assert hanging.got == []
        turn.cancel()
        await asyncio.wait({turn})
        hanging.silent.set()
        await running.service.webhooks.finish()


async def _work_on(running: Running) -> None:
    while True:
        if not await running.service.webhooks.work_on():
            await asyncio.sleep(0.01)


async def test_a_url_that_cannot_be_called_counts_as_a_failure(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        await subscribe(running, "http://127.0.0.1:9/" + "a" * 70_000)
        await running.open_case()
        await serve_all(running)
        view = await _view(running)
        assert (view["failures"], view["last_error"]) == (1, "no answer: InvalidURL")


async def test_an_answer_that_trickles_in_is_no_answer() -> None:
    """Each byte comes well within the limit; the whole never does."""
    ended = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()
        ended.set()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, Transport(timeout_seconds=0.2) as transport, asyncio.timeout(20):
        with pytest.raises(NoAnswerError, match="TimeoutError"):
            await transport.post(url, body=b"", headers={})
        await ended.wait()


async def test_the_next_tier_gets_only_what_nobody_has_acknowledged_and_only_until_somebody_does(
    database_url: str,
) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running, a_subscriber() as first, a_subscriber() as second:
        await subscribe(running, first.url)
        await subscribe(running, second.url, tier=2)
        case = await running.open_case()
        clock.advance(BREACH_IN + A_MINUTE)
        for _ in range(3):
            await sweep(running)
            clock.advance(timedelta(seconds=61))
        await serve_all(running)
        assert second.types == ["escalation.repeated"] * 2, "delivery-unknown and breach, each repeated twice"
        assert {event["data"]["level"] for event in second.events} == {2}
        assert {event["data"]["reason"] for event in second.events} == {"delivery-unknown", "breach"}
        assert first.types.count("escalation.repeated") == 4
        for escalation in (await running.case(case["id"]))["escalations"]:
            path = f"/cases/{case['id']}/escalations/{escalation['id']}/acknowledge"
            assert (await running.api("POST", path, json={"by": "Dot Dispatcher"})).status_code == 200
        for _ in range(3):
            await sweep(running)
            clock.advance(timedelta(seconds=61))
        await serve_all(running)
        assert len(second.got) == 2
        acknowledged = [event for event in first.events if event["type"] == "escalation.acknowledged"]
        assert {event["data"]["by"] for event in acknowledged} == {"Dot Dispatcher (eoc-cad)"}


async def test_a_subscriber_sees_the_events_of_its_own_services_only(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running, a_subscriber() as stranger:
        await subscribe(running, stranger.url, key=OTHER_KEY)
        await _a_case_with_a_story(running)
        await serve_all(running)
        assert stranger.got == []


async def test_after_a_killed_worker_the_next_one_goes_on_with_the_same_delivery_ids(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running, a_subscriber() as subscriber:
        await subscribe(running, subscriber.url)
        await _a_case_with_a_story(running)
        engine = running.service.engine
        dead = await claims.claim_subscription(engine.database, now=engine.now(), lease=LEASE)
        assert dead is not None
        await running.service.webhooks._serve(dead)
        assert len(subscriber.got) == 4
        await serve_all(running)
        assert len(subscriber.got) == 4, "its lease keeps others off"
        clock.advance(LEASE)
        await serve_all(running)
        ids = [headers["x-cad-bridge-delivery"] for headers, _ in subscriber.got]
        assert ids[4:] == ids[:4]


async def test_two_nodes_serve_one_subscriber_in_order_and_without_repeats(database_url: str) -> None:
    async with (
        by_hand(database_url, a_clock()) as running,
        by_hand(database_url, a_clock()) as second,
        a_subscriber() as subscriber,
    ):
        await subscribe(running, subscriber.url)
        case = await running.open_case()
        copies(database_url, case["id"], count=30)
        query(
            database_url,
            """
            INSERT INTO events SELECT (jsonb_populate_record(NULL::events,
                to_jsonb(events) || jsonb_build_object('cursor', n, 'id', gen_random_uuid()))).*
            FROM events, generate_series(2, 40) AS n WHERE events.cursor = 1
            """,
        )
        query(database_url, "UPDATE event_cursor SET value = 40")
        nodes = (running.service.webhooks, second.service.webhooks)
        while any(await asyncio.gather(*(node.work() for node in nodes for _ in range(3)))):
            pass
        assert [int(event["cursor"]) for event in subscriber.events] == list(range(1, 41))
