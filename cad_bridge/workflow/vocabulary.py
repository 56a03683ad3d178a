"""The words of the domain as closed sets: use cases, sides, priorities, deadlines, escalation reasons, events."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class UseCase(StrEnum):
    """BaRS use-case category codes, CodeSystem usecases-categories-bars."""

    CAS_REFERRAL = "a3t1"
    CAS_VALIDATION = "a4t1"
    FALLS_VALIDATION = "a4t2"
    COMMUNITY_VALIDATION = "a4t3"
    OUT_OF_AREA = "a6t1"
    CALL_ASSIST = "a6t2"
    MUTUAL_AID = "a6t3"

    @property
    def is_validation(self) -> bool:
        """Whether this is one of the three validation use cases of Application 4."""
        return self in VALIDATION_USE_CASES

    @property
    def is_cad_to_cad(self) -> bool:
        """Whether this is one of the three use cases of Application 6."""
        return self in CAD_TO_CAD_USE_CASES


VALIDATION_USE_CASES = frozenset({UseCase.CAS_VALIDATION, UseCase.FALLS_VALIDATION, UseCase.COMMUNITY_VALIDATION})
CAD_TO_CAD_USE_CASES = frozenset({UseCase.OUT_OF_AREA, UseCase.CALL_ASSIST, UseCase.MUTUAL_AID})


class Side(StrEnum):
    """Which end of the conversation a case of ours is."""

    REQUESTER = "requester"
    RESPONDER = "responder"


class Duty(StrEnum):
    """Whose the duty is to dispatch (for a category 5 referral: to care for) the patient of a case."""

    SENDER = "sender"
    RECEIVER = "receiver"


class Priority(StrEnum):
    """Ambulance Response Programme priority, with the HCP and IFT equivalents (CodeSystem arp-priority-codes)."""

    C1 = "C1"
    C2 = "C2"
    C3 = "C3"
    C4 = "C4"
    C4T = "C4T"
    C5 = "C5"
    HCP1 = "HCP1"
    HCP2 = "HCP2"
    HCP3 = "HCP3"
    HCP4 = "HCP4"
    HCP4T = "HCP4T"
    IFT1 = "IFT1"
    IFT2 = "IFT2"
    IFT3 = "IFT3"
    IFT4 = "IFT4"

    @classmethod
    def parse(cls, code: str | None) -> Priority | None:
        """The priority a wire code means, or None for an unknown one. ``HP4T`` is the misprint of HCP4T."""
        if code is None:
            return None
        spelled = code.strip().upper()
        return cls.__members__.get("HCP4T" if spelled == "HP4T" else spelled)

    @property
    def category(self) -> str:
        """The ARP category whose target holds: HCP3 and IFT3 are timed as C3."""
        return self.value.replace("HCP", "C").replace("IFT", "C")

    @property
    def urgency(self) -> int:
        """1 for the most urgent (C1, HCP1) to 6 for C5, so that smaller means sooner."""
        return _URGENCY[self.category]

    @property
    def needs_ambulance(self) -> bool:
        """Whether the priority stands for an ambulance response at all (C5 refers the patient elsewhere)."""
        return self is not Priority.C5

    @property
    def target(self) -> timedelta | None:
        """National response target counted from clock start; None for C5, which has none."""
        return _TARGET.get(self.category)

    def raises(self, other: Priority | None) -> bool:
        """Whether this priority is more urgent than `other`; anything that needs an ambulance raises an unknown one."""
        return self.needs_ambulance if other is None else self.urgency < other.urgency


_URGENCY = {"C1": 1, "C2": 2, "C3": 3, "C4": 4, "C4T": 5, "C5": 6}
_TARGET = {
    # Means for C1 and C2, 90th centiles for the rest: the Ambulance Response Programme's own measures.
    "C1": timedelta(minutes=7),
    "C2": timedelta(minutes=18),
    "C3": timedelta(minutes=120),
    "C4": timedelta(minutes=180),
    "C4T": timedelta(minutes=180),
}


class DeadlineKind(StrEnum):
    """What a deadline row protects; each kind is at most once armed for a case (once for each escalation)."""

    BREACH = "breach"
    DISPATCH = "dispatch"
    DELIVERY = "delivery"
    INTAKE = "intake"
    REVIEW = "review"
    ANSWER = "answer"
    STATUS = "status"
    CALLBACK = "callback"
    ACKNOWLEDGEMENT = "acknowledgement"


class EscalationReason(StrEnum):
    """Why a person has to look, in the words that the board and the events use."""

    BREACH = "breach"
    REJECTED = "rejected"
    CONTRADICTORY_FINAL = "contradictory-final"
    PRIORITY_RAISED = "priority-raised"
    SECOND_CASE = "second-case"
    UNDELIVERABLE = "undeliverable"
    DELIVERY_UNKNOWN = "delivery-unknown"
    DISPATCH_OVERDUE = "dispatch-overdue"
    INTAKE_OVERDUE = "intake-overdue"
    REVIEW_OVERDUE = "review-overdue"
    ANSWER_OVERDUE = "answer-overdue"
    STATUS_OVERDUE = "status-overdue"
    CALLBACK_OVERDUE = "callback-overdue"
    CANCELLATION_REFUSED = "cancellation-refused"
    UPDATE_REFUSED = "update-refused"
    RESPONSE_UNDELIVERABLE = "response-undeliverable"
    UNRECOGNISED_RESPONSE = "unrecognised-response"
    MISMATCHED_MESSAGE = "mismatched-message"
    FORBIDDEN_REFUSAL = "forbidden-refusal"
    SAFEGUARDING_FEEDBACK = "safeguarding-feedback"


class EventType(StrEnum):
    """What a CAD is told; the contract is docs/events.md."""

    CASE_CREATED = "case.created"
    CASE_ACKNOWLEDGED = "case.acknowledged"
    CASE_UPDATE_SENT = "case.update_sent"
    CASE_UPDATED = "case.updated"
    CASE_CANCELLED = "case.cancelled"
    CASE_IN_PROGRESS = "case.in_progress"
    CASE_RETURNED = "case.returned"
    CASE_COMPLETED = "case.completed"
    CASE_REVIEW_REQUIRED = "case.review_required"
    CASE_REVIEWED = "case.reviewed"
    CASE_CONTACT_ATTEMPT = "case.contact_attempt"
    CASE_STATUS = "case.status"
    FAILSAFE_DISPATCH = "failsafe.dispatch"
    ESCALATION_RAISED = "escalation.raised"
    ESCALATION_REPEATED = "escalation.repeated"
    ESCALATION_ACKNOWLEDGED = "escalation.acknowledged"
    DELIVERY_FAILED = "delivery.failed"
    RESPONSE_LATE = "response.late"


class MessageKind(StrEnum):
    """What one of our own messages is for; the bundle is rendered from this and the case."""

    REQUEST = "request"
    UPDATE = "update"
    CANCELLATION = "cancellation"
    INTERIM = "interim"
    REJECTION = "rejection"
    FINAL = "final"
    STATUS = "status"
    REFUSAL = "refusal"
