"""A received request as content: everything it says, nothing corrected, every deviation as an issue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cad_bridge.fhir import codes
from cad_bridge.fhir.content import ReceivedRequest
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.content_patient import SocialContext
from cad_bridge.fhir.content_place import Location
from cad_bridge.fhir.content_triage import Timings, Triage
from cad_bridge.fhir.encounters import NO_OWN_ENCOUNTERS, OwnEncounters
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.read_clinical import (
    is_scene_safety,
    read_allergy,
    read_consent,
    read_flags,
    read_medication,
    read_practitioner,
    read_scene_safety,
)
from cad_bridge.fhir.read_elements import (
    codings_of,
    moment_of,
    organisation_named_by,
    organisation_of,
    same_system,
    system_of,
)
from cad_bridge.fhir.read_encounter import case_number_of, journey_id_of, mark_class, place_in, read_call_times
from cad_bridge.fhir.read_index import MessageIndex
from cad_bridge.fhir.read_nodes import Node
from cad_bridge.fhir.read_observations import read_observation
from cad_bridge.fhir.read_patient import read_caller, read_contacts, read_patient
from cad_bridge.fhir.read_place import coordinate_readings, read_location
from cad_bridge.fhir.read_questionnaire import check_breathing, read_questionnaires
from cad_bridge.fhir.read_referral import read_complaint, read_log, read_resuscitation, read_tasks
from cad_bridge.fhir.read_triage import read_next_activity, read_outcomes, read_triage_system
from cad_bridge.fhir.retraction import is_active_flag
from cad_bridge.fhir.systems import canonical_token

_PATIENT_FIELDS = (
    "birth_sex",
    "estimated_age_years",
    "estimated_age_months",
    "estimated_age_weeks",
    "age_group",
)
_SOCIAL_FIELDS = ("household_composition", "social_circumstances", "accommodation")


def read_request(
    bundle: Mapping[str, Any], *, own: OwnEncounters = NO_OWN_ENCOUNTERS
) -> tuple[ReceivedRequest, list[Issue]]:
    """The content of a request or referral, new or updated, and what is wrong with it. Never raises on a JSON object.

    `own` are the receiver's Encounters in the conversation: an update may repeat one (X-37), which says nothing new.
    """
    reader = RequestReader(bundle)
    reader.pass_over(own)
    content = reader.content()
    return content, reader.index.ledger.issues


class RequestReader:
    """Reads one message, resource by resource."""

    of_a_request: ClassVar[bool] = True
    """Whether the requester said what only referrals carry; in a response it was the responder: shown as sent."""

    def __init__(self, bundle: Mapping[str, Any]) -> None:
        self.index = index = MessageIndex(bundle)
        sent_at = bundle.get("timestamp")
        self._sent_at = sent_at if isinstance(sent_at, str) else None
        self.header = _first(index, "MessageHeader")
        self.service_request = _first(index, "ServiceRequest")
        self.encounter = index.linked(self.service_request.child("encounter"), "Encounter")
        self.care_plan = index.linked(self.service_request.first("basedOn"), "CarePlan")
        self.patient = index.linked(self.service_request.child("subject"), "Patient")
        self.location = index.linked(self.service_request.first("locationReference"), "Location")
        self.observed = self._observed()
        index.take(self.header, self.service_request, self.encounter, self.care_plan, self.patient, self.location)
        self._mark_frame()

    def content(self) -> ReceivedRequest:
        """The whole request."""
        incident = self.incident_location()
        fields = {
            **self._addressing(),
            **self._patient_and_contacts(),
            **self._triage_and_times(),
            **self.statements(),
            **self._log_and_tasks(),
            "sender_encounter_status": self.encounter.child("status").token(),
            "incident_location": incident,
            "coordinate_readings": coordinate_readings(incident),
            "other_locations": self._other_locations(),
            "practitioner": self.practitioner(self.service_request.child("requester")),
        }
        return ReceivedRequest(**fields, other_resources=self.index.other_resources(), also_sent=self.index.also_sent())

    def pass_over(self, own: OwnEncounters) -> None:
        """Mark the Encounters that only repeat to their owner what it knows."""
        for url, node in self.index.entries:
            is_own = url in own.full_urls or node.child("id").word in own.ids
            if is_own and node.path != self.encounter.path and node.value.get("resourceType") == "Encounter":
                node.done()
                self.index.take(node)

    def incident_location(self) -> Location | None:
        """The incident Location, with its state from Encounter.location."""
        return read_location(self.location, default_type="incident", status=self.location_status())

    def statements(self) -> dict[str, Any]:
        """Flags, scene safety, consent, allergies and medications."""
        flags = [node for node in self.index.all("Flag") if is_active_flag(node.value)]
        safety = [node for node in flags if is_scene_safety(node)]
        others = [node for node in flags if node not in safety]
        consent = _first(self.index, "Consent")
        self.index.take(*flags, consent)
        if not safety:
            self.index.ledger.warn("Bundle.entry", "required", "No scene safety flag: taken as unknown.", "APP4-VR-07")
        return {
            "scene_safety": read_scene_safety(safety),
            "flags": tuple(flag for node in others for flag in read_flags(node)),
            "consent": read_consent(consent),
            "allergies": tuple(self.made("AllergyIntolerance", read_allergy)),
            "medications": tuple(self.made("MedicationStatement", read_medication)),
        }

    def made(self, resource_type: str, read: Any) -> list[Any]:
        """What `read` makes of every resource of a type that was not retracted."""
        found = []
        for node in self.index.standing(resource_type):
            if content := read(node):
                found.append(content)
                self.index.take(node)
        return found

    def practitioner(self, link: Node) -> Practitioner | None:
        """The practitioner that a reference names, directly or by a role."""
        node = self.index.at(link.target(), "Practitioner")
        role = self.index.at(link.target(), "PractitionerRole")
        if role.exists:
            node = self.index.at(role.child("practitioner").target(), "Practitioner")
        else:
            role = self._role_of(node)
        organisation = self.index.at(role.child("organization").target(), "Organization")
        sender = self.index.at(self.header.child("sender").target(), "Organization")
        is_senders = organisation.path == sender.path
        self.index.take(node, role, organisation)
        author = self.care_plan.child("author").target()
        return read_practitioner(
            node,
            role,
            organisation=None if is_senders else organisation_of(organisation),
            clinician=author is not None and author == self.index.url_of(role),
        )

    def _role_of(self, practitioner: Node) -> Node:
        url = self.index.url_of(practitioner) if practitioner.exists else None
        for role in self.index.all("PractitionerRole"):
            if url is not None and role.child("practitioner").target() == url:
                return role
        return Node(None, "Bundle", self.index.ledger)

    def _observed(self) -> dict[str, Any]:
        """Fields that Observations and, in referrals, a Condition and a Procedure fill; the first of a kind counts."""
        observed = read_complaint(self.index) | read_resuscitation(self.index) if self.of_a_request else {}
        for node in self.index.standing("Observation"):
            before = set(self.index.ledger.read)
            found = read_observation(node)
            if not found or _already(found, observed):
                self.index.ledger.read &= before
                continue
            observed |= found
            self.index.take(node)
        return observed

    def _addressing(self) -> dict[str, Any]:
        header = self.header
        sender = self.index.at(header.child("sender").target(), "Organization")
        receiver = self.index.at(header.first("destination").child("receiver").target(), "Organization")
        service = self.index.linked(self.service_request.first("performer"), "HealthcareService")
        provider = self.index.at(service.child("providedBy").target(), "Organization")
        self.index.take(sender, receiver, service, provider)
        for identifier in service.items("identifier"):
            identifier.child("value").text()
        service.child("active").boolean()
        return {
            "use_case": self._use_case(),
            "requested_action": self.service_request.first("category").child("text").text(),
            "sender": _service_id(header.child("source").child("endpoint")),
            "receiver": _service_id(header.first("destination").child("endpoint")),
            "sending_service": organisation_of(sender),
            "receiving_service": organisation_of(provider) or organisation_of(receiver),
            "receiving_service_name": service.child("name").text(),
            "case_number": case_number_of(self.encounter),
            "journey_id": journey_id_of(self.encounter),
        }

    def _use_case(self) -> str | None:
        for concept in self.service_request.items("category"):
            for coding in codings_of(concept):
                coding.child("display").text()
                if same_system(system_of(coding), codes.MESSAGE_CATEGORIES):
                    coding.done()
        for concept in self.service_request.items("category"):
            for coding in codings_of(concept):
                code = coding.child("code").token()
                if code and same_system(system_of(coding), codes.USE_CASES):
                    return code.lower()
        return None

    def _patient_and_contacts(self) -> dict[str, Any]:
        link = self.patient.first("generalPractitioner")
        practice = self.index.at(link.target(), "Organization")
        self.index.take(practice)
        about_patient = {name: self.observed[name] for name in _PATIENT_FIELDS if name in self.observed}
        ages = [name for name in about_patient if name.startswith("estimated_age")]
        for surplus in ages[1:]:
            del about_patient[surplus]
        social = {name: self.observed[name] for name in _SOCIAL_FIELDS if name in self.observed}
        return {
            "patient": read_patient(
                self.patient,
                general_practice=organisation_of(practice) or organisation_named_by(link),
                observed=about_patient,
            ),
            "contacts": read_contacts(self.patient),
            "caller": read_caller(self.encounter),
            "social_context": SocialContext(**social) if social else None,
        }

    def _triage_and_times(self) -> dict[str, Any]:
        outcomes = read_outcomes(self.care_plan)
        asked = read_questionnaires(self.index) if self.of_a_request else {}
        check_breathing(self.index, asked.get("pre_triage_sieve"), cpr_start=self.observed.get("cpr_start"))
        triage = Triage(
            system=read_triage_system(self.header),
            pathways=outcomes.pathways,
            ampds=outcomes.known.get("ampds"),
            other_codes=tuple(outcomes.other),
            arp=outcomes.arp,
            **outcomes.narrated(),
            patient_expectations=self.observed.get("patient_expectations"),
            **asked,
        )
        names = ("presenting_complaint", "presenting_complaint_code", "chief_concern", "acuity")
        return {
            **{name: self.observed[name] for name in names if name in self.observed},
            "triage": triage,
            "next_activity": read_next_activity(self.care_plan),
            "timings": self._timings(),
            "clock_start": moment_of(self.care_plan.child("period").child("start")),
            "breach_at": moment_of(self.service_request.child("occurrencePeriod").child("end")),
        }

    def _timings(self) -> Timings:
        return Timings(
            **read_call_times(self.encounter),
            location_confirmed=moment_of(self.place_in(self.encounter).child("period").child("start")),
            disposition=moment_of(self.care_plan.child("created")),
            cpr_start=self.observed.get("cpr_start"),
        )

    def place_in(self, encounter: Node) -> Node:
        """What an Encounter says about the incident Location."""
        return place_in(encounter, self.index.url_of(self.location) if self.location.exists else None)

    def location_status(self) -> str | None:
        """Provisional or confirmed (APP6-LOC-04); None if the message does not say."""
        place = self.place_in(self.encounter)
        if not place.exists:
            return None
        return "confirmed" if place.child("status").choice("active") else "provisional"

    def _other_locations(self) -> tuple[Location, ...]:
        contained = [
            node for node in self.encounter.items("contained") if node.child("resourceType").word == "Location"
        ]
        others = [node for node in self.index.all("Location") if node.path != self.location.path]
        self.index.take(*others)
        for node in others:
            if node.child("status").word == "inactive":
                node.done()  # a place that no longer matters (an update withdrew it)
        others = [node for node in others if node.child("status").word != "inactive"]
        found = (read_location(node, default_type="other") for node in (*contained, *others))
        return tuple(location for location in found if location)

    def _log_and_tasks(self) -> dict[str, Any]:
        return read_log(self.index) | read_tasks(self.index, authored=self._made_at()) if self.of_a_request else {}

    def _mark_frame(self) -> None:
        """Mark what only frames the message: it is the same in every message of its kind."""
        header, request = self.header, self.service_request
        for name in ("eventCoding", "reason", "definition", "response"):
            header.child(name).done()
        request.expect("status", "active")
        request.expect("intent", "plan")
        request.child("occurrencePeriod").child("start").done()
        request.expect("authoredOn", *self._made_at())
        mark_class(self.encounter)
        self.care_plan.expect("status", "completed" if self._use_case() == "a3t1" else "active")
        self.care_plan.expect("intent", "plan")

    def _made_at(self) -> frozenset[str]:
        """When the request was made, as its message says it in several places."""
        period = self.service_request.child("occurrencePeriod")
        said = (self._sent_at, period.child("start").word, self.care_plan.child("created").word)
        return frozenset(moment for moment in said if moment)


def _first(index: MessageIndex, resource_type: str) -> Node:
    nodes = index.all(resource_type)
    return nodes[0] if nodes else Node(None, "Bundle", index.ledger)


def _service_id(node: Node) -> str | None:
    token = node.text()
    return canonical_token(token) if token else None


def _already(found: Mapping[str, Any], observed: Mapping[str, Any]) -> bool:
    return any(name in observed for name in found)
