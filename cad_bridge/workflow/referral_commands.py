"""What can happen to a referral (Applications 3 and 6) beyond what can happen to every case (`commands`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from cad_bridge.workflow.case import Case, StatusChange
from cad_bridge.workflow.commands import Command
from cad_bridge.workflow.vocabulary import Priority

ReceiverStatus = Literal["planned", "in-progress", "finished"]
"""Encounter.status of the receiver: waiting for a resource, resource allocated, resource cleared (APP6-RSP-02)."""

OUTDATED = "outdated"
"""The column that a status meets which is older than the one that is known."""


# --- what the receiver told us --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReceived(Command):
    """The receiver's status of the case (DT-15 to DT-17)."""

    name: ClassVar[str] = "status"
    status: ReceiverStatus
    at: datetime | None
    """When the receiver's Encounter was last changed, in the message's own words; None where it does not say."""
    history: tuple[StatusChange, ...] = ()
    """The statuses that the message says the case has had."""
    remote_case_number: str | None = None

    @property
    def trigger(self) -> str:
        """``status_planned``, ``status_in_progress`` or ``status_finished``."""
        return f"status_{self.status.replace('-', '_')}"

    def meets(self, case: Case) -> str:
        """Its own column, unless the case has had a newer status: then `OUTDATED` (APP6-RSP-16).

        ``finished`` ends the case at the receiver, so nothing can be newer.
        """
        known = case.status_history[-1].at if case.status_history else None
        older = self.at is not None and known is not None and self.at < known
        return OUTDATED if older and self.status != "finished" else self.trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalReceived(Command):
    """Call assist or mutual aid is refused (DT-18, DT-19). Whatever its time, it is the receiver's last word."""

    name: ClassVar[str] = "refusal"
    reason_code: str | None
    reason_text: str | None
    at: datetime | None = None
    remote_case_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbiddenRefusalReceived(Command):
    """The home AST tried to refuse an out-of-area referral, which it may not (DT-20); it was answered with an error."""

    name: ClassVar[str] = "forbidden_refusal"
    reason_code: str | None
    reason_text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackReceived(Command):
    """Safeguarding: the patient of a category 5 referral did not attend (DT-21)."""

    name: ClassVar[str] = "feedback"
    reason_code: str | None
    reason_text: str | None


# --- what the CAD of the sender asks for, and what it has learnt ----------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralUpdate(Command):
    """The CAD has learnt more. `changed` names the parts of the content that differ (APP6-UPD-01)."""

    name: ClassVar[str] = "update"
    changed: tuple[str, ...]
    arp: Priority | None
    clock_start: datetime | None
    breach_at: datetime | None
    """By when the patient is to be called (category 5)."""
    needed_by: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """What the builder of the message needs beside the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralUpdateReceived(Command):
    """The sender has sent an update (DT-03, DT-10a to c): what changed, and the facts as they are now."""

    name: ClassVar[str] = "update"
    changed: tuple[str, ...]
    arp: Priority | None
    clock_start: datetime | None
    breach_at: datetime | None
    needed_by: datetime | None = None


# --- what the receiver does -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStatus(Command):
    """The receiver's CAD: waiting for a resource (again), resource allocated, or cleared (APP6-RSP-01)."""

    name: ClassVar[str] = "report_status"
    status: ReceiverStatus
    practitioner: dict[str, Any] = field(default_factory=dict)
    at: datetime | None = None
    """Since when, where the receiver's system says so in a message of its own; None: from now on."""
    bundle: bytes | None = None

    @property
    def trigger(self) -> str:
        """``status_planned``, ``status_in_progress`` or ``status_finished``."""
        return f"status_{self.status.replace('-', '_')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTaken(Command):
    """The sender answered 200 to one of our responses, or has had it before."""

    name: ClassVar[str] = "response_taken"
    kind: str


# --- what the clock says --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOverdue(Command):
    """A call assist or mutual aid request has been neither accepted nor refused in the policy time."""

    name: ClassVar[str] = "answer_overdue"
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusOverdue(Command):
    """The receiver has not said for too long how the case stands."""

    name: ClassVar[str] = "status_overdue"
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackOverdue(Command):
    """The patient of a category 5 referral has not been called by the time promised."""

    name: ClassVar[str] = "callback_overdue"
    due_at: datetime
