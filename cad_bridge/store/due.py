"""Which deadlines are due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, Table, and_, select

from cad_bridge.store import tables
from cad_bridge.workflow.vocabulary import DeadlineKind

_DEADLINES: Table = tables.DeadlineRow.metadata.tables["deadlines"]

# A kind of deadline that a newer release has made is for the nodes of that release.
ARMED = and_(_DEADLINES.c.fired_at.is_(None), _DEADLINES.c.kind.in_([kind.value for kind in DeadlineKind]))


def early_deadlines(
    *, now: datetime, passing_over: Iterable[UUID] = (), only: UUID | None = None
) -> Select[tuple[UUID, datetime]]:
    """Case and time of what is due at `now`, the earliest first."""
    query = select(_DEADLINES.c.case_id, _DEADLINES.c.due_at).where(ARMED, _DEADLINES.c.due_at <= now)
    if only is not None:
        query = query.where(_DEADLINES.c.case_id == only)
    if skip := list(passing_over):
        query = query.where(_DEADLINES.c.case_id.not_in(skip))
    return query.order_by(_DEADLINES.c.due_at)
