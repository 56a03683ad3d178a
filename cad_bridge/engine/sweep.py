"""The sweep: due deadlines become commands. Idempotent, and run by every node at once without a leader."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from cad_bridge.engine.core import Engine
from cad_bridge.store import queries
from cad_bridge.store.rows import Deadline, Loaded
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow import commands, referral_commands
from cad_bridge.workflow.decide import knows
from cad_bridge.workflow.vocabulary import DeadlineKind

log = logging.getLogger(__name__)

BATCH = 200
"""Cases of one commit: enough that a burst is not held up by commits, few enough that nobody waits long for a lock."""


@dataclass(slots=True)
class SweepResult:
    """What one sweep did."""

    fired: int = 0
    lateness_ms: list[float] = field(default_factory=list)
    """For each deadline, the time from its due time until the sweep that fired it, in milliseconds."""
    failed: list[UUID] = field(default_factory=list)
    """Cases whose deadline could not be handled; they are tried again by the next sweep."""
    left_alone: list[UUID] = field(default_factory=list)
    """Cases in a state of a newer release, whose own nodes know what to do."""
    more: bool = False
    """Whether the batch was full, so that more is likely to be due already."""

    def add(self, other: SweepResult) -> None:
        """Count what another one has come to as well."""
        self.fired += other.fired
        self.lateness_ms += other.lateness_ms
        self.left_alone += other.left_alone


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

    `passing_over` names cases that failed, or were left alone, a moment ago.
    """
    skip = list(passing_over)
    try:
        return await _sweep_batch(engine, limit=limit, passing_over=skip)
    except Exception:
        log.exception("a batch of due deadlines failed; its cases are taken one by one")
    return await _sweep_singly(engine, limit=limit, passing_over=skip)


async def _sweep_batch(engine: Engine, *, limit: int, passing_over: list[UUID]) -> SweepResult:
    result = SweepResult()
    async with engine.unit_of_work() as work:
        loaded, due = await work.claim_due(now=engine.now(), limit=limit, passing_over=passing_over)
        if not due:
            return result
        await _fire(engine, work, loaded, due, result)
        await work.commit()
    result.more = len(loaded) >= limit
    return result


async def _sweep_singly(engine: Engine, *, limit: int, passing_over: list[UUID]) -> SweepResult:
    """Raises only where the database itself fails: not even what is due can be asked for then."""
    result = SweepResult()
    due = await queries.due_cases(engine.database, now=engine.now(), limit=limit, passing_over=passing_over)
    for case_id in due:
        try:
            await _sweep_case(engine, case_id, result)
        except Exception:
            log.exception("a due deadline failed", extra={"case_id": str(case_id)})
            result.failed.append(case_id)
    result.more = len(due) >= limit
    return result


async def _sweep_case(engine: Engine, case_id: UUID, result: SweepResult) -> None:
    try:
        await _sweep_one(engine, case_id, result)
    except SQLAlchemyError:
        raise
    except Exception:
        log.exception("a due deadline failed; it is tried without a message", extra={"case_id": str(case_id)})
    else:
        return
    # What may have failed is the message to the responder. The failsafe does not depend on it.
    await _sweep_one(engine, case_id, result, untold=True)


async def _sweep_one(engine: Engine, case_id: UUID, result: SweepResult, *, untold: bool = False) -> None:
    one = SweepResult()
    async with engine.unit_of_work() as work:
        claimed, due = await work.claim_due(now=engine.now(), limit=1, only=case_id)
        if not due:
            return
        loaded = claimed[case_id]
        await _fire(engine, work, {case_id: _told_nothing(loaded) if untold else loaded}, due, one)
        if untold and loaded.stored.case.cancel_on_breach:
            # That the responder was not told is for a person to see (H01).
            failure = commands.CancellationRefused(attempts=0, last_error="It could not be written.", by="failsafe")
            await engine.decide_in(work, work.reloaded(loaded), failure)
        await work.commit()
    result.add(one)


def _told_nothing(loaded: Loaded) -> Loaded:
    case = loaded.stored.case.evolve(cancel_on_breach=False)
    return replace(loaded, stored=loaded.stored.evolve(case=case))


async def _fire(
    engine: Engine, work: UnitOfWork, loaded: dict[UUID, Loaded], due: list[Deadline], result: SweepResult
) -> None:
    by_case: dict[UUID, list[Deadline]] = defaultdict(list)
    for deadline in due:
        by_case[deadline.case_id].append(deadline)
    for case_id, deadlines in by_case.items():
        if not knows(loaded[case_id].stored.case):
            log.warning("a case is in a state unknown to this release", extra={"case_id": str(case_id)})
            result.left_alone.append(case_id)
            continue
        await _fire_case(engine, work, loaded[case_id], deadlines)
        result.fired += len(deadlines)
        result.lateness_ms += [_late(engine.now(), deadline) for deadline in deadlines]


async def _fire_case(engine: Engine, work: UnitOfWork, loaded: Loaded, deadlines: list[Deadline]) -> None:
    for deadline in deadlines:
        work.fire(deadline, at=engine.now())
        await engine.decide_in(work, loaded, command_for(deadline))
        loaded = work.reloaded(loaded)


def _late(now: datetime, deadline: Deadline) -> float:
    return (now - deadline.due_at).total_seconds() * 1000
