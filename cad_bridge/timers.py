"""The failsafe's clockwork: APScheduler wakes the sweep, and holds no deadline itself (decision 4).

Deadlines are rows. A one-second interval job and a precise date job at the next due time only set an event; the loop
that waits for it sweeps. Losing the scheduler would cost precision, not a deadline: the loop also wakes by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from cad_bridge.clock import system_now
from cad_bridge.engine.core import Engine
from cad_bridge.engine.sweep import BATCH, SweepResult, sweep
from cad_bridge.store import nodes, queries

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 1
FALLBACK_SECONDS = 2.0
"""How long the loop waits for the scheduler before it sweeps on its own."""
SWEEP_TIMEOUT_SECONDS = 15.0
"""A sweep that hangs must not block those after it."""
_BEAT_EVERY = timedelta(seconds=1)
_PRECISE_FLOOR = timedelta(milliseconds=20)
_NOT_EARLY = timedelta(milliseconds=1)
"""Timers may be a fraction of a millisecond early, and then nothing would be due yet."""
_RETRY_FAILED_AFTER = timedelta(seconds=5)


@dataclass(slots=True)
class TimerState:
    """What the health page and the metrics show of the clockwork."""

    last_sweep_at: datetime | None = None
    last_lateness_ms: float = 0.0
    max_lateness_ms: float = 0.0
    fired: int = 0
    failures: int = 0
    scheduler_faults: int = 0


class Timers:
    """Runs the sweep of one node."""

    def __init__(
        self,
        engine: Engine,
        *,
        node: str,
        synchronise: Callable[[], Awaitable[None]] | None = None,
        on_sweep: Callable[[SweepResult], None] | None = None,
    ) -> None:
        self._engine = engine
        self._node = node
        self._synchronise = synchronise
        self._on_sweep = on_sweep
        self._wake = asyncio.Event()
        self._passing_over: dict[UUID, datetime] = {}
        """Cases that failed or were left alone, until when."""
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._task: asyncio.Task[None] | None = None
        self._beaten_at: datetime | None = None
        self.state = TimerState()

    def start(self) -> None:
        """Start the scheduler and the loop."""
        self._scheduler.add_listener(
            self._scheduler_fault, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES
        )
        self._scheduler.add_job(self.wake, "interval", seconds=INTERVAL_SECONDS, id="interval")
        self._scheduler.start()
        self._task = asyncio.create_task(self._run(), name="failsafe-sweep")

    async def stop(self) -> None:
        """Stop; a sweep that is under way rolls back, and its deadlines stay due."""
        self._scheduler.shutdown(wait=False)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def wake(self) -> None:
        """Sweep as soon as possible: a deadline was armed or the precise time has come."""
        self._wake.set()

    def _scheduler_fault(self, event: JobExecutionEvent) -> None:
        self.state.scheduler_faults += 1
        log.error("the scheduler did not run a job", extra={"job": event.job_id, "code": event.code})

    async def _run(self) -> None:
        while True:
            await self._sweep_safely()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), FALLBACK_SECONDS)
            self._wake.clear()

    async def _sweep_safely(self) -> None:
        try:
            async with asyncio.timeout(SWEEP_TIMEOUT_SECONDS):
                await self.sweep_once()
        except Exception:
            # Whatever happened, the next sweep comes; health shows that this one did not succeed.
            self.state.failures += 1
            log.exception("the sweep failed")

    async def sweep_once(self) -> None:
        """Fire all that is due, then, once a second, look at the clock and note the heartbeat; plan what comes next."""
        more = True
        while more:
            result = await sweep(self._engine, limit=BATCH, passing_over=self._passed_over())
            self._note(result)
            more = result.more
        self.state.last_sweep_at = self._engine.now()
        if self._beaten_at is None or self.state.last_sweep_at - self._beaten_at >= _BEAT_EVERY:
            await self._beat(self.state.last_sweep_at)
        self._plan(await queries.next_due(self._engine.database, passing_over=list(self._passing_over)))

    async def _beat(self, now: datetime) -> None:
        """Never before the firing: what is due does not wait for it."""
        self._beaten_at = now
        if self._synchronise is not None:
            await self._synchronise()
        await nodes.beat(self._engine.database, self._node, now=now, lateness_ms=self.state.last_lateness_ms)

    def _passed_over(self) -> list[UUID]:
        now = self._engine.now()
        self._passing_over = {id_: until for id_, until in self._passing_over.items() if until > now}
        return list(self._passing_over)

    def _note(self, result: SweepResult) -> None:
        self.state.fired += result.fired
        if result.lateness_ms:
            self.state.last_lateness_ms = max(result.lateness_ms)
            self.state.max_lateness_ms = max(self.state.max_lateness_ms, self.state.last_lateness_ms)
        until = self._engine.now() + _RETRY_FAILED_AFTER
        self._passing_over |= dict.fromkeys((*result.failed, *result.left_alone), until)
        self.state.failures += len(result.failed)
        if self._on_sweep is not None:
            self._on_sweep(result)

    def _plan(self, due: datetime | None) -> None:
        """Wake at the next due time. A due row that another node has locked must not make this one spin."""
        if due is None or not self._scheduler.running:
            return
        wait = max(due - self._engine.now(), _PRECISE_FLOOR) + _NOT_EARLY
        if wait.total_seconds() < INTERVAL_SECONDS:
            run_at = system_now() + wait
            self._scheduler.add_job(self.wake, "date", run_date=run_at, id="precise", replace_existing=True)
