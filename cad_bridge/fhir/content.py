"""The clinical content of requests and responses in the terms of a control room: no FHIR knowledge needed.

`Request` and `Outcome` are what the local API takes: everything BaRS demands is demanded, with the path of the field.
`ReceivedRequest` and `ReceivedOutcome` have the same shape and hold whatever a remote system sent.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, model_validator

from cad_bridge.fhir.codes import RESPONSE_OUTCOME_DISPLAYS
from cad_bridge.fhir.content_clinical import Allergy, Consent, Flag, Medication, Practitioner, SceneSafety
from cad_bridge.fhir.content_patient import Caller, Contact, Patient, SocialContext
from cad_bridge.fhir.content_place import CoordinateReadings, Location
from cad_bridge.fhir.content_rules import breaches, outcome_rules, request_rules
from cad_bridge.fhir.content_rules_referral import referral_rules
from cad_bridge.fhir.content_triage import LogEntry, RequestedAction, ResourceRequest, Timings, Triage, TriageCodes
from cad_bridge.fhir.content_types import (
    Code,
    Coding,
    ContentModel,
    Organisation,
    ServiceId,
    Text,
    Token,
    UtcDatetime,
    displayed,
)

UseCase = Literal["a3t1", "a4t1", "a4t2", "a4t3", "a6t1", "a6t2", "a6t3"]


class RequestContent(ContentModel):
    """The shape of a request. Nothing in it is demanded; see `Request`."""

    use_case: str | None = None
    sender: str | None = None
    receiver: str | None = None
    case_number: Text | None = None
    journey_id: UUID | None = None
    clock_start: UtcDatetime | None = None
    """T5."""
    breach_at: UtcDatetime | None = None
    """By when validation must be complete (Application 4), or by when the patient is to be called (Application 3)."""
    timings: Timings = Timings()
    patient: Patient = Patient()
    social_context: SocialContext | None = None
    contacts: tuple[Contact, ...] = ()
    caller: Caller | None = None
    incident_location: Location | None = None
    other_locations: tuple[Location, ...] = ()
    triage: Triage = Triage()
    presenting_complaint: Text | None = None
    presenting_complaint_code: Coding | None = None
    chief_concern: Text | None = None
    acuity: Text | None = None
    next_activity: Text | None = None
    allergies: tuple[Allergy, ...] = ()
    medications: tuple[Medication, ...] = ()
    requested_action: Text | None = None
    scene_safety: SceneSafety = SceneSafety()
    flags: tuple[Flag, ...] = ()
    consent: Consent = Consent()
    practitioner: Practitioner | None = None
    call_log: tuple[LogEntry, ...] = ()
    crew_notes: tuple[LogEntry, ...] = ()
    resource_requested: ResourceRequest | None = None
    actions: tuple[RequestedAction, ...] = ()
    """What is to be done, where a clinician triaged without a decision support system (APP6-REF-15)."""


class Request(RequestContent):
    """A request by the CAD: body of POST /validation-requests and /referrals.

    Raises pydantic.ValidationError with the path of every field that BaRS demands and that is missing or wrong; the
    errors hold no value. Whether `breach_at` lies in the future is for the caller, who has a clock.
    """

    use_case: UseCase
    sender: ServiceId
    receiver: ServiceId | None = None
    """Chosen by the caller, except for out of area referrals (a6t1), where the polygons can choose."""
    case_number: Text
    journey_id: UUID | None = None
    """Made at first contact; the caller fills it in where this is the first (CORE-BND-09)."""
    clock_start: UtcDatetime
    timings: Timings
    incident_location: Location
    practitioner: Practitioner
    birth_sex_consent: bool | None = None
    """Whether the patient agrees that `patient.birth_sex` is told beside a gender that differs. Without that it is not
    sent (PRSB-21)."""

    @model_validator(mode="after")
    def _rules(self) -> Request:
        breaches("Request", (*request_rules(self), *referral_rules(self)))
        return self


class SentElement(ContentModel):
    """Something a message said that has no field of its own: shown to the user as it came (CORE-BND-13)."""

    expression: str
    """FHIRPath in the Bundle."""
    value: str


class ReceivedRequest(RequestContent):
    """A request as a remote system sent it."""

    sending_service: Organisation | None = None
    receiving_service: Organisation | None = None
    receiving_service_name: Text | None = None
    sender_encounter_status: Token | None = None
    """State of the case at the sender: in-progress while the call is on, triaged when it has ended, finished when the
    case is closed there (APP6-REF-07)."""
    coordinate_readings: CoordinateReadings | None = None
    """Present only if the incident position makes sense with its numbers exchanged; an operator decides."""
    other_resources: tuple[dict[str, Any], ...] = ()
    """Resources that have no field of their own, as they came."""
    also_sent: tuple[SentElement, ...] = ()
    """Every other element that has no field of its own, those of `other_resources` included."""


def _outcome_code(code: Any) -> Any:
    return displayed(code, RESPONSE_OUTCOME_DISPLAYS)


OutcomeCode = Annotated[Code, BeforeValidator(_outcome_code)]
"""A code of response-outcome-codes."""


class OutcomeContent(ContentModel):
    """The shape of the result of a validation. Nothing in it is demanded; see `Outcome`."""

    dispatch_required: bool | None = None
    """Whether the 999 service must act. None: the response did not say."""
    arp: Token | None = Field(default=None, examples=["C5"])
    triage: TriageCodes | None = None
    """Codes of the responder's triage system."""
    clock_start: UtcDatetime | None = None
    """T5 after the validation: see `content_arp.outcome_clock_start`, which whoever sends applies."""
    disposition_at: UtcDatetime | None = None
    """When the responder reached its disposition."""
    summary: Text | None = None
    clinical_narrative: Text | None = None
    notes: tuple[Text, ...] = ()
    outcome_codes: tuple[OutcomeCode, ...] = ()
    """Local outcomes, such as PATLIFT (APP4-VS-29)."""
    onward_referral: Text | None = None
    new_cad_id: Token | None = None
    """CAD id of the ambulance case that was raised over ITK for a C1 or C2 (APP4-VS-22)."""
    practitioner: Practitioner | None = None
    incident_location: Location | None = None
    """The location, if it changed; None: that of the request stands (APP4-VS-25). Provisional unless said otherwise."""
    scene_safety: SceneSafety | None = None
    """None: that of the request stands."""
    flags: tuple[Flag, ...] | None = None
    """All flags that now hold; None: those of the request stand (APP4-VS-26)."""
    medications: tuple[Medication, ...] = ()
    """Given or prescribed by the responder."""
    allergies: tuple[Allergy, ...] = ()
    """New, reported to the responder."""


