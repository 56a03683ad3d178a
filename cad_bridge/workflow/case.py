"""A case as the workflow sees it: the facts that decide, and none of the clinical content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from cad_bridge.workflow.vocabulary import Duty, Priority, Side, UseCase


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A status of the receiver's Encounter, in the words of the message, and since when it has had it."""

    status: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One local case on one side of one conversation. All times are aware UTC.

    `epoch` counts the requests that this case has stood for, so that "escalated exactly once" holds for each
    request; `version` counts the changes, and a reader may use it to see which of two copies is newer.
    """

    id: UUID
    side: Side
    use_case: UseCase
    state: str
    version: int = 0
    epoch: int = 1
    arp: Priority | None = None
    clock_start: datetime | None = None
    breach_at: datetime | None = None
    dispatch_by: datetime | None = None
    remote_case_number: str | None = None
    delivered: bool = False
    """Whether the other side is known to hold our request: its 200, a 409 duplicate or any genuine response."""
    interim_sent: bool = False
    pending_breach_at: datetime | None = None
    """A later breach time that was sent and that the responder has not taken yet; until then the earlier one holds."""
    unread_update: bool = False
    """Whether the requester has updated the case since a clinician of ours last acted on it."""
    corrected: tuple[str, ...] = ()
    """Parts of the request that our own records say something else about: an update of them is a conflict."""
    claimed_by: str | None = None
    """The clinician of ours who has taken the case on, so that no two work on it unknowingly."""
    pending_final: Mapping[str, Any] | None = None
    """A final response that waits for the EOC clinical hub: its facts as JSON, until the review has decided."""
    duplicate_of: str | None = None
    """The CAD case that the responder raised over ITK for the same patient, as soon as a final response names it
    (APP4-VS-23): in time or late, for two live cases of one patient have to be merged by a person."""
    cancel_on_breach: bool = False
    """Whether the responder wants to be told by cancellation when the failsafe has taken the case back."""

    dispatch_duty: Duty = Duty.SENDER
    """Who has to dispatch, as this side knows it; for a validation always its requester."""
    status_history: tuple[StatusChange, ...] = ()
    """What the receiver of a referral has told of it (its own record of that on the receiver's side), oldest first."""
    needed_by: datetime | None = None
    """By when the sender of a call assist or mutual aid request needs the resource, where it says so."""
    answer_by: datetime | None = None
    """When the lack of an answer is escalated: the sender's wait for acceptance, the receiver's own intake."""

    triage: Mapping[str, Any] = field(default_factory=dict)
    """The original triage outcome as the CAD sent it, carried to the failsafe notice unchanged."""

    def evolve(self, **changes: Any) -> Case:
        """A copy with the given fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationFacts:
    """An escalation as it stands when a command about it is decided."""

    id: UUID
    reason: str
    level: int
    due_at: datetime | None
    acknowledged_by: str | None


def dispatch_by(arp: Priority | None, clock_start: datetime | None) -> datetime | None:
    """Clock start plus the ARP target; None where either is unknown or the priority has no target."""
    if arp is None or clock_start is None or arp.target is None:
        return None
    return clock_start + arp.target
