"""The sweep: due deadlines become commands. Idempotent, and run by every node at once without a leader."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cad_bridge.engine.core import Engine
from cad_bridge.store.rows import Deadline, Loaded
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow import commands, referral_commands
from cad_bridge.workflow.vocabulary import DeadlineKind

log = logging.getLogger(__name__)

BATCH = 50


@dataclass(slots=True)
class SweepResult:
    """What one sweep did."""

    fired: int = 0
    lateness_ms: list[float] = field(default_factory=list)
    """For each deadline, the time from its due time until the sweep that fired it, in milliseconds."""
    failed: list[UUID] = field(default_factory=list)
    """Cases whose deadline could not be handled; they are tried again by the next sweep."""
    more: bool = False
    """Whether the batch was full, so that more is likely to be due already."""


_OVERDUE: Mapping[DeadlineKind, Callable[..., commands.Command]] = {
    DeadlineKind.BREACH: commands.BreachDue,
    DeadlineKind.DISPATCH: commands.DispatchOverdue,
    DeadlineKind.DELIVERY: commands.DeliveryOverdue,
    DeadlineKind.REVIEW: commands.ReviewOverdue,
    DeadlineKind.INTAKE: commands.IntakeOverdue,
    DeadlineKind.ANSWER: referral_commands.AnswerOverdue,
    DeadlineKind.STATUS: referral_commands.StatusOverdue,
    DeadlineKind.CALLBACK: referral_commands.CallbackOverdue,
}


def command_for(deadline: Deadline) -> commands.Command:
    """The command that a due deadline stands for."""
    by = "failsafe"
    if deadline.kind is DeadlineKind.ACKNOWLEDGEMENT:
        return commands.AcknowledgementOverdue(escalation_id=UUID(deadline.subject), due_at=deadline.due_at, by=by)
    return _OVERDUE[deadline.kind](due_at=deadline.due_at, by=by)


async def sweep(engine: Engine, *, limit: int = BATCH, passing_over: Iterable[UUID] = ()) -> SweepResult:
    """Fire what is due in one commit, or case by case where that commit fails, so that one bad case holds up none.

    `passing_over` names cases that failed a moment ago.
    """
    try:
        return await _sweep_batch(engine, limit=limit, passing_over=passing_over)
    except Exception:
        log.exception("a batch of due deadlines failed; its cases are taken one by one")
        return await _sweep_singly(engine, limit=limit, passing_over=passing_over)


async def _sweep_batch(engine: Engine, *, limit: int, passing_over: Iterable[UUID]) -> SweepResult:
    result = SweepResult()
    async with engine.unit_of_work() as work:
        loaded, due = await work.claim_due(now=engine.now(), limit=limit, passing_over=passing_over)
        if not due:
            return result
        await _fire(engine, work, loaded, due, result)
        await work.commit()
    result.more = len(loaded) >= limit
    return result


async def _sweep_singly(engine: Engine, *, limit: int, passing_over: Iterable[UUID]) -> SweepResult:
    result = SweepResult()
    skip = set(passing_over)
    for _ in range(limit):
        try:
            async with engine.unit_of_work() as work:
                loaded, due = await work.claim_due(now=engine.now(), limit=1, passing_over=skip)
                if not due:
                    break
                skip |= set(loaded)
                await _fire(engine, work, loaded, due, result)
                await work.commit()
        except Exception:
            failed = list(loaded)
            log.exception("a due deadline failed", extra={"case_ids": [str(id_) for id_ in failed]})
            result.failed += failed
    return result


async def _fire(
    engine: Engine, work: UnitOfWork, loaded: dict[UUID, Loaded], due: list[Deadline], result: SweepResult
) -> None:
    by_case: dict[UUID, list[Deadline]] = defaultdict(list)
    for deadline in due:
        by_case[deadline.case_id].append(deadline)
    for case_id, deadlines in by_case.items():
        await _fire_case(engine, work, loaded[case_id], deadlines)
        result.fired += len(deadlines)
        result.lateness_ms += [_late(engine.now(), deadline) for deadline in deadlines]


async def _fire_case(engine: Engine, work: UnitOfWork, loaded: Loaded, deadlines: list[Deadline]) -> None:
    for deadline in deadlines:
        work.fire(deadline, at=engine.now())
        try:
            handled = await engine.decide_in(work, loaded, command_for(deadline))
        except KeyError:
            # A newer release's state: its own nodes know what to do, this one leaves the case alone.
            log.warning("a case is in a state unknown to this release", extra={"case_id": str(loaded.stored.id)})
            work.keep(deadline)
            continue
        loaded = work.reloaded(loaded, handled.stored)


def _late(now: datetime, deadline: Deadline) -> float:
    return (now - deadline.due_at).total_seconds() * 1000
