"""The responder's side of a validation (a4t1, a4t2, a4t3): our CAS, falls or community service was asked.

The table is docs/lifecycle/validation.md.
"""

from __future__ import annotations

from cad_bridge.workflow.table import StateTable, ignores, moves, rejects

RECEIVED = "received"
ACCEPTED = "accepted"
IN_PROGRESS = "in_progress"
REJECTED = "rejected"
FINISHED = "finished"
CANCELLED = "cancelled"

STATES = (RECEIVED, ACCEPTED, IN_PROGRESS, REJECTED, FINISHED, CANCELLED)
TRIGGERS = (
    "accept",
    "start",
    "contact_attempt",
    "read",
    "correct",
    "reject",
    "complete",
    "update",
    "collision",
    "cancellation",
    "mismatched",
    "intake_overdue",
    "response_refused",
)

_ENDED = "rejected finished cancelled"
_OVER = "The case has ended here."

TABLE = StateTable(
    "validation-responder",
    states=STATES,
    triggers=TRIGGERS,
    rows=(
        *moves("accept", received=ACCEPTED),
        # Another clinician may take it over, knowingly; the one who has it changes nothing (see decide).
        *moves("accept", accepted=ACCEPTED),
        *rejects("accept", "in_progress", "The consultation has started already."),
        *rejects("accept", _ENDED, _OVER),
        *moves("start", received=IN_PROGRESS, accepted=IN_PROGRESS),
        *rejects("start", "in_progress", "The consultation has started already."),
        *rejects("start", _ENDED, _OVER),
        *moves("contact_attempt", received=RECEIVED, accepted=ACCEPTED, in_progress=IN_PROGRESS),
        *rejects("contact_attempt", _ENDED, _OVER),
        *moves("read", received=RECEIVED, accepted=ACCEPTED, in_progress=IN_PROGRESS),
        *rejects("read", _ENDED, _OVER),
        *moves("correct", received=RECEIVED, accepted=ACCEPTED, in_progress=IN_PROGRESS),
        *rejects("correct", _ENDED, _OVER),
        *moves("reject", received=REJECTED, accepted=REJECTED, in_progress=REJECTED),
        *rejects("reject", _ENDED, _OVER),
        *moves("complete", received=FINISHED, accepted=FINISHED, in_progress=FINISHED),
        *rejects("complete", _ENDED, _OVER),
        *moves("update", received=RECEIVED, accepted=ACCEPTED, in_progress=IN_PROGRESS),
        *rejects("update", _ENDED, "The request is no longer current."),
        *moves("collision", received=RECEIVED, accepted=ACCEPTED, in_progress=IN_PROGRESS),
        *ignores("collision", _ENDED, "moot: the request is no longer current"),
        *moves("cancellation", received=CANCELLED, accepted=CANCELLED, in_progress=CANCELLED),
        *rejects("cancellation", _ENDED, "The request is no longer current."),
        *ignores("mismatched", " ".join(STATES), "a message that does not fit the case: for a person"),
        *moves("intake_overdue", received=RECEIVED),
        *ignores("intake_overdue", f"accepted in_progress {_ENDED}", "moot: somebody has the case"),
        *ignores("response_refused", " ".join(STATES), "the requester did not take a response of ours"),
    ),
)
