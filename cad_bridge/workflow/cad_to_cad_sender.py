"""The sender's side of CAD to CAD: out of area (a6t1), call assist (a6t2) and mutual aid (a6t3).

Each has a machine of its own, drawn in docs/lifecycle. They differ in who has to dispatch: out of area passes that
duty to the home AST with its acknowledgement, call assist to the supporting AST with its acceptance, mutual aid never.
"""

from __future__ import annotations

from collections.abc import Mapping

from cad_bridge.workflow.referral_rows import (
    ACCEPTED,
    CANCELLED,
    CLOSED,
    COMPLETED,
    DISPATCHED,
    HANDED_OVER,
    IN_PROGRESS,
    PENDING,
    RETURNED,
    SENDER_TRIGGERS,
    SENT,
    UNDELIVERED,
    both,
    change_rows,
    delivery_rows,
    dispatch_rows,
    overdue_rows,
    rest,
    stay,
)
from cad_bridge.workflow.table import Row, StateTable, ignores, rejects
from cad_bridge.workflow.vocabulary import UseCase

_LATE = "late: the case is ours again"
_STATUSES = ("status_planned", "status_in_progress", "status_finished", "outdated", "status_overdue")
_ANSWERS = ("refusal", "answer_overdue")

OUT_OF_AREA_STATES = (
    SENT,
    PENDING,
    ACCEPTED,
    IN_PROGRESS,
    COMPLETED,
    HANDED_OVER,
    UNDELIVERED,
    CANCELLED,
    DISPATCHED,
    CLOSED,
)
CALL_ASSIST_STATES = (
    SENT,
    PENDING,
    ACCEPTED,
    IN_PROGRESS,
    COMPLETED,
    RETURNED,
    HANDED_OVER,
    UNDELIVERED,
    CANCELLED,
    DISPATCHED,
    CLOSED,
)
MUTUAL_AID_STATES = tuple(state for state in CALL_ASSIST_STATES if state != HANDED_OVER)

_WAITING = (SENT, PENDING, ACCEPTED, IN_PROGRESS)
"""The receiver has not cleared the case, and the sender has it open."""


def _statuses(states: tuple[str, ...], silent: tuple[str, ...]) -> tuple[Row, ...]:
    """The receiver's statuses: a case that has been cleared stays so; `silent` states wait for the next one."""
    closed_here = (HANDED_OVER,) if HANDED_OVER in states else ()
    over = rest(states, *_WAITING, UNDELIVERED, COMPLETED, *closed_here)
    return (
        *both("status_planned", (SENT, PENDING, IN_PROGRESS, UNDELIVERED), ACCEPTED),
        *ignores("status_planned", ACCEPTED, "repeated: it is known to wait for a resource"),
        *both("status_in_progress", (SENT, PENDING, ACCEPTED, UNDELIVERED), IN_PROGRESS),
        *ignores("status_in_progress", IN_PROGRESS, "repeated: a resource is known to be allocated"),
        *both("status_finished", (*_WAITING, UNDELIVERED), COMPLETED),
        *ignores("status_finished", COMPLETED, "repeated: the resource is known to have cleared"),
        *(
            row
            for trigger in ("status_planned", "status_in_progress")
            for row in (
                *ignores(trigger, COMPLETED, "the resource has cleared: nothing goes back behind that"),
                *stay(trigger, closed_here),
            )
        ),
        *both("status_finished", closed_here, CLOSED),
        *(row for trigger in _STATUSES[:3] for row in ignores(trigger, over, _LATE)),
        *ignores("outdated", " ".join(states), "older than the status that is known"),
        *stay("status_overdue", silent),
        *ignores("status_overdue", rest(states, *silent), "moot: no status is waited for"),
    )


def _answers(states: tuple[str, ...]) -> tuple[Row, ...]:
    """A refusal ends what the receiver has to do with the case, whenever it comes."""
    refusable = tuple(state for state in (*_WAITING, COMPLETED, HANDED_OVER, UNDELIVERED) if state in states)
    return (
        *both("refusal", refusable, RETURNED),
        *ignores("refusal", RETURNED, "repeated: the refusal is known"),
        *ignores("refusal", rest(states, *refusable, RETURNED), _LATE),
        *stay("answer_overdue", (PENDING,)),
        *ignores("answer_overdue", rest(states, PENDING), "moot: no answer is waited for"),
    )


