"""Every state of every workflow in plain English, what the people here do about it, and where the board lists it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cad_bridge.workflow.vocabulary import VALIDATION_USE_CASES, Side, UseCase


@dataclass(frozen=True, slots=True)
class StateWords:
    """A state in words. ``{other}`` stands for the other side's name."""

    name: str
    advice: str
    group: str
    """Which list of the board: dispatch, review, out, ours, answered, ended."""


States = Mapping[str, StateWords]

_NOT_CONFIRMED = StateWords("Sent, not confirmed", "Keep on dispatch: {other} may not have it yet.", "out")
_UNDELIVERED = StateWords(
    "Not delivered", "{other} could not be given it: it never left us. Dispatch, or hand over by phone.", "dispatch"
)
_CANCELLED_HERE = StateWords("Cancelled by us", "It is no longer wanted of {other}.", "ended")
_GOING = StateWords("Resource going", "The failsafe no longer watches this case.", "ended")
_CLOSED = StateWords("Closed", "The case has ended in the CAD.", "ended")
_ENDED_HERE = {"cancelled": _CANCELLED_HERE, "dispatched": _GOING, "closed": _CLOSED}
_STOP = StateWords("Cancelled by them", "{other} no longer wants it. Stop work on it.", "ended")
_REFUSED_BY_US = StateWords("Sent back", "{other} owns the case again.", "ended")

VALIDATION_REQUESTER: States = {
    "sent": _NOT_CONFIRMED,
    "pending": StateWords("Waiting for validation", "{other} has it. It may stay in the pending stack.", "out"),
    "in_progress": StateWords("Consultation in progress", "A clinician at {other} has started.", "out"),
    "awaiting_review": StateWords(
        "Hub review needed", "{other} has answered: the clinical hub approves or amends it before the breach.", "review"
    ),
    "undelivered": _UNDELIVERED,
    "returned": StateWords("Back with us", "{other} has not settled it. Dispatch, or decide anew.", "dispatch"),
    "dispatch_required": StateWords("Ambulance needed", "{other} says an ambulance is needed. Dispatch.", "dispatch"),
    "breached": StateWords("Breach time passed", "Dispatch now, on the original triage.", "dispatch"),
    "completed": StateWords("No ambulance needed", "{other} has dealt with it. Close the case.", "answered"),
    **_ENDED_HERE,
}
VALIDATION_RESPONDER: States = {
    "received": StateWords("New, not accepted", "Nobody here has taken it on yet. Accept it.", "ours"),
    "accepted": StateWords("Accepted", "Call the patient. A call attempt is not a start.", "ours"),
    "in_progress": StateWords("Consultation in progress", "Complete it, or send it back with a reason.", "ours"),
    "rejected": _REFUSED_BY_US,
    "finished": StateWords("Answered", "{other} has our answer, or is being sent it.", "ended"),
    "cancelled": _STOP,
}
CATEGORY_5_SENDER: States = {
    "sent": StateWords("Sent, not confirmed", "Still our duty of care: {other} may not have it yet.", "out"),
    "pending": StateWords("Taken over", "{other} has the duty of care. Close the case.", "answered"),
    "handed_over": StateWords("Handed over", "Closed here; {other} has the duty of care.", "ended"),
    "undelivered": _UNDELIVERED,
    **_ENDED_HERE,
}
CATEGORY_5_RECEIVER: States = {
    "received": StateWords("New, not accepted", "The duty of care is ours. Accept it.", "ours"),
    "accepted": StateWords("Accepted", "Call the patient back in time.", "ours"),
    "in_progress": StateWords("Consultation in progress", "Complete it when the consultation has ended.", "ours"),
    "finished": StateWords("Finished", "The consultation has ended.", "ended"),
    "cancelled": _STOP,
}
_ALLOCATED = StateWords("Their resource is allocated", "{other} has allocated a resource.", "out")
_CLEARED = StateWords("Their resource has cleared", "{other} has finished. Close the case.", "answered")
_HANDED_OVER = StateWords("Handed over", "Closed here; {other} has the case.", "ended")
OUT_OF_AREA_SENDER: States = {
    "sent": StateWords("Sent, not confirmed", "Ours to dispatch: {other} may not have it yet.", "out"),
    "pending": StateWords("Taken over", "{other} has the case and dispatches. It may be closed here.", "out"),
    "accepted": StateWords("Waiting at theirs", "{other} has it waiting for a resource.", "out"),
    "in_progress": _ALLOCATED,
    "completed": _CLEARED,
    "handed_over": _HANDED_OVER,
    "undelivered": _UNDELIVERED,
    **_ENDED_HERE,
}
CALL_ASSIST_SENDER: States = {
    "sent": StateWords("Sent, not confirmed", "Ours to dispatch: {other} may not have it yet.", "out"),
    "pending": StateWords("Not answered yet", "Ours to dispatch until {other} accepts.", "out"),
    "accepted": StateWords("Accepted by them", "{other} dispatches. It may be closed here.", "out"),
    "in_progress": _ALLOCATED,
    "completed": _CLEARED,
    "returned": StateWords("Refused: ours again", "{other} cannot help. Dispatch, or ask another service.", "dispatch"),
    "handed_over": _HANDED_OVER,
    "undelivered": _UNDELIVERED,
    **_ENDED_HERE,
}
MUTUAL_AID_SENDER: States = {
    "sent": StateWords("Sent, not confirmed", "The incident is ours: {other} may not have it yet.", "out"),
    "pending": StateWords("Not answered yet", "The incident is ours. {other} has not answered.", "out"),
    "accepted": StateWords("Accepted by them", "{other} will send what was asked for. The incident is ours.", "out"),
    "in_progress": _ALLOCATED,
    "completed": StateWords("Their resource has cleared", "The incident is still ours: close when it is over.", "out"),
    "returned": StateWords("Refused", "{other} cannot help: make other arrangements.", "dispatch"),
    "undelivered": StateWords("Not delivered", "{other} could not be asked: make other arrangements.", "dispatch"),
    **_ENDED_HERE,
}
CAD_TO_CAD_RECEIVER: States = {
    "received": StateWords("New, not accepted", "Nobody here has taken it on yet. Accept it.", "ours"),
    "accepted": StateWords("Accepted, waiting", "It waits for a resource of ours.", "ours"),
    "in_progress": StateWords("Resource allocated", "Say when it has cleared or was stood down.", "ours"),
    "finished": StateWords("Cleared", "Our resource has cleared.", "ended"),
    "rejected": StateWords("Refused by us", "{other} owns the case.", "ended"),
    "cancelled": _STOP,
}