class Outcome(OutcomeContent):
    """The result of a validation by this service: body of POST /cases/{id}/complete.

    Raises pydantic.ValidationError with the path of what is missing or contradictory.
    """

    dispatch_required: bool
    arp: Token = Field(examples=["C5"])
    summary: Text
    practitioner: Practitioner

    @model_validator(mode="after")
    def _rules(self) -> Outcome:
        breaches("Outcome", outcome_rules(self))
        return self


class ReceivedOutcome(OutcomeContent):
    """A final validation response as a remote system sent it."""

    contradictory: bool = False
    """CarePlan.status and ARP code disagree: keep the case live and alert a user (APP4-VS-16)."""
    coordinate_readings: CoordinateReadings | None = None
    request: ReceivedRequest = ReceivedRequest()
    """The same message read as a request: the patient, contacts and all else that the responder sent back."""
    other_resources: tuple[dict[str, Any], ...] = ()
    also_sent: tuple[SentElement, ...] = ()


class RejectionReason(ContentModel):
    """Why a request is refused: RRNA (not available in time), FC (failed contact), OTH (other), or a newer code.

    `code` is None only where a remote system sent none.
    """

    code: Token | None = None
    text: Text | None = None
    display: Text | None = None
    """As sent; for the three known codes it follows from the code."""


class ReportedStatus(ContentModel):
    """A status that the receiver's case had or has, and since when."""

    status: Token | None = None
    since: UtcDatetime | None = None


class StatusReport(ContentModel):
    """What a status response between ambulance services says. Everything may be absent."""

    status: Token | None = None
    """planned (accepted and waiting, or stood down), in-progress (resource allocated), finished (resource cleared),
    cancelled (refused). None: the message does not say whose Encounter is the receiver's, or it has no status."""
    since: UtcDatetime | None = None
    """When the case took this status, by the receiver's own history."""
    last_updated: UtcDatetime | None = None
    """Of the receiver's Encounter: an older one never overwrites a newer one (APP6-RSP-16)."""
    history: tuple[ReportedStatus, ...] = ()
    """As sent, in the order sent."""
    case_number: Text | None = None
    """The receiver's, for the user."""
    encounter_id: Token | None = None
    encounter_full_url: str | None = None
    reason: RejectionReason | None = None
    """Why the request is refused; only with ``cancelled``."""
    practitioner: Practitioner | None = None
    request: ReceivedRequest = ReceivedRequest()
    """What the receiver sent back of the request: addresses, patient, contacts, call times."""
    other_resources: tuple[dict[str, Any], ...] = ()
    also_sent: tuple[SentElement, ...] = ()


class Acknowledgement(ContentModel):
    """What the synchronous answer to a request says. Everything may be absent (X-30)."""

    remote_case_number: str | None = None
    """For the user (CORE-SYNC-03)."""
    remote_encounter_id: str | None = None
    remote_encounter_full_url: str | None = None
    service_request_id: str | None = None
    issued_ids: dict[str, str] = Field(default_factory=dict)
    """fullUrl to id, for every entry that has both (CORE-SYNC-05)."""

    @property
    def reference(self) -> str | None:
        """What to quote to the other side: case number, else Encounter.id, else ServiceRequest.id (CORE-SYNC-08)."""
        return self.remote_case_number or self.remote_encounter_id or self.service_request_id
