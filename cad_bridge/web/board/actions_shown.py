"""What the signed-in person may do with a case as it stands: the state table decides, not the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cad_bridge.web.board.state import CLINICAL, DISPATCHING, Viewer
from cad_bridge.workflow.case import Case
from cad_bridge.workflow.decide import WORKFLOWS
from cad_bridge.workflow.table import Kind
from cad_bridge.workflow.vocabulary import Side, UseCase


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that a person can do with a case."""

    name: str
    """The column of the state table, and the last part of the address."""
    side: Side
    roles: frozenset[str]
    label: str
    confirm: str
    """The button that does it; what it means stands above it."""
    explanation: str
    """``{other}`` stands for the other side's name."""
    tone: str = ""
    asks_reason: bool = False


_DISPATCHERS = (
    Action(
        name="dispatch",
        side=Side.REQUESTER,
        roles=DISPATCHING,
        label="Resource going",
        confirm="Confirm: a resource is going",
        explanation="Only when the CAD shows a resource for this case. The failsafe stops watching it, "
        "and {other} is told by cancellation if it may still be working on it.",
        tone="primary",
    ),
    Action(
        name="close",
        side=Side.REQUESTER,
        roles=DISPATCHING,
        label="Close",
        confirm="Close the case",
        explanation="The case has ended in the CAD. The failsafe stops watching it.",
    ),
    Action(
        name="cancel",
        side=Side.REQUESTER,
        roles=DISPATCHING,
        label="Cancel the request",
        confirm="Cancel the request",
        explanation="It is no longer wanted of {other}, who is told. The failsafe stops watching the case, "
        "so the CAD must go on with it.",
        tone="warning",
        asks_reason=True,
    ),
)
_CLINICIANS = (
    Action(
        name="accept",
        side=Side.RESPONDER,
        roles=CLINICAL,
        label="Accept",
        confirm="Accept the case",
        explanation="You take the case on.",
        tone="primary",
    ),
    Action(
        name="start",
        side=Side.RESPONDER,
        roles=CLINICAL,
        label="Start the consultation",
        confirm="The consultation starts",
        explanation="The patient is on the line. A call attempt is not a start. {other} is told.",
        tone="primary",
    ),
    Action(
        name="reject",
        side=Side.RESPONDER,
        roles=CLINICAL,
        label="Send back",
        confirm="Send the case back",
        explanation="It cannot be done here. {other} owns the case again, at once.",
        tone="warning",
        asks_reason=True,
    ),
)
ACTIONS: Mapping[str, Action] = {action.name: action for action in (*_DISPATCHERS, *_CLINICIANS)}
TAKES_OVER = frozenset({"accept", "start", "reject"})
"""Actions on a case that another clinician has, taken only where the person says so."""

_CONSULTED = frozenset(
    {UseCase.CAS_VALIDATION, UseCase.FALLS_VALIDATION, UseCase.COMMUNITY_VALIDATION, UseCase.CAS_REFERRAL}
)
"""Use cases whose receiver is a clinician; those of CAD to CAD are worked in the receiver's CAD."""


def belongs(action: Action, case: Case) -> bool:
    """Whether the action is one of this kind of case."""
    return action.side is case.side and (case.side is Side.REQUESTER or case.use_case in _CONSULTED)


def actions_for(case: Case, viewer: Viewer) -> tuple[Action, ...]:
    """The actions that the person's roles cover and that would move the case."""
    workflow = WORKFLOWS.get((case.use_case, case.side))
    if workflow is None:
        return ()
    movable = {row.trigger for row in workflow.table.rows.values() if row.state == case.state and row.kind is Kind.MOVE}
    possible = (action for action in ACTIONS.values() if action.name in movable and belongs(action, case))
    return tuple(action for action in possible if viewer.may(action.roles))


def nothing_to_do(case: Case, viewer: Viewer) -> str:
    """Why there is no action."""
    own = [action for action in ACTIONS.values() if belongs(action, case)]
    if not own:
        return "Work on this case in your CAD: it is told through the local API."
    if not any(viewer.may(action.roles) for action in own):
        return "Your role looks on: the actions on this case are for others."
    return "In this state there is nothing to do here."
