"""The stories of the shift as data: what the CAD asks, what must come of it, and by when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from .identity import Json

Check = Callable[[Json], str | None]
"""Looks at an event; words for what is wrong with it, or None."""


@dataclass(frozen=True)
class Expect:
    """An event that must come."""

    event: str
    """Type, as in the contract of the event list."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Values that its data must have; an event of the type with others is a different one."""
    holding: tuple[str, ...] = ()
    """Names in its data that must have a value."""
    within: float = 20.0
    """Seconds since the step before was met."""
    after_breach: bool = False
    """Whether the seconds count from the breach time instead."""
    anywhere: bool = False
    """Whether it may come before what the steps before met."""
    check: Check | None = None

    @property
    def name(self) -> str:
        """How progress and summary call this step."""
        return self.event


@dataclass(frozen=True)
class Acknowledge:
    """A person acknowledges the escalation that came."""

    name: str = "acknowledge"


@dataclass(frozen=True)
class TellMore:
    """The CAD has learnt more of the case and updates its request."""

    stage: Literal["patient", "triage"]
    """Who it is and where exactly, or what the triage came to."""
    name: str = "update"


StoryStep = Expect | Acknowledge | TellMore


@dataclass(frozen=True)
class Story:
    """One case from the CAD's request to its end."""

    name: str
    """Also the key of the plan by which the simulated system acts."""
    title: str
    summary: str
    """The triage summary in the request."""
    steps: tuple[StoryStep, ...]
    use_case: Literal["a4t1", "a6t1", "a6t2", "a6t3"] = "a4t1"
    requested_action: str = ""
    early: bool = False
    """Whether the case is referred straight after the pre-triage sieve, with next to nothing known."""
    breaches: bool = False
    """Whether its breach time is short enough to pass during the shift."""
    never: tuple[str, ...] = ()
    """Event types that must not come."""
    once: tuple[str, ...] = ()
    """Event types that must come exactly once."""


def fired_after_breach(event: Json) -> str | None:
    """The failsafe never fires before the breach time."""
    data = event["data"]
    if datetime.fromisoformat(data["fired_at"]) < datetime.fromisoformat(data["breach_at"]):
        return "fired before the breach time"
    return None


_ACKNOWLEDGED = (
    Expect("case.created"),
    Expect("case.acknowledged", holding=("remote_case_number",)),
)
_NO_ALARM = ("failsafe.dispatch", "delivery.failed", "response.late")

VALIDATION_STORIES: tuple[Story, ...] = (
    Story(
        name="no-dispatch",
        title="Validated by telephone, no ambulance needed",
        summary="Palpitations since this morning, breathless on the stairs, no chest pain.",
        steps=(
            *_ACKNOWLEDGED,
            Expect("case.in_progress"),
            Expect("case.completed", data={"dispatch_required": False}),
        ),
        never=(*_NO_ALARM, "escalation.raised", "case.returned"),
        once=("case.acknowledged", "case.completed"),
    ),
    Story(
        name="upgrade",
        title="Upgraded to C2, the CAS raised a new CAD case",
        summary="Palpitations since lunchtime, now light-headed when standing.",
        steps=(
            *_ACKNOWLEDGED,
            Expect("case.in_progress"),
            Expect(
                "case.completed",
                data={"dispatch_required": True, "arp": "C2"},
                holding=("new_cad_id", "clock_start", "dispatch_by"),
            ),
        ),
        never=(*_NO_ALARM, "case.returned"),
        once=("case.acknowledged", "case.completed"),
    ),
    Story(
        name="rejection",
        title="The CAS cannot reach the patient: the case comes back",
        summary="Palpitations after exercise, settled at rest, anxious.",
        steps=(
            *_ACKNOWLEDGED,
            Expect("case.returned", holding=("reason",)),
            Expect("escalation.raised", holding=("escalation_id", "reason"), anywhere=True),
        ),
        never=(*_NO_ALARM, "case.completed"),
        once=("case.acknowledged", "case.returned"),
    ),
    Story(
        name="breach",
        title="The CAS stays silent: the failsafe puts the case back on dispatch",
        summary="Palpitations for two days, worse tonight, lives alone.",
        steps=(
            *_ACKNOWLEDGED,
            Expect(
                "failsafe.dispatch",
                data={"arp": "C3"},
                holding=("clock_start", "dispatch_by", "breach_at", "fired_at", "triage"),
                within=10.0,
                after_breach=True,
                check=fired_after_breach,
            ),
            Expect("escalation.raised", holding=("escalation_id", "reason"), anywhere=True),
            Acknowledge(),
            Expect("escalation.acknowledged", holding=("escalation_id", "by")),
        ),
        breaches=True,
        never=("case.completed", "case.returned", "delivery.failed"),
        once=("case.acknowledged", "failsafe.dispatch"),
    ),
)

_TAKEN = Expect("case.updated", data={"update": "taken"}, anywhere=True)

CAD_TO_CAD_STORIES: tuple[Story, ...] = (
    Story(
        name="out-of-area",
        title="A call from another area goes to the AST that the polygon names, and more is told in stages",
        summary="Caller abroad, patient at home with palpitations.",
        use_case="a6t1",
        requested_action="Out of your area: please take over this case",
        early=True,
        steps=(
            *_ACKNOWLEDGED,
            TellMore("patient"),
            _TAKEN,
            TellMore("triage"),
            _TAKEN,
            Expect("case.status", data={"status": "planned"}, anywhere=True),
            Expect("case.status", data={"status": "in-progress"}),
            Expect("case.status", data={"status": "finished"}),
            Expect("case.completed", data={"dispatch_required": False}),
        ),
        never=("case.returned", "delivery.failed", "escalation.raised"),
        once=("case.acknowledged", "case.completed"),
    ),
    Story(
        name="call-assist",
        title="A call assist is accepted: the other AST dispatches",
        summary="Fall from a ladder, no crew of ours within the hour.",
        use_case="a6t2",
        requested_action="Please attend: we have no crew to send",
        steps=(
            *_ACKNOWLEDGED,
            Expect("case.status", data={"status": "planned", "accepted": True}),
            Expect("case.status", data={"status": "in-progress"}),
            Expect("case.status", data={"status": "finished"}),
            Expect("case.completed", data={"dispatch_required": False}),
        ),
        never=("case.returned", "delivery.failed", "escalation.raised"),
        once=("case.acknowledged", "case.completed"),
    ),
    Story(
        name="mutual-aid",
        title="Mutual aid is refused: the case stays ours, and a person is told why",
        summary="Trapped under a beam, one crew on scene.",
        use_case="a6t3",
        requested_action="Please send a second double-crewed ambulance",
        steps=(
            *_ACKNOWLEDGED,
            Expect("case.returned", holding=("reason",)),
            Expect("escalation.raised", data={"reason": "rejected"}, holding=("escalation_id",), anywhere=True),
            Acknowledge(),
            Expect("escalation.acknowledged", holding=("escalation_id", "by")),
        ),
        never=("delivery.failed", "case.completed"),
        once=("case.returned",),
    ),
)