OUT_OF_AREA = StateTable(
    "out-of-area-sender",
    states=OUT_OF_AREA_STATES,
    triggers=(*SENDER_TRIGGERS, *_STATUSES, "forbidden_refusal"),
    rows=(
        *delivery_rows(OUT_OF_AREA_STATES),
        *_statuses(OUT_OF_AREA_STATES, (PENDING, ACCEPTED, IN_PROGRESS)),
        *ignores("forbidden_refusal", " ".join(OUT_OF_AREA_STATES), "an out-of-area referral cannot be refused"),
        *dispatch_rows(OUT_OF_AREA_STATES),
        *overdue_rows(OUT_OF_AREA_STATES, (UNDELIVERED,)),
        *both("close", (PENDING, ACCEPTED, IN_PROGRESS), HANDED_OVER),
        *both("close", (COMPLETED, UNDELIVERED, CANCELLED, DISPATCHED), CLOSED),
        *rejects("close", SENT, "The home AST has not acknowledged yet: wait, cancel or dispatch."),
        *ignores("close", f"{HANDED_OVER} {CLOSED}", "closed already"),
        *change_rows(OUT_OF_AREA_STATES, (*_WAITING, HANDED_OVER)),
    ),
)

CALL_ASSIST = StateTable(
    "call-assist-sender",
    states=CALL_ASSIST_STATES,
    triggers=(*SENDER_TRIGGERS, *_STATUSES, *_ANSWERS),
    rows=(
        *delivery_rows(CALL_ASSIST_STATES),
        *_statuses(CALL_ASSIST_STATES, (ACCEPTED, IN_PROGRESS)),
        *_answers(CALL_ASSIST_STATES),
        *dispatch_rows(CALL_ASSIST_STATES),
        *overdue_rows(CALL_ASSIST_STATES, (UNDELIVERED, RETURNED)),
        *both("close", (ACCEPTED, IN_PROGRESS), HANDED_OVER),
        *both("close", (COMPLETED, RETURNED, UNDELIVERED, CANCELLED, DISPATCHED), CLOSED),
        *rejects(
            "close", f"{SENT} {PENDING}", "The supporting AST has not accepted: the case is ours. Cancel or dispatch."
        ),
        *ignores("close", f"{HANDED_OVER} {CLOSED}", "closed already"),
        *change_rows(CALL_ASSIST_STATES, (*_WAITING, HANDED_OVER)),
    ),
)

_OURS_ANYWAY = (*_WAITING, COMPLETED)
"""Mutual aid: the home AST sends resources of its own while the request stands."""

MUTUAL_AID = StateTable(
    "mutual-aid-sender",
    states=MUTUAL_AID_STATES,
    triggers=(*SENDER_TRIGGERS, *_STATUSES, *_ANSWERS),
    rows=(
        *delivery_rows(MUTUAL_AID_STATES),
        *_statuses(MUTUAL_AID_STATES, (ACCEPTED, IN_PROGRESS)),
        *_answers(MUTUAL_AID_STATES),
        *stay("dispatch", _OURS_ANYWAY),
        *both("dispatch", (RETURNED, UNDELIVERED, CANCELLED), DISPATCHED),
        *ignores("dispatch", DISPATCHED, "a resource is going already"),
        *rejects("dispatch", CLOSED, "The case is closed; open a new one."),
        *overdue_rows(MUTUAL_AID_STATES, (UNDELIVERED, RETURNED)),
        *both("close", (COMPLETED, RETURNED, UNDELIVERED, CANCELLED, DISPATCHED), CLOSED),
        *rejects("close", " ".join(_WAITING), "The incident stays ours while the request is open: cancel it first."),
        *ignores("close", CLOSED, "closed already"),
        *change_rows(MUTUAL_AID_STATES, _WAITING),
    ),
)

HELD_BY_RECEIVER: Mapping[UseCase, frozenset[str]] = {
    UseCase.OUT_OF_AREA: frozenset({PENDING, ACCEPTED, IN_PROGRESS, COMPLETED, HANDED_OVER}),
    UseCase.CALL_ASSIST: frozenset({ACCEPTED, IN_PROGRESS, COMPLETED, HANDED_OVER}),
    UseCase.MUTUAL_AID: frozenset(),
}
"""States in which the duty to dispatch is the receiver's. A case that is closed keeps the duty where it was."""
