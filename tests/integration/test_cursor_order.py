"""Event cursors follow commit order: a reader that passes `next` back misses nothing and sees nothing twice."""

from __future__ import annotations

import asyncio
import random

from cad_bridge.engine.requests import open_request
from cad_bridge.fhir.content import Request
from cad_bridge.store import queries
from cad_bridge.workflow import commands
from tests.service import configuration, request_body, serving

WRITERS, EACH = 8, 6


async def test_a_reader_under_concurrent_commits_misses_nothing(database_url: str) -> None:
    async with serving(configuration(base_url="http://127.0.0.1:9"), database_url, background=False) as running:
        engine = running.service.engine
        done = asyncio.Event()
        seen: list[tuple[int, str, int]] = []

        async def write(seed: int) -> None:
            chance = random.Random(seed)
            for _ in range(EACH):
                opened = await open_request(engine, Request.model_validate(request_body()), by="test")
                await asyncio.sleep(chance.random() / 100)
                await engine.handle(opened.stored.id, commands.RequestAcknowledged(remote_case_number="R"))
                await engine.handle(opened.stored.id, commands.InterimReceived())

        async def read() -> None:
            cursor = 0
            while True:
                last = done.is_set()
                found = await queries.events_after(engine.database, cursor, limit=7)
                seen.extend((event.cursor, str(event.case_id), event.case["version"]) for event in found)
                cursor = found[-1].cursor if found else cursor
                if last and not found:
                    return

        reader = asyncio.create_task(read())
        await asyncio.gather(*(write(seed) for seed in range(WRITERS)))
        done.set()
        await reader
        everything = await queries.events_after(engine.database, 0, limit=10_000)
        assert [cursor for cursor, _, _ in seen] == [event.cursor for event in everything]
        assert [event.cursor for event in everything] == list(range(1, len(everything) + 1))
        for case_id in {case for _, case, _ in seen}:
            versions = [version for _, case, version in seen if case == case_id]
            assert versions == sorted(versions)
