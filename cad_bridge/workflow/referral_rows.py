"""Rows that the senders of all referrals share, and that all their receivers share (Applications 3 and 6)."""

from __future__ import annotations

from collections.abc import Iterable

from cad_bridge.workflow.table import Row, ignores, moves, rejects

SENT = "sent"
PENDING = "pending"
ACCEPTED = "accepted"
IN_PROGRESS = "in_progress"
COMPLETED = "completed"
RETURNED = "returned"
HANDED_OVER = "handed_over"
UNDELIVERED = "undelivered"
CANCELLED = "cancelled"
DISPATCHED = "dispatched"
CLOSED = "closed"
RECEIVED = "received"
REJECTED = "rejected"
FINISHED = "finished"

SENDER_TRIGGERS = (
    "acknowledged",
    "delivery_proved",
    "delivery_refused",
    "delivery_overdue",
    "unrecognised",
    "dispatch_overdue",
    "dispatch",
    "close",
    "update",
    "update_confirmed",
    "update_refused",
    "cancel",
    "cancellation_confirmed",
    "cancellation_refused",
)
RECEIVER_TRIGGERS = (
    "accept",
    "read",
    "correct",
    "reject",
    "update",
    "collision",
    "cancellation",
    "mismatched",
    "intake_overdue",
    "response_refused",
    "response_taken",
)

_OVER = "The case has ended here."
_NOT_CURRENT = "The referral is no longer current."


def both(trigger: str, states: Iterable[str], to: str) -> tuple[Row, ...]:
    """Rows by which several states move to the same one."""
    return moves(trigger, **dict.fromkeys(states, to))


def stay(trigger: str, states: Iterable[str]) -> tuple[Row, ...]:
    """Rows that have consequences and leave the case where it is."""
    return moves(trigger, **{state: state for state in states})


def rest(states: Iterable[str], *taken: str) -> str:
    """The other states, as `ignores` and `rejects` want them."""
    return " ".join(state for state in states if state not in taken)


def delivery_rows(states: tuple[str, ...]) -> tuple[Row, ...]:
    """What became of the referral itself, on its way to the receiver."""
    waiting = (SENT, UNDELIVERED)
    others = rest(states, *waiting)
    return (
        *both("acknowledged", waiting, PENDING),
        *ignores("acknowledged", others, "delivered already"),
        *both("delivery_proved", waiting, PENDING),
        *ignores("delivery_proved", others, "delivered already"),
        *moves("delivery_refused", sent=UNDELIVERED),
        *ignores("delivery_refused", rest(states, SENT), "the case is no longer waiting for its delivery"),
        *stay("delivery_overdue", (SENT,)),
        *ignores("delivery_overdue", rest(states, SENT), "the delivery is known by now"),
        *ignores("unrecognised", " ".join(states), "not from, or not to, the services of this conversation"),
    )


def change_rows(states: tuple[str, ...], open_states: tuple[str, ...]) -> tuple[Row, ...]:
    """Updates and cancellation by the sender's CAD, and what became of them at the receiver."""
    everywhere = " ".join(states)
    return (
        *stay("update", open_states),
        *rejects("update", rest(states, *open_states), "There is no open referral to update."),
        *both("cancel", (*open_states, UNDELIVERED), CANCELLED),
        *ignores("cancel", CANCELLED, "cancelled already"),
        *rejects("cancel", rest(states, *open_states, UNDELIVERED, CANCELLED), "There is no open referral to cancel."),
        *ignores("update_confirmed", everywhere, "the receiver took the update"),
        *ignores("update_refused", everywhere, "the receiver did not take the update"),
        *ignores("cancellation_confirmed", everywhere, "the receiver took the cancellation"),
        *ignores("cancellation_refused", everywhere, "the receiver did not take the cancellation"),
    )


def dispatch_rows(states: tuple[str, ...]) -> tuple[Row, ...]:
    """The sender's CAD sends a resource of its own, which ends the referral."""
    return (
        *both("dispatch", rest(states, COMPLETED, DISPATCHED, CLOSED).split(), DISPATCHED),
        *(
            rejects("dispatch", COMPLETED, "The resource has cleared: a new need is a new case.")
            if COMPLETED in states
            else ()
        ),
        *ignores("dispatch", DISPATCHED, "a resource is going already"),
        *rejects("dispatch", CLOSED, "The case is closed; open a new one."),
    )


def overdue_rows(states: tuple[str, ...], ours: tuple[str, ...]) -> tuple[Row, ...]:
    """Nobody has dispatched a case that is the sender's again, or never left it."""
    return (
        *stay("dispatch_overdue", ours),
        *ignores("dispatch_overdue", rest(states, *ours), "moot: nothing to dispatch"),
    )


def receiver_rows(states: tuple[str, ...], open_states: tuple[str, ...]) -> tuple[Row, ...]:
    """What every receiver does with updates, cancellations and its own responses."""
    ended = rest(states, *open_states)
    everywhere = " ".join(states)
    return (
        *stay("read", open_states),
        *rejects("read", ended, _OVER),
        *stay("correct", open_states),
        *rejects("correct", ended, _OVER),
        *stay("update", open_states),
        *rejects("update", ended, _NOT_CURRENT),
        *stay("collision", open_states),
        *ignores("collision", ended, "moot: the referral is no longer current"),
        *both("cancellation", open_states, CANCELLED),
        *rejects("cancellation", ended, _NOT_CURRENT),
        *ignores("mismatched", everywhere, "a message that does not fit the case: for a person"),
        *stay("intake_overdue", (RECEIVED,)),
        *ignores("intake_overdue", rest(states, RECEIVED), "moot: somebody has the case"),
        *ignores("response_refused", everywhere, "the sender did not take a response of ours"),
        *ignores("response_taken", everywhere, "the sender has taken a response of ours"),
        *rejects("accept", ended, _OVER),
    )
