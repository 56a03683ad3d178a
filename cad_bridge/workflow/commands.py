"""Everything that can happen to a case. `trigger` names the column of the state table that it meets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from cad_bridge.workflow.case import Case
from cad_bridge.workflow.vocabulary import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something that happened or is asked for; `by` names the person or system for the audit trail."""

    name: ClassVar[str]
    by: str = ""

    @property
    def trigger(self) -> str:
        """The column of the state table that this command meets."""
        return self.name

    def meets(self, case: Case) -> str:  # noqa: ARG002 - some commands look at the case
        """The column that it meets in a given case: its trigger, unless the case knows something newer."""
        return self.trigger


# --- what the delivery of our own message came to -------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAcknowledged(Command):
    """The responder answered 200, normally with its planned Encounter (CORE-SYNC-01)."""

    name: ClassVar[str] = "acknowledged"
    remote_case_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryProved(Command):
    """409 duplicate: the responder has had the request although no 200 ever reached us (CORE-TI-16)."""

    name: ClassVar[str] = "delivery_proved"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRefused(Command):
    """The request was refused for good; trying again would change nothing (H01)."""

    name: ClassVar[str] = "delivery_refused"
    attempts: int
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationRefused(Command):
    """The responder would not take our cancellation, or could not be reached with it."""

    name: ClassVar[str] = "cancellation_refused"
    attempts: int
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationConfirmed(Command):
    """The responder took our cancellation."""

    name: ClassVar[str] = "cancellation_confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRefused(Command):
    """One of our responses (interim, rejection, final) was refused for good by the requester."""

    name: ClassVar[str] = "response_refused"
    kind: str
    attempts: int
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfirmed(Command):
    """The responder took our update; `breach_at` is the breach time that this very message told it."""

    name: ClassVar[str] = "update_confirmed"
    breach_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRefused(Command):
    """The responder would not take our update, or could not be reached with it."""

    name: ClassVar[str] = "update_refused"
    attempts: int
    last_error: str


# --- what the responder told us -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InterimReceived(Command):
    """The responder started: its Encounter is in-progress (DT-11)."""

    name: ClassVar[str] = "interim"
    remote_case_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionReceived(Command):
    """The responder will not or cannot validate: its Encounter is cancelled, with a reason (DT-12)."""

    name: ClassVar[str] = "rejection"
    reason_code: str | None
    reason_text: str | None
    remote_case_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalReceived(Command):
    """The responder's full validation response (DT-13, DT-14).

    `contradictory` is set where CarePlan.status and the ARP code disagree (X-50). `clock_start` is what the message
    says; whether it counts is decided here (APP4-VS-20). `outcome` is carried to the events unchanged.
    """

    name: ClassVar[str] = "final"
    dispatch_required: bool
    contradictory: bool
    arp: Priority | None
    clock_start: datetime | None
    message_time: datetime | None
    new_cad_id: str | None = None
    remote_case_number: str | None = None
    outcome: dict[str, Any] = field(default_factory=dict)
    needs_review: bool = False
    """The responder's triage is not from an approved system: the EOC clinical hub has to look (APP4-VS-24)."""

    @property
    def is_immediate(self) -> bool:
        """Whether it asks for a C1 or C2 response, which never waits for a review."""
        return self.dispatch_required and self.arp is not None and self.arp.urgency <= 2

    @property
    def trigger(self) -> str:
        """``final_contradictory``, ``final_review``, ``final_dispatch``, ``final_closing``: different columns."""
        if self.contradictory:
            return "final_contradictory"
        if self.needs_review and not self.is_immediate:
            return "final_review"
        return "final_dispatch" if self.dispatch_required else "final_closing"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrecognisedResponse(Command):
    """A response that names our request but does not come from, or to, the services of the conversation."""

    name: ClassVar[str] = "unrecognised"
    came_from: str


