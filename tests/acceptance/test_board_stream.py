"""The stream of an open board: a tick at once, another when something has changed, and an end when the session ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest

from cad_bridge.clock import ManualClock
from cad_bridge.web.board import stream
from tests.acceptance.board_visitor import USERS, Visitor, visiting
from tests.by_hand import a_clock, by_hand, query, request_to_us
from tests.service import Running

Events = AsyncIterator[tuple[str, dict[str, Any]]]


@pytest.fixture
def clock() -> ManualClock:
    return a_clock()


@pytest.fixture
async def running(database_url: str, clock: ManualClock) -> AsyncIterator[Running]:
    async with by_hand(database_url, clock, user=USERS) as service:
        yield service


@asynccontextmanager
async def listening(visitor: Visitor, path: str = "/board/stream") -> AsyncIterator[Events]:
    """The events of a stream, one by one."""
    async with visitor.client.stream("GET", path, timeout=httpx.Timeout(15, read=15)) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> Events:
    name = ""
    async for line in answer.aiter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


async def changed(events: Events, version: str) -> str:
    """The next version that is another one."""
    async for name, data in events:
        assert name == "tick"
        if data["version"] != version:
            found: str = data["version"]
            return found
    raise AssertionError("the stream ended")


async def test_a_tick_carries_the_servers_time_and_what_should_be_shown(running: Running, clock: ManualClock) -> None:
    async with visiting(running, "dot") as dot, listening(dot) as events:
        name, data = await anext(events)
        shown = (await dot.page("/board")).one(id_="live").attributes["data-version"]
        assert name == "tick"
        assert datetime.fromisoformat(data["now"]) == clock()
        assert data["version"] == shown


async def test_ticks_come_although_nothing_changes(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(stream, "TICK_SECONDS", 0.02)
    async with visiting(running, "dot") as dot, listening(dot) as events:
        first, second = await anext(events), await anext(events)
        assert first == second


async def test_a_change_is_told_to_those_whom_it_concerns(running: Running) -> None:
    async with (
        visiting(running, "dot") as dot,
        visiting(running, "claire") as claire,
        listening(dot) as dots,
        listening(claire) as claires,
    ):
        before = {"dot": (await anext(dots))[1]["version"], "claire": (await anext(claires))[1]["version"]}
        await running.open_case()
        after = await changed(dots, before["dot"])
        assert (await dot.page("/board/live")).one(id_="live").attributes["data-version"] == after
        assert (await anext(claires))[1]["version"] == before["claire"]
        assert (await running.post_message(request_to_us())).status_code == 200
        await changed(claires, before["claire"])


async def test_a_case_page_is_told_of_its_case_only(running: Running) -> None:
    case = await running.open_case()
    async with visiting(running, "dot") as dot:
        path = f"/board/cases/{case['id']}"
        shown = (await dot.page(path)).one(id_="live").attributes["data-version"]
        async with listening(dot, f"{path}/stream") as events:
            assert (await anext(events))[1]["version"] == shown
            await running.open_case()
            assert (await anext(events))[1]["version"] == shown
            await running.api("POST", f"/cases/{case['id']}/dispatch")
            await changed(events, shown)


async def test_a_stream_ends_with_its_session(
    running: Running, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setattr(stream, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(stream, "CHECK_SECONDS", 0.0)
    async with visiting(running, "dot") as dot, listening(dot) as events:
        await anext(events)
        query(database_url, "DELETE FROM board_sessions")
        told = [name async for name, _ in events]
        assert told[-1] == "signed-out"
