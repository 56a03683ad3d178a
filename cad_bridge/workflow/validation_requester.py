"""The requester's side of a validation (a4t1, a4t2, a4t3): our AST asked a CAS, falls or community service.

The table is docs/lifecycle/validation.md; the promise behind it: protection ends only by an unambiguous closing
final, a cancellation by the CAD, or the CAD saying that a resource goes (DESIGN section 6).
"""

from __future__ import annotations

from cad_bridge.workflow.table import Row, StateTable, ignores, moves, rejects

SENT = "sent"
PENDING = "pending"
IN_PROGRESS = "in_progress"
AWAITING_REVIEW = "awaiting_review"
RETURNED = "returned"
DISPATCH_REQUIRED = "dispatch_required"
COMPLETED = "completed"
BREACHED = "breached"
UNDELIVERED = "undelivered"
CANCELLED = "cancelled"
DISPATCHED = "dispatched"
CLOSED = "closed"

STATES = (
    SENT,
    PENDING,
    IN_PROGRESS,
    AWAITING_REVIEW,
    RETURNED,
    DISPATCH_REQUIRED,
    COMPLETED,
    BREACHED,
    UNDELIVERED,
    CANCELLED,
    DISPATCHED,
    CLOSED,
)
TRIGGERS = (
    "acknowledged",
    "delivery_proved",
    "delivery_refused",
    "delivery_overdue",
    "interim",
    "rejection",
    "final_closing",
    "final_dispatch",
    "final_contradictory",
    "final_review",
    "review_dispatch",
    "review_closing",
    "unrecognised",
    "breach_due",
    "dispatch_overdue",
    "review_overdue",
    "dispatch",
    "close",
    "update",
    "update_confirmed",
    "update_refused",
    "cancel",
    "cancellation_confirmed",
    "cancellation_refused",
)

_ENDED = "breached cancelled dispatched closed"
_DONE = f"returned dispatch_required completed {_ENDED}"
_AFTER_SENT = f"pending in_progress awaiting_review returned dispatch_required completed undelivered {_ENDED}"
_EVERYWHERE = f"sent {_AFTER_SENT}"


def _delivery() -> tuple[Row, ...]:
    known = "the delivery is known by now"
    return (
        *moves("acknowledged", sent=PENDING, undelivered=PENDING),
        *ignores(
            "acknowledged",
            "pending in_progress awaiting_review returned dispatch_required completed " + _ENDED,
            "delivered already",
        ),
        *moves("delivery_proved", sent=PENDING, undelivered=PENDING),
        *ignores(
            "delivery_proved",
            "pending in_progress awaiting_review returned dispatch_required completed " + _ENDED,
            "delivered already",
        ),
        *moves("delivery_refused", sent=UNDELIVERED),
        *ignores("delivery_refused", _AFTER_SENT, "the case is no longer waiting for its delivery"),
        *moves("delivery_overdue", sent=SENT),
        *ignores("delivery_overdue", _AFTER_SENT, known),
    )


def _nothing_to_review(trigger: str) -> tuple[Row, ...]:
    states = f"sent pending in_progress returned completed undelivered {_ENDED}"
    return rejects(trigger, states, "There is no response that waits for a review.")


