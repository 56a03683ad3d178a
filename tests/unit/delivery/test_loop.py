"""The loops: nothing ends them but their stop, and slow jobs hold up no other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from cad_bridge.delivery.loop import SideBySide, WorkLoop


class Work:
    """Does what it is told, turn by turn; then there is nothing left."""

    def __init__(self, *turns: bool | Exception) -> None:
        self.turns = list(turns)
        self.done = asyncio.Event()

    async def __call__(self) -> bool:
        """One turn."""
        if not self.turns:
            self.done.set()
            return False
        turn = self.turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return turn


async def _run(work: Work, *, wake: Callable[[WorkLoop], Awaitable[None]] | None = None) -> WorkLoop:
    loop = WorkLoop("test", work)
    loop.start()
    async with asyncio.timeout(10):
        if wake is not None:
            await wake(loop)
        await work.done.wait()
    await loop.stop()
    return loop


async def test_it_works_until_nothing_is_left() -> None:
    assert (await _run(Work(True, True, True))).failures == 0


async def test_a_failure_is_counted_and_logged_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(True, RuntimeError("boom"), True)

    async def wake(loop: WorkLoop) -> None:
        while work.turns:
            loop.wake()
            await asyncio.sleep(0)

    with caplog.at_level(logging.ERROR):
        loop = await _run(work, wake=wake)
    assert loop.failures == 1
    assert "a loop's turn failed" in caplog.text


async def test_a_wake_that_comes_during_a_turn_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cad_bridge.delivery.loop.IDLE_SECONDS", 3600)
    loops: list[WorkLoop] = []
    turns: list[int] = []
    twice = asyncio.Event()

    async def turn() -> bool:
        turns.append(1)
        if len(turns) == 1:
            loops[0].wake()
        else:
            twice.set()
        return False

    loops.append(WorkLoop("test", turn))
    loops[0].start()
    async with asyncio.timeout(20):
        await twice.wait()
    await loops[0].stop()


async def test_stopping_what_was_never_started_is_nothing() -> None:
    await WorkLoop("test", Work()).stop()


async def test_a_stop_lets_what_has_begun_come_to_its_end() -> None:
    jobs, begun, ended = SideBySide(1), asyncio.Event(), asyncio.Event()

    async def job() -> None:
        begun.set()
        await asyncio.sleep(0)
        ended.set()

    async def turn() -> bool:
        if not begun.is_set():
            jobs.begin(job(), name="job")
        return False

    loop = WorkLoop("test", turn, finish=jobs.finish)
    loop.start()
    await begun.wait()
    await loop.stop()
    assert ended.is_set()


async def test_jobs_run_side_by_side_up_to_their_limit() -> None:
    jobs, gate = SideBySide(2), asyncio.Event()

    async def hanging() -> None:
        await gate.wait()

    async def quick() -> None:
        pass

    assert jobs.room == 2
    jobs.begin(hanging(), name="hanging")
    jobs.begin(quick(), name="quick")
    assert jobs.room == 0
    await jobs.some()
    assert jobs.room == 1
    await jobs.some()
    gate.set()
    await jobs.all()
    assert jobs.room == 2
    await jobs.all()


async def test_a_job_that_fails_is_counted_and_logged_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    jobs = SideBySide(2)

    async def failing() -> None:
        raise RuntimeError("boom")

    jobs.begin(failing(), name="parcel 1")
    await jobs.all()
    await asyncio.sleep(0)
    assert (jobs.failures, jobs.room) == (1, 2)
    assert [(record.message, record.__dict__["job"]) for record in caplog.records] == [("a job failed", "parcel 1")]


async def test_what_does_not_end_in_time_is_given_up() -> None:
    jobs, cancelled = SideBySide(1), asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    jobs.begin(endless(), name="endless")
    await asyncio.sleep(0)
    await jobs.finish(seconds=0.01)
    assert cancelled.is_set()
    assert (jobs.room, jobs.failures) == (1, 0)
    await jobs.finish()
