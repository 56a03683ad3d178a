"""Heartbeats of the running nodes, and how late the failsafe is: read without the help of any timer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

LATE_AFTER = timedelta(seconds=5)
"""Health turns red when the last good sweep is older than this, or any deadline is overdue by more than this."""

_BEAT = text(
    """
    INSERT INTO nodes (id, started_at, last_sweep_at, last_lateness_ms) VALUES (:id, :now, :now, :late)
    ON CONFLICT (id) DO UPDATE SET last_sweep_at = excluded.last_sweep_at, last_lateness_ms = excluded.last_lateness_ms
    """
)


async def beat(database: AsyncEngine, node: str, *, now: datetime, lateness_ms: float) -> None:
    """Say that the sweep of this node came through."""
    async with database.begin() as connection:
        await connection.execute(_BEAT, {"id": node, "now": now, "late": lateness_ms})


async def forget(database: AsyncEngine, node: str) -> None:
    """A node that stops in good order leaves no heartbeat behind."""
    async with database.begin() as connection:
        await connection.execute(text("DELETE FROM nodes WHERE id = :id"), {"id": node})


@dataclass(frozen=True, slots=True, kw_only=True)
class FailsafeHealth:
    """How the failsafe stands in the whole installation."""

    last_sweep_at: datetime | None
    """The newest good sweep of any node."""
    oldest_due: datetime | None
    """The earliest deadline that is armed."""
    open_escalations: int
    undelivered: int
    """Messages in the outbox that have been tried and have not arrived."""
    failing_subscriptions: int

    def faults(self, *, now: datetime, late_after: timedelta = LATE_AFTER) -> list[str]:
        """What is wrong, in words; empty when all is well."""
        found = []
        if self.last_sweep_at is None or now - self.last_sweep_at > late_after:
            found.append("the failsafe sweep is late")
        if self.oldest_due is not None and now - self.oldest_due > late_after:
            found.append("a deadline is overdue and has not fired")
        return found


_HEALTH = text(
    """
    SELECT (SELECT max(last_sweep_at) FROM nodes) AS last_sweep_at,
           (SELECT min(due_at) FROM deadlines WHERE fired_at IS NULL) AS oldest_due,
           (SELECT count(*) FROM escalations WHERE acknowledged_at IS NULL) AS open_escalations,
           (SELECT count(*) FROM outbox WHERE state = 'pending' AND attempts > 0) AS undelivered,
           (SELECT count(*) FROM subscriptions WHERE failures > 0) AS failing_subscriptions
    """
)


async def failsafe_health(database: AsyncEngine) -> FailsafeHealth:
    """Ask the database; no timer of ours is involved."""
    async with database.connect() as connection:
        row = (await connection.execute(_HEALTH)).one()
        return FailsafeHealth(**dict(row._mapping))