def _responses() -> tuple[Row, ...]:
    late = "late: the duty is the requester's again"
    return (
        *moves("interim", sent=IN_PROGRESS, pending=IN_PROGRESS, undelivered=IN_PROGRESS),
        *ignores("interim", "in_progress", "repeated: the consultation has started already"),
        *ignores("interim", "awaiting_review returned dispatch_required completed " + _ENDED, late),
        *moves("rejection", sent=RETURNED, pending=RETURNED, in_progress=RETURNED, undelivered=RETURNED),
        # A rejection after a closing final contradicts it: somebody has to look before the case stays closed.
        *moves("rejection", completed=RETURNED, awaiting_review=RETURNED),
        *ignores("rejection", "returned dispatch_required " + _ENDED, late),
        *moves("final_closing", sent=COMPLETED, pending=COMPLETED, in_progress=COMPLETED, undelivered=COMPLETED),
        # The responder said before that an ambulance is needed: the safer of the two holds until a person decides.
        *moves("final_closing", dispatch_required=RETURNED, awaiting_review=RETURNED),
        *ignores("final_closing", "completed", "repeated: the case is closed already"),
        *ignores("final_closing", "returned " + _ENDED, late),
        *moves(
            "final_dispatch",
            sent=DISPATCH_REQUIRED,
            pending=DISPATCH_REQUIRED,
            in_progress=DISPATCH_REQUIRED,
            undelivered=DISPATCH_REQUIRED,
        ),
        *moves("final_dispatch", completed=RETURNED, awaiting_review=DISPATCH_REQUIRED),
        *ignores("final_dispatch", "returned dispatch_required " + _ENDED, late),
        *moves(
            "final_contradictory",
            sent=RETURNED,
            pending=RETURNED,
            in_progress=RETURNED,
            undelivered=RETURNED,
            completed=RETURNED,
            awaiting_review=RETURNED,
        ),
        *ignores("final_contradictory", "returned dispatch_required " + _ENDED, late),
        *moves(
            "final_review",
            sent=AWAITING_REVIEW,
            pending=AWAITING_REVIEW,
            in_progress=AWAITING_REVIEW,
            undelivered=AWAITING_REVIEW,
        ),
        # The newer outcome is what the hub has to look at; a case that is closed is opened for it again.
        *moves("final_review", awaiting_review=AWAITING_REVIEW, completed=RETURNED),
        *ignores("final_review", "returned dispatch_required " + _ENDED, late),
        *moves("review_dispatch", awaiting_review=DISPATCH_REQUIRED, dispatch_required=DISPATCH_REQUIRED),
        *moves("review_closing", awaiting_review=COMPLETED, dispatch_required=COMPLETED),
        *_nothing_to_review("review_dispatch"),
        *_nothing_to_review("review_closing"),
        *ignores("unrecognised", _EVERYWHERE, "not from, or not to, the services of this conversation"),
    )


def _clock() -> tuple[Row, ...]:
    return (
        *moves(
            "breach_due",
            sent=BREACHED,
            pending=BREACHED,
            in_progress=BREACHED,
            awaiting_review=BREACHED,
            undelivered=BREACHED,
        ),
        *moves("review_overdue", awaiting_review=AWAITING_REVIEW, dispatch_required=DISPATCH_REQUIRED),
        *ignores(
            "review_overdue",
            f"sent pending in_progress returned completed undelivered {_ENDED}",
            "moot: nothing waits for a review",
        ),
        *ignores("breach_due", "returned dispatch_required completed " + _ENDED, "moot: the validation has ended"),
        *moves("dispatch_overdue", returned=RETURNED, dispatch_required=DISPATCH_REQUIRED),
        *ignores(
            "dispatch_overdue",
            "sent pending in_progress awaiting_review completed undelivered " + _ENDED,
            "moot: nothing to dispatch",
        ),
    )


def _cad() -> tuple[Row, ...]:
    return (
        *moves("dispatch", **dict.fromkeys(set(STATES) - {DISPATCHED, CANCELLED, CLOSED}, DISPATCHED)),
        *moves("dispatch", cancelled=DISPATCHED),
        *ignores("dispatch", "dispatched", "a resource is going already"),
        *rejects("dispatch", "closed", "The case is closed; open a new one."),
        *moves(
            "close",
            **dict.fromkeys((RETURNED, DISPATCH_REQUIRED, COMPLETED, BREACHED, CANCELLED, DISPATCHED), CLOSED),
        ),
        *rejects(
            "close",
            "sent pending in_progress awaiting_review undelivered",
            "The validation is open: cancel or dispatch first.",
        ),
        *ignores("close", "closed", "closed already"),
        *moves("cancel", sent=CANCELLED, pending=CANCELLED, in_progress=CANCELLED, undelivered=CANCELLED),
        *rejects("cancel", "awaiting_review", "The responder has ended: review its outcome, or dispatch."),
        *ignores("cancel", "cancelled", "cancelled already"),
        *rejects(
            "cancel",
            "returned dispatch_required completed breached dispatched closed",
            "There is no open validation to cancel.",
        ),
        *moves("update", sent=SENT, pending=PENDING),
        *rejects("update", "in_progress", "The consultation has started: phone the responder, or cancel and dispatch."),
        *rejects(
            "update",
            "awaiting_review returned dispatch_required completed breached undelivered cancelled dispatched closed",
            "There is no open validation to update.",
        ),
        *ignores("update_confirmed", _EVERYWHERE, "the responder took the update"),
        *ignores("update_refused", _EVERYWHERE, "the responder did not take the update"),
        *ignores("cancellation_confirmed", _EVERYWHERE, "the responder took the cancellation"),
        *ignores("cancellation_refused", _EVERYWHERE, "the responder did not take the cancellation"),
    )


TABLE = StateTable(
    "validation-requester",
    states=STATES,
    triggers=TRIGGERS,
    rows=(*_delivery(), *_responses(), *_clock(), *_cad()),
)
