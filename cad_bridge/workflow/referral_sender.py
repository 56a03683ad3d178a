"""The sender's side of a category 5 referral (a3t1): our AST hands a patient who needs no ambulance to a CAS.

The duty of care passes with the CAS's acknowledgement, and nothing comes back: there is no response workflow. The
table is docs/lifecycle/category-5.md.
"""

from __future__ import annotations

from cad_bridge.workflow.referral_rows import (
    CANCELLED,
    CLOSED,
    DISPATCHED,
    HANDED_OVER,
    PENDING,
    SENDER_TRIGGERS,
    SENT,
    UNDELIVERED,
    both,
    change_rows,
    delivery_rows,
    dispatch_rows,
    overdue_rows,
)
from cad_bridge.workflow.table import StateTable, ignores, rejects

STATES = (SENT, PENDING, HANDED_OVER, UNDELIVERED, CANCELLED, DISPATCHED, CLOSED)

TABLE = StateTable(
    "category-5-sender",
    states=STATES,
    triggers=(*SENDER_TRIGGERS, "feedback"),
    rows=(
        *delivery_rows(STATES),
        *ignores("feedback", " ".join(STATES), "the CAS tells of a patient who did not attend"),
        *dispatch_rows(STATES),
        *overdue_rows(STATES, (UNDELIVERED,)),
        *both("close", (PENDING,), HANDED_OVER),
        *both("close", (UNDELIVERED, CANCELLED, DISPATCHED), CLOSED),
        *rejects("close", SENT, "The CAS has not acknowledged yet: wait, cancel or dispatch."),
        *ignores("close", f"{HANDED_OVER} {CLOSED}", "closed already"),
        *change_rows(STATES, (SENT, PENDING, HANDED_OVER)),
    ),
)

HELD_BY_RECEIVER = frozenset({PENDING, HANDED_OVER})
"""States in which the duty of care is the receiver's. A case that is closed keeps it where it was."""
