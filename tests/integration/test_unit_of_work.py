"""One transaction for everything a command means: whole or not at all, whoever is cancelled or fails."""

from __future__ import annotations

import asyncio
import traceback
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ResourceClosedError

from cad_bridge.store import database
from cad_bridge.store.database import connect
from cad_bridge.store.rows import NewMessage
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow import commands
from tests.by_hand import (
    a_clock,
    by_hand,
    cursor_row_held,
    held,
    query,
    sweep,
    terminate_waiting,
    types_of,
    waiting_for_a_lock,
)
from tests.service import until

SECRET = "Edith Sample, 1 Test Street"


async def test_a_commit_that_has_begun_is_finished_although_its_caller_is_cancelled(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        case = await running.open_case()
        engine = running.service.engine
        command = commands.Cancel(reason="Called back", by="Dot")
        async with cursor_row_held(database_url):
            caller = asyncio.create_task(engine.handle(UUID(case["id"]), command))
            await waiting_for_a_lock(database_url)
            caller.cancel()
            await asyncio.sleep(0)
            assert not caller.done(), "the caller must not give the connection away in the middle of a commit"
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert (await running.case(case["id"]))["state"] == "cancelled"
        assert await types_of(running, case["id"]) == ["case.created", "case.cancelled"]


async def test_a_caller_cancelled_before_the_commit_leaves_nothing(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        case = await running.open_case()
        engine = running.service.engine
        async with held(database_url, "SELECT FROM cases FOR UPDATE"):
            caller = asyncio.create_task(engine.handle(UUID(case["id"]), commands.Cancel(reason="Called back")))
            await waiting_for_a_lock(database_url)
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
        assert (await running.case(case["id"]))["state"] == "sent"
        assert await types_of(running, case["id"]) == ["case.created"]


async def test_nothing_is_kept_of_work_that_was_not_committed(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        case = await running.open_case()
        engine = running.service.engine
        async with engine.unit_of_work() as work:
            loaded = await work.lock_case(UUID(case["id"]))
            assert loaded is not None
            await engine.decide_in(work, loaded, commands.Dispatch(by="Dot"))
        assert (await running.case(case["id"]))["state"] == "sent"
        assert await types_of(running, case["id"]) == ["case.created"]


async def test_a_failing_write_takes_the_whole_commit_with_it(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        case = await running.open_case()
        engine = running.service.engine
        async with engine.unit_of_work() as work:
            loaded = await work.lock_case(UUID(case["id"]))
            assert loaded is not None
            await engine.decide_in(work, loaded, commands.Dispatch(by="Dot"))
            work.remember(client="c", key="k", request_sha256="", case_id=uuid4(), at=engine.now())
            with pytest.raises(IntegrityError):
                await work.commit()
        assert (await running.case(case["id"]))["state"] == "sent"
        assert await types_of(running, case["id"]) == ["case.created"]


async def test_the_connection_of_a_broken_commit_is_not_used_again(database_url: str) -> None:
    """A server that ends the connection in the middle of a commit leaves nothing, and the next command works."""
    async with by_hand(database_url, a_clock()) as running:
        case = await running.open_case()
        engine, case_id = running.service.engine, UUID(case["id"])
        async with cursor_row_held(database_url):
            caller = asyncio.create_task(engine.handle(case_id, commands.Cancel(reason="Called back")))
            await waiting_for_a_lock(database_url)
            terminate_waiting(database_url)
            with pytest.raises(Exception, match="terminating connection"):
                await caller
        assert (await running.case(case["id"]))["state"] == "sent"
        await engine.handle(case_id, commands.Cancel(reason="Called back"))
        assert (await running.case(case["id"]))["state"] == "cancelled"


async def test_a_case_is_changed_only_under_its_lock(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        case = await running.open_case()
        engine = running.service.engine
        async with engine.unit_of_work() as work:
            loaded = await work.lock_case(UUID(case["id"]))
        assert loaded is not None
        async with engine.unit_of_work() as other:
            with pytest.raises(LookupError):
                other.save_case(loaded.stored)


async def test_errors_of_the_database_quote_no_values(database_url: str) -> None:
    """What a failing statement was given is patient data, and the error is logged."""
    database = connect(database_url)
    try:
        async with UnitOfWork(database) as work:
            message = NewMessage(id=uuid4(), direction="in", at=a_clock()(), body=b"", headers={"x": SECRET})
            work.add_message(message)
            work.add_message(message)
            with pytest.raises(IntegrityError, match="duplicate key") as twice:
                await work.commit()
        async with database.connect() as connection:
            incomplete = text("INSERT INTO refused_calls (id, client) VALUES (gen_random_uuid(), :it)")
            with pytest.raises(IntegrityError, match="not-null constraint") as row_quoted:
                await connection.execute(incomplete, {"it": SECRET})
        for caught in (twice, row_quoted):
            assert "Edith" not in "".join(traceback.format_exception(caught.value))
    finally:
        await database.dispose()


async def test_a_fired_deadline_stays_for_the_story_of_the_case(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case = await running.open_case()
        clock.advance(timedelta(minutes=40, seconds=1))
        await sweep(running)
        rows = query(database_url, "SELECT kind, fired_at FROM deadlines WHERE kind <> 'acknowledgement' ORDER BY 1")
        assert rows == [("breach", clock()), ("delivery", clock())]
        assert (await running.case(case["id"]))["state"] == "breached"


async def test_a_unit_of_work_cannot_be_used_after_its_end(database_url: str) -> None:
    database = connect(database_url)
    try:
        async with UnitOfWork(database) as work:
            pass
        with pytest.raises(ResourceClosedError):
            await work.lock_case(uuid4())
    finally:
        await database.dispose()


@pytest.mark.parametrize("ask_after", [0.0, 3600.0], ids=["asked", "told"])
async def test_a_connection_that_died_while_idle_is_not_given_out(
    database_url: str, monkeypatch: pytest.MonkeyPatch, ask_after: float
) -> None:
    monkeypatch.setattr(database, "ASK_AFTER_IDLE_SECONDS", ask_after)
    engine = connect(database_url, pool_size=2)
    try:
        async with engine.connect() as first, engine.connect() as second:
            await first.execute(text("SELECT 1"))
            await second.execute(text("SELECT 1"))
        ours = "FROM pg_stat_activity WHERE application_name = 'cad-bridge' AND datname = current_database()"
        assert query(database_url, f"SELECT count(pg_terminate_backend(pid)) {ours}") == [(2,)]

        async def gone() -> bool:
            return bool(query(database_url, f"SELECT count(*) {ours}") == [(0,)])

        await until(gone, "the end of both")
        for _ in range(2):
            async with engine.connect() as connection:
                assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    finally:
        await engine.dispose()
