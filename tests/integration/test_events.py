"""Event cursors follow the commits: no reader skips or repeats an event, whatever commits at the same time."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from cad_bridge.workflow import commands
from tests.by_hand import RemoteCas, a_clock, by_hand, copies, query, types_of
from tests.database import connect
from tests.service import CAD_KEY, CLINICIAN_KEY, OTHER_KEY, Running, until

WRITERS, COMMANDS = 16, 5


async def page(running: Running, after: str | None, *, limit: int = 7, key: str = CAD_KEY) -> dict[str, Any]:
    """One page of events."""
    given = {"limit": limit} | ({"after": after} if after is not None else {})
    answer = await running.api("GET", "/events", params=given, key=key)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def read_until(running: Running, done: asyncio.Event, *, limit: int) -> list[dict[str, Any]]:
    """What a reader collects that passes `next` back, until nothing more comes after everybody has written."""
    seen: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        last_round = done.is_set()
        found = await page(running, after, limit=limit)
        seen += found["events"]
        if last_round and not found["events"]:
            return seen
        after = found["next"]


async def _write(running: Running, case_id: str) -> None:
    engine = running.service.engine
    for number in range(COMMANDS):
        await engine.handle(UUID(case_id), commands.UnrecognisedResponse(came_from=f"{case_id}|{number}"))


async def test_readers_see_every_event_once_and_in_order_while_many_connections_commit(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        first = await running.open_case()
        copies(database_url, first["id"], count=WRITERS - 1)
        cases = [str(row[0]) for row in query(database_url, "SELECT id FROM cases")]
        done = asyncio.Event()
        readers = [asyncio.create_task(read_until(running, done, limit=limit)) for limit in (3, 1000)]
        await asyncio.gather(*(_write(running, case_id) for case_id in cases))
        done.set()
        everything = [str(row[0]) for row in query(database_url, "SELECT cursor FROM events ORDER BY cursor")]
        assert len(everything) == 1 + WRITERS * COMMANDS
        for reader in readers:
            seen = await reader
            assert [event["cursor"] for event in seen] == everything
        versions = defaultdict(list)
        for event in seen:
            versions[event["case"]["id"]].append(event["case"]["version"])
        assert versions[first["id"]].pop(0) == 1
        assert versions == {case_id: list(range(2, COMMANDS + 2)) for case_id in cases}, "one case's events in order"


async def test_a_commit_that_takes_its_time_is_never_overtaken(database_url: str) -> None:
    """A transaction has its cursors and has not committed: nothing with a higher cursor can be seen before it."""
    async with by_hand(database_url, a_clock()) as running:
        slow, quick = [await running.open_case() for _ in range(2)]
        engine = running.service.engine
        with _holding_the_next_cursor(database_url, slow["id"]) as held:
            other = asyncio.create_task(engine.handle(UUID(quick["id"]), commands.Dispatch(by="Dot")))

            async def waits() -> bool:
                return bool(query(database_url, "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))

            await until(waits, "a second writer that waits for the first")
            assert [event["type"] for event in (await page(running, None))["events"]] == ["case.created"] * 2
            held.commit()
        await other
        events = (await page(running, None))["events"]
        assert [event["type"] for event in events] == ["case.created", "case.created", "slow", "case.updated"]
        assert [event["cursor"] for event in events] == ["1", "2", "3", "4"]


def _holding_the_next_cursor(database_url: str, case_id: str) -> psycopg.Connection:
    """Somebody who writes one event as the unit of work does, and has not committed yet."""
    held = connect(database_url)
    held.autocommit = False
    held.execute("UPDATE event_cursor SET value = value + 1 WHERE id = 1")
    held.execute(
        """
        INSERT INTO events SELECT (jsonb_populate_record(NULL::events, to_jsonb(events) || jsonb_build_object(
            'cursor', 3, 'id', gen_random_uuid(), 'type', 'slow'))).* FROM events WHERE case_id = %s
        """,
        [UUID(case_id)],
    )
    return held


async def test_a_rolled_back_command_uses_up_no_cursor(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        case = await running.open_case()
        engine = running.service.engine
        async with engine.unit_of_work() as work:
            loaded = await work.lock_case(UUID(case["id"]))
            assert loaded is not None
            await engine.decide_in(work, loaded, commands.Dispatch(by="Dot"))
        await engine.handle(UUID(case["id"]), commands.Dispatch(by="Dot"))
        assert [event["cursor"] for event in (await page(running, None))["events"]] == ["1", "2"]


async def test_pages_begin_at_the_oldest_and_next_is_good_for_ever(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        empty = await page(running, None)
        assert empty == {"events": [], "next": "0"}
        case = await running.open_case()
        first = await page(running, empty["next"])
        assert [event["type"] for event in first["events"]] == ["case.created"]
        assert await page(running, first["next"]) == {"events": [], "next": first["next"]}
        await running.api("POST", f"/cases/{case['id']}/dispatch")
        second = await page(running, first["next"])
        assert [event["type"] for event in second["events"]] == ["case.updated"]


async def test_an_event_has_the_fields_of_the_contract(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        case = await running.open_case()
        (event,) = (await page(running, None))["events"]
        assert set(event) == {"cursor", "id", "type", "at", "case", "data"}
        named = {
            "id": case["id"],
            "case_number": case["case_number"],
            "remote_case_number": None,
            "use_case": "a4t1",
            "side": "requester",
            "state": "sent",
            "version": 1,
        }
        assert event["case"] | named == event["case"]


async def test_what_is_no_cursor_is_refused_by_its_name(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        for cursor in ("-1", "x", "1e3", "\N{ARABIC-INDIC DIGIT NINE}", "9" * 19):
            answer = await running.api("GET", "/events", params={"after": cursor})
            assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "query.after"), cursor


async def test_each_client_reads_the_events_of_its_services_only(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        case = await running.open_case()
        for key in (CLINICIAN_KEY, OTHER_KEY):
            assert (await page(running, None, key=key))["events"] == []
        cas = await RemoteCas.of(running, case["id"])
        await cas.post(cas.interim())
        assert await types_of(running, case["id"]) == ["case.created", "case.acknowledged", "case.in_progress"]


@asynccontextmanager
async def stream(running: Running, **headers: str) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    """The event stream as a CAD reads it: field by field, one message at a time."""
    async with (
        httpx.AsyncClient(timeout=15, trust_env=False) as client,
        client.stream(
            "GET", f"{running.url}/api/v1/events/stream", headers={"Authorization": f"Bearer {CAD_KEY}"} | headers
        ) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _messages(response)


async def _messages(response: httpx.Response) -> AsyncIterator[dict[str, str]]:
    message: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if line and not line.startswith(":"):
            message[name] = value
        elif not line and message:
            yield message
            message = {}


async def _take(messages: AsyncIterator[dict[str, str]], count: int) -> list[dict[str, str]]:
    async with asyncio.timeout(20):
        return [await anext(messages) for _ in range(count)]


async def test_the_stream_goes_on_where_last_event_id_left_off_and_follows_what_is_committed(
    database_url: str,
) -> None:
    async with by_hand(database_url, a_clock()) as running:
        running.service.listener.start()
        case = await running.open_case()
        try:
            async with stream(running) as messages:
                (first,) = await _take(messages, 1)
                await running.api("POST", f"/cases/{case['id']}/dispatch")
                (second,) = await _take(messages, 1)
            assert (first["event"], second["event"]) == ("case.created", "case.updated")
            await running.open_case()
            async with stream(running, **{"Last-Event-ID": first["id"]}) as messages:
                resumed = await _take(messages, 2)
            assert resumed[0] == second
            assert resumed[1]["event"] == "case.created"
        finally:
            await running.service.listener.stop()
        log = (await page(running, None))["events"]
        assert [json.loads(message["data"]) for message in (first, *resumed)] == log
        assert [message["id"] for message in (first, *resumed)] == [event["cursor"] for event in log]


async def test_the_stream_misses_nothing_when_no_notification_comes(database_url: str) -> None:
    """Nobody listens for notifications: the stream looks by itself."""
    async with by_hand(database_url, a_clock()) as running, stream(running) as messages:
        await running.open_case()
        (message,) = await _take(messages, 1)
        assert message["event"] == "case.created"


async def test_a_stream_without_a_key_is_refused(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        answer = await running.client.get(f"{running.url}/api/v1/events/stream")
        assert answer.status_code == 401


async def test_a_reader_that_hangs_up_is_no_failure_of_ours(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {CAD_KEY}".encode())]
    frame = {"type": "http", "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 80), "root_path": ""}
    call = frame | {"method": "GET", "path": "/api/v1/events", "query_string": b"", "headers": headers}
    async with by_hand(database_url, a_clock()) as running:
        await running.service.app(call, receive, send)
    assert sent[0]["status"] == 400
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
