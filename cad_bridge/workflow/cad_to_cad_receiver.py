"""The receiver's side of CAD to CAD: out of area (a6t1), call assist (a6t2) and mutual aid (a6t3).

Each has a machine of its own, drawn in docs/lifecycle: an out-of-area referral cannot be refused (APP6-RSP-09).
"""

from __future__ import annotations

from cad_bridge.workflow.referral_rows import (
    ACCEPTED,
    CANCELLED,
    FINISHED,
    IN_PROGRESS,
    RECEIVED,
    RECEIVER_TRIGGERS,
    REJECTED,
    both,
    receiver_rows,
    rest,
    stay,
)
from cad_bridge.workflow.table import Row, StateTable, ignores, moves, rejects

OUT_OF_AREA_STATES = (RECEIVED, ACCEPTED, IN_PROGRESS, FINISHED, CANCELLED)
SUPPORT_STATES = (RECEIVED, ACCEPTED, IN_PROGRESS, FINISHED, REJECTED, CANCELLED)
"""Call assist and mutual aid."""

_OPEN = (RECEIVED, ACCEPTED, IN_PROGRESS)
_OVER = "The case has ended here."
_TRIGGERS = (*RECEIVER_TRIGGERS, "status_planned", "status_in_progress", "status_finished", "dispatch_overdue")


def _resource(states: tuple[str, ...]) -> tuple[Row, ...]:
    """The life of a resource: waiting, allocated, stood down, cleared."""
    ended = rest(states, *_OPEN)
    return (
        *moves("accept", received=ACCEPTED),
        *rejects("accept", f"{ACCEPTED} {IN_PROGRESS}", "The case has been accepted already."),
        *both("status_planned", (RECEIVED, IN_PROGRESS), ACCEPTED),
        *rejects("status_planned", ACCEPTED, "The case is waiting for a resource already."),
        *both("status_in_progress", (RECEIVED, ACCEPTED), IN_PROGRESS),
        *rejects("status_in_progress", IN_PROGRESS, "A resource is allocated already."),
        *both("status_finished", _OPEN, FINISHED),
        *(row for trigger in _TRIGGERS[-4:-1] for row in rejects(trigger, ended, _OVER)),
        *stay("dispatch_overdue", (ACCEPTED,)),
        *ignores("dispatch_overdue", rest(states, ACCEPTED), "moot: nothing to allocate"),
    )


def _refusable(states: tuple[str, ...]) -> tuple[Row, ...]:
    return (
        *both("reject", (RECEIVED, ACCEPTED), REJECTED),
        *rejects("reject", IN_PROGRESS, "A resource is on its way: stand it down first."),
        *rejects("reject", rest(states, *_OPEN), _OVER),
    )


OUT_OF_AREA = StateTable(
    "out-of-area-receiver",
    states=OUT_OF_AREA_STATES,
    triggers=_TRIGGERS,
    rows=(
        *_resource(OUT_OF_AREA_STATES),
        *receiver_rows(OUT_OF_AREA_STATES, _OPEN),
        *rejects(
            "reject", " ".join(OUT_OF_AREA_STATES), "An out-of-area referral cannot be refused: the case is yours."
        ),
    ),
)
CALL_ASSIST = StateTable(
    "call-assist-receiver",
    states=SUPPORT_STATES,
    triggers=_TRIGGERS,
    rows=(*_resource(SUPPORT_STATES), *receiver_rows(SUPPORT_STATES, _OPEN), *_refusable(SUPPORT_STATES)),
)
MUTUAL_AID = StateTable(
    "mutual-aid-receiver",
    states=SUPPORT_STATES,
    triggers=_TRIGGERS,
    rows=(*_resource(SUPPORT_STATES), *receiver_rows(SUPPORT_STATES, _OPEN), *_refusable(SUPPORT_STATES)),
)
