"""A request as a BaRS message: the frame that all of them share, filled for a validation (Application 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_clinical import (
    People,
    allergy_fields,
    consent_fields,
    flag_fields,
    medication_fields,
    observations,
    practitioner_fields,
    practitioner_role_fields,
    scene_safety_fields,
)
from cad_bridge.fhir.build_elements import (
    Entry,
    Json,
    coding,
    concept,
    filled,
    organisation_fields,
    reference,
    resource,
)
from cad_bridge.fhir.build_message import category, emergency_class, header, message, moment
from cad_bridge.fhir.build_patient import contained_caller, patient_fields
from cad_bridge.fhir.build_place import location_fields
from cad_bridge.fhir.build_triage import cdss_extension, triage_outcomes
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.content_types import Organisation
from cad_bridge.fhir.envelope import Envelope, Party, resource_full_url, split_service_id

VALIDATION_USE_CASES = frozenset({"a4t1", "a4t2", "a4t3"})


def request_bundle(content: Request, envelope: Envelope) -> bytes:
    """A new validation request (APP4-VR-02): one lastUpdated throughout, fullUrls that later updates keep.

    Raises ValueError if `content` has no journey id yet, or is not of a validation use case.
    """
    frame = RequestFrame(content=content, envelope=envelope, opened_at=moment(envelope))
    return message(envelope, [frame.header("new"), *frame.entries()])


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFrame:
    """One validation request on its way into a message; other requests differ in what subclasses say."""

    use_cases: ClassVar[frozenset[str]] = VALIDATION_USE_CASES
    message_category: ClassVar[str] = "validation"
    definition: ClassVar[str] = codes.DEFINITION_REQUEST_VALIDATION
    profile: ClassVar[str] = codes.SERVICE_REQUEST_VALIDATION_PROFILE
    care_plan_status: ClassVar[str] = "active"

    content: Request
    envelope: Envelope
    opened_at: datetime
    """When the request was first sent: start of occurrencePeriod, in updates too (APP4-VR-04)."""

    def __post_init__(self) -> None:
        if self.content.journey_id is None:
            raise ValueError("a request is sent with a journey id")
        if self.content.use_case not in self.use_cases:
            raise ValueError(f"not a use case of a {self.message_category}")

    def url(self, role: str) -> str:
        """fullUrl of the resource in that role."""
        return resource_full_url(self.envelope.bundle_id, role)

    @property
    def people(self) -> People:
        """To whom clinical statements refer."""
        return People(self.url("Patient"), self.url("Encounter"), self.url("Practitioner"))

    def header(self, reason: str) -> Entry:
        """The MessageHeader; its focus is the ServiceRequest (APP4-VR-03)."""
        system = self.content.triage.system
        return header(
            self.envelope,
            event=codes.EVENT_REQUEST,
            reason=reason,
            definition=self.definition,
            focus_url=self.url("ServiceRequest"),
            sender_url=self.url("Organization/sender"),
            receiver_url=self.url("Organization/receiver"),
            cdss=cdss_extension(system) if system else None,
        )

    def entries(self) -> Iterator[Entry]:
        """Everything but the MessageHeader."""
        yield self._service_request()
        yield self._entry("HealthcareService", "HealthcareService", self._healthcare_service())
        yield self._encounter()
        yield self._entry("CarePlan", "CarePlan", self._care_plan())
        yield from self._patient()
        yield from self._practitioner()
        yield self._entry("Organization/sender", "Organization", _party_fields(self.envelope.sender))
        yield self._entry("Organization/receiver", "Organization", _party_fields(self.envelope.receiver))
        yield from self._locations()
        yield from self._statements()

    @property
    def encounter_status(self) -> str:
        """State of the case here: of a validation, triaged and still open (PAY-ENC-12)."""
        return "triaged"

    def _entry(self, role: str, resource_type: str, fields: Json, *profiles: str, id: str | None = None) -> Entry:  # noqa: A002
        body = resource(resource_type, fields, last_updated=moment(self.envelope), profiles=profiles, id=id)
        return Entry(self.url(role), body)

    def _service_request(self) -> Entry:
        content = self.content
        fields = {
            "basedOn": [reference(self.url("CarePlan"))],
            "status": "active",
            "intent": "plan",
            "category": category(content.use_case, self.message_category, text=content.requested_action),
            "subject": reference(self.url("Patient")),
            "encounter": reference(self.url("Encounter")),
            "occurrencePeriod": self._window(),
            "authoredOn": self._authored_on(),
            "requester": reference(self.url("Practitioner")),
            "performer": [reference(self.url("HealthcareService"))],
            "locationReference": [reference(self.url("Location"))],
        }
        return self._entry("ServiceRequest", "ServiceRequest", fields, self.profile)

    def _authored_on(self) -> datetime:
        """When the request became one that can be acted on."""
        return self.content.timings.disposition or self.opened_at

    def _window(self) -> Json | None:
        """From now to the breach or call-back time; never a period that ends before it starts: it must be refused."""
        end = self.content.breach_at
        return filled({"start": min(self.opened_at, end) if end else self.opened_at, "end": end})

    def _healthcare_service(self) -> Json:
        system, value = split_service_id(self.envelope.receiver.service_id)
        return {
            "identifier": [{"system": system, "value": value}],
            "active": True,
            "providedBy": reference(self.url("Organization/receiver")),
            "name": self.envelope.receiver.name,
        }

    def _encounter(self) -> Entry:
        """The sender's Encounter, the case as it is there; its id is the sender's."""
        content, url = self.content, self.url("Encounter")
        caller = content.caller and contained_caller(content.caller, patient_url=self.url("Patient"))
        number = {"system": self.envelope.case_number_system, "value": content.case_number}
        fields = {
            "contained": [*([caller] if caller else ()), *self._contained_locations()],
            "identifier": [filled(number)],
            "status": self.encounter_status,
            "statusHistory": self._call_times(),
            "class": emergency_class(),
            "subject": reference(self.url("Patient")),
            "episodeOfCare": [reference(f"EpisodeOfCare/{content.journey_id}")],
            "participant": [_informant()] if caller else None,
            "period": {"start": content.timings.call_connect or content.timings.call_answer},
            "location": self._encounter_locations(),
        }
        return self._entry("Encounter", "Encounter", fields, id=url.removeprefix("urn:uuid:"))

    def _call_times(self) -> list[Json]:
        """BT start, T0 and T1, at the places that CAD to CAD messages define (APP6-TIM-01 to APP6-TIM-03)."""
        timings = self.content.timings
        times = {"planned": timings.bt_start, "arrived": timings.call_connect, "in-progress": timings.call_answer}
        return [{"status": status, "period": {"start": start}} for status, start in times.items() if start]

    def _contained_locations(self) -> list[Json]:
        return [
            resource("Location", location_fields(location), last_updated=None, id=f"location-{index}")
            for index, location in enumerate(self.content.other_locations)
        ]

    def _encounter_locations(self) -> list[Json]:
        places = [{"location": reference(f"#location-{index}")} for index in range(len(self.content.other_locations))]
        status = self.content.incident_location.status
        if status is None:
            return places
        confirmed = {"status": "active"} if status == "confirmed" else {}
        since = self.content.timings.location_confirmed
        period = {"period": {"start": since}} if since else {}
        return [{"location": reference(self.url("Location")), **confirmed, **period}, *places]

    def _locations(self) -> Iterator[Entry]:
        yield self._entry("Location", "Location", location_fields(self.content.incident_location))

    def _care_plan(self) -> Json:
        content = self.content
        return filled(
            {
                "status": self.care_plan_status,
                "intent": "plan",
                "subject": reference(self.url("Patient")),
                "encounter": reference(self.url("Encounter")),
                "period": {"start": content.clock_start},
                "created": content.timings.disposition,
                "author": reference(self.url("PractitionerRole")) if content.practitioner.clinician else None,
                "activity": self._activities(),
            }
        )

    def _activities(self) -> list[Json]:
        """What triage came to, and what is to happen next; nothing of a call that is not triaged yet."""
        content, outcomes = self.content, triage_outcomes(self.content.triage)
        next_activity = {"detail": {"status": "not-started", "description": content.next_activity}}
        return [
            *([{"outcomeCodeableConcept": outcomes}] if outcomes else ()),
            *([next_activity] if content.next_activity else ()),
        ]

    def _patient(self) -> Iterator[Entry]:
        patient = self.content.patient
        practice, role = patient.general_practice, "Organization/general-practice"
        is_entry = practice is not None and practice.ods_code is not None and practice.name is not None
        link = reference(self.url(role)) if is_entry else _logical_reference(practice)
        yield self._entry("Patient", "Patient", patient_fields(patient, self.content.contacts, general_practice=link))
        if practice and is_entry:
            yield self._entry(role, "Organization", organisation_fields(practice, codes.ODS_CODE))

    def _practitioner(self) -> Iterator[Entry]:
        practitioner, own = self.content.practitioner, "Organization/practitioner"
        yield self._entry("Practitioner", "Practitioner", practitioner_fields(practitioner))
        organization_url = self.url(own if practitioner.organisation else "Organization/sender")
        fields = practitioner_role_fields(
            practitioner, practitioner_url=self.url("Practitioner"), organization_url=organization_url
        )
        yield self._entry("PractitionerRole", "PractitionerRole", fields)
        if practitioner.organisation:
            yield self._entry(own, "Organization", organisation_fields(practitioner.organisation, codes.ODS_CODE))

    def _statements(self) -> Iterator[Entry]:
        content, people = self.content, self.people
        yield from self._observations()
        safety = scene_safety_fields(
            content.scene_safety, encounter_url=people.encounter, location_url=self.url("Location")
        )
        yield self._entry("Flag/scene-safety", "Flag", safety, codes.FLAG_PROFILE, codes.SCENE_SAFETY_PROFILE)
        for index, flag in enumerate(content.flags):
            yield self._entry(f"Flag/{index}", "Flag", flag_fields(flag, people), codes.FLAG_PROFILE)
        for index, allergy in enumerate(content.allergies):
            yield self._entry(f"AllergyIntolerance/{index}", "AllergyIntolerance", allergy_fields(allergy, people))
        for index, medication in enumerate(content.medications):
            fields = medication_fields(medication, people, source_url=people.patient)
            yield self._entry(f"MedicationStatement/{index}", "MedicationStatement", fields)
        yield self._entry("Consent", "Consent", consent_fields(content.consent, patient_url=people.patient))

    def _observations(self) -> Iterator[Entry]:
        for name, fields in observations(self.content, self.people):
            yield self._entry(f"Observation/{name}", "Observation", fields)


def _party_fields(party: Party) -> Json:
    return organisation_fields(Organisation(ods_code=party.ods_code, name=party.name), codes.ODS_CODE)


def _logical_reference(organisation: Organisation | None) -> Json | None:
    """A Reference to an organisation of which only the code or only the name is known: an entry needs both."""
    if organisation is None:
        return None
    identifier = {"system": codes.ODS_CODE, "value": organisation.ods_code} if organisation.ods_code else None
    return filled({"identifier": identifier, "display": organisation.name})


def _informant() -> Json:
    """The third-party caller as participant of the Encounter."""
    kind = concept(coding(codes.PARTICIPATION_TYPE, "INF", "informant"), text="Third-party caller")
    return {"type": [kind], "individual": reference("#caller")}
