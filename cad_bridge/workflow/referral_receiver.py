"""The receiver's side of a category 5 referral (a3t1): our CAS has the duty of care from its acknowledgement on.

Nothing is sent back; the states are for the CAS's own queue, which the call-back time orders. The table is
docs/lifecycle/category-5.md.
"""

from __future__ import annotations

from cad_bridge.workflow.referral_rows import (
    ACCEPTED,
    CANCELLED,
    FINISHED,
    IN_PROGRESS,
    RECEIVED,
    RECEIVER_TRIGGERS,
    both,
    receiver_rows,
    rest,
    stay,
)
from cad_bridge.workflow.table import StateTable, ignores, moves, rejects

STATES = (RECEIVED, ACCEPTED, IN_PROGRESS, FINISHED, CANCELLED)

_OPEN = (RECEIVED, ACCEPTED, IN_PROGRESS)
_ENDED = f"{FINISHED} {CANCELLED}"
_OVER = "The case has ended here."
_STARTED = "The consultation has started already."

TABLE = StateTable(
    "category-5-receiver",
    states=STATES,
    triggers=(
        *RECEIVER_TRIGGERS,
        "start",
        "contact_attempt",
        "complete",
        "status_planned",
        "status_in_progress",
        "status_finished",
        "callback_overdue",
    ),
    rows=(
        # Another clinician may take it over, knowingly (see decide).
        *both("accept", (RECEIVED, ACCEPTED), ACCEPTED),
        *rejects("accept", IN_PROGRESS, _STARTED),
        *both("start", (RECEIVED, ACCEPTED), IN_PROGRESS),
        *rejects("start", IN_PROGRESS, _STARTED),
        *rejects("start", _ENDED, _OVER),
        *stay("contact_attempt", _OPEN),
        *rejects("contact_attempt", _ENDED, _OVER),
        *both("complete", _OPEN, FINISHED),
        *rejects("complete", _ENDED, _OVER),
        *moves("status_planned", received=ACCEPTED, in_progress=ACCEPTED),
        *rejects("status_planned", ACCEPTED, "The case is waiting already."),
        *rejects("status_planned", _ENDED, _OVER),
        *both("status_in_progress", (RECEIVED, ACCEPTED), IN_PROGRESS),
        *rejects("status_in_progress", IN_PROGRESS, _STARTED),
        *rejects("status_in_progress", _ENDED, _OVER),
        *both("status_finished", _OPEN, FINISHED),
        *rejects("status_finished", _ENDED, _OVER),
        *stay("callback_overdue", (RECEIVED, ACCEPTED)),
        *ignores("callback_overdue", rest(STATES, RECEIVED, ACCEPTED), "moot: the patient has been called"),
        *rejects(
            "reject",
            " ".join(STATES),
            "A category 5 referral cannot be refused: the duty of care passed with the acknowledgement.",
        ),
        *receiver_rows(STATES, _OPEN),
    ),
)