# --- what the CAD asks for ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch(Command):
    """The CAD says that a resource is going; the responder is told by cancellation."""

    name: ClassVar[str] = "dispatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Close(Command):
    """The CAD has ended its own case."""

    name: ClassVar[str] = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Command):
    """The CAD no longer wants the validation; `mistaken` if it should never have been sent (CORE-CAN-05)."""

    name: ClassVar[str] = "cancel"
    reason: str
    mistaken: bool = False
    bundle: bytes | None = None
    """The message itself, where the CAD made it: it is sent as it is. So in the commands below."""

    @property
    def message(self) -> dict[str, Any]:
        """What the message needs, or the message."""
        told = {"status": "entered-in-error" if self.mistaken else "revoked", "reason": self.reason}
        return told if self.bundle is None else told | {"bundle": self.bundle}


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(Command):
    """The CAD has learnt more. `changed` names the parts of the content that differ (APP4-VR-13)."""

    name: ClassVar[str] = "update"
    changed: tuple[str, ...]
    arp: Priority | None
    clock_start: datetime | None
    breach_at: datetime
    bundle: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Review(Command):
    """A clinician of the EOC clinical hub approves or amends the responder's outcome."""

    name: ClassVar[str] = "review"
    dispatch_required: bool
    arp: Priority | None
    amended: bool
    note: str | None = None

    @property
    def trigger(self) -> str:
        """``review_dispatch`` or ``review_closing``: what the hub decided."""
        return "review_dispatch" if self.dispatch_required else "review_closing"


# --- what a responder's clinician does ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept(Command):
    """A person of the responder's has seen the case and takes it on."""

    name: ClassVar[str] = "accept"
    take_over: bool = False
    """Said by somebody who knows that another clinician has the case."""
    practitioner: dict[str, Any] = field(default_factory=dict)
    bundle: bytes | None = None
    """The response itself, where the responder's system made it: it is sent as it is. So in the commands below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Command):
    """The consultation starts; a call attempt is not a start (APP4-VS-02)."""

    name: ClassVar[str] = "start"
    take_over: bool = False
    practitioner: dict[str, Any] = field(default_factory=dict)
    bundle: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactAttempt(Command):
    """A clinician tried to reach the patient and did not; it is no start, and tells the requester nothing."""

    name: ClassVar[str] = "contact_attempt"
    contact: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadUpdate(Command):
    """A clinician has read what the requester's last update changed."""

    name: ClassVar[str] = "read"
    read_version: int
    """The version of the case that they had before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correct(Command):
    """Our own records say something else now than the request: by name, which parts of it (CORE-UPD-07)."""

    name: ClassVar[str] = "correct"
    parts: tuple[str, ...]
    """All that are corrected from now on: one that is left out is taken from updates again."""
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCollided(Command):
    """An update would change what was corrected here: it was refused as a whole (CORE-UPD-05, CORE-UPD-06)."""

    name: ClassVar[str] = "collision"
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(Command):
    """The case cannot be validated; the requester owns it again (APP4-VS-06)."""

    name: ClassVar[str] = "reject"
    reason_code: str
    reason_text: str
    practitioner: dict[str, Any] = field(default_factory=dict)
    take_over: bool = True
    """False where the clinician is known, and does not say that the case may be another's."""
    bundle: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete(Command):
    """The consultation has ended with an outcome (APP4-VS-09)."""

    name: ClassVar[str] = "complete"
    dispatch_required: bool
    arp: Priority | None
    clock_start: datetime | None
    new_cad_id: str | None = None
    outcome: dict[str, Any] = field(default_factory=dict)
    read_version: int | None = None
    """The version of the case that the clinician had before them, where their system says so."""
    take_over: bool = True
    """False where the clinician is known, and does not say that the case may be another's."""
    bundle: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReceived(Command):
    """The requester has sent an update (DT-04): what changed, and the facts as they are now."""

    name: ClassVar[str] = "update"
    changed: tuple[str, ...]
    arp: Priority | None
    clock_start: datetime | None
    breach_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationReceived(Command):
    """The requester has cancelled (DT-09)."""

    name: ClassVar[str] = "cancellation"
    status: str
    reason: str | None = None


# --- what the clock says --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachDue(Command):
    """The validation breach time has passed: the failsafe."""

    name: ClassVar[str] = "breach_due"
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOverdue(Command):
    """Nobody knows yet whether the responder holds the request."""

    name: ClassVar[str] = "delivery_overdue"
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchOverdue(Command):
    """The case came back for dispatch and nothing was dispatched in the policy time."""

    name: ClassVar[str] = "dispatch_overdue"
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOverdue(Command):
    """The EOC clinical hub has not looked at a final response in the policy time."""

    name: ClassVar[str] = "review_overdue"
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeOverdue(Command):
    """We answered 200 but nobody has accepted the case in the policy time."""

    name: ClassVar[str] = "intake_overdue"
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeEscalation(Command):
    """A named person has seen the escalation and acts on it, whatever the state of the case."""

    name: ClassVar[str] = "acknowledge"
    escalation_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgementOverdue(Command):
    """Nobody has acknowledged the escalation: tell the next ones."""

    name: ClassVar[str] = "acknowledgement_overdue"
    escalation_id: UUID
    due_at: datetime