STATES: Mapping[tuple[UseCase, Side], States] = {
    **{(use_case, Side.REQUESTER): VALIDATION_REQUESTER for use_case in VALIDATION_USE_CASES},
    **{(use_case, Side.RESPONDER): VALIDATION_RESPONDER for use_case in VALIDATION_USE_CASES},
    (UseCase.CAS_REFERRAL, Side.REQUESTER): CATEGORY_5_SENDER,
    (UseCase.CAS_REFERRAL, Side.RESPONDER): CATEGORY_5_RECEIVER,
    (UseCase.OUT_OF_AREA, Side.REQUESTER): OUT_OF_AREA_SENDER,
    (UseCase.CALL_ASSIST, Side.REQUESTER): CALL_ASSIST_SENDER,
    (UseCase.MUTUAL_AID, Side.REQUESTER): MUTUAL_AID_SENDER,
    (UseCase.OUT_OF_AREA, Side.RESPONDER): CAD_TO_CAD_RECEIVER,
    (UseCase.CALL_ASSIST, Side.RESPONDER): CAD_TO_CAD_RECEIVER,
    (UseCase.MUTUAL_AID, Side.RESPONDER): CAD_TO_CAD_RECEIVER,
}


def state_words(use_case: UseCase, side: Side, state: str) -> StateWords:
    """The words for a state. One that this release does not know is named as it is, and stays among the open cases."""
    known = STATES.get((use_case, side), {}).get(state)
    group = "out" if side is Side.REQUESTER else "ours"
    return known or StateWords(f"Unknown state: {state}", "This release does not know the state.", group)
