"""Interim response, rejection and final response of a validation (Application 4).

They are made from the request as it was received: what the responder did not change is echoed digit for digit, with
the ids issued for it and its own lastUpdated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_acknowledgement import MessageLinks, own_encounter_fields
from cad_bridge.fhir.build_clinical import practitioner_fields, practitioner_role_fields
from cad_bridge.fhir.build_elements import Entry, Json, coding, concept, organisation_fields, reference, resource
from cad_bridge.fhir.build_message import header, message, moment
from cad_bridge.fhir.build_triage import cdss_extension
from cad_bridge.fhir.content import RejectionReason
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.content_triage import TriageSystem
from cad_bridge.fhir.content_types import Organisation
from cad_bridge.fhir.echo import (
    parse_verbatim,
    references_in,
    verbatim_entries,
    with_ids,
    with_last_updated,
    without_dangling,
)
from cad_bridge.fhir.envelope import Envelope, OwnEncounter, Party, resource_full_url
from cad_bridge.fhir.systems import canonical

_INTERIM_TYPES = frozenset({"Patient", "Organization", "HealthcareService"})


def interim_bundle(
    request: bytes,
    *,
    issued_ids: Mapping[str, str],
    encounter: OwnEncounter,
    envelope: Envelope,
    practitioner: Practitioner,
    original_bundle_id: str | None = None,
) -> bytes:
    """The validation has started (APP4-VS-03, APP4-VS-04): own Encounter in-progress, no CarePlan.

    `request` is the latest state of the request; `original_bundle_id` is the Bundle.id of the first one where that
    differs. Raises ValueError if `request` is not a BaRS message with a ServiceRequest.
    """
    frame = ResponseFrame(
        request=request,
        issued_ids=issued_ids,
        encounter=encounter,
        envelope=envelope,
        practitioner=practitioner,
        original_bundle_id=original_bundle_id,
    )
    return frame.short_message(status="in-progress", reason_code=validation_reason())


def rejection_bundle(
    request: bytes,
    *,
    issued_ids: Mapping[str, str],
    encounter: OwnEncounter,
    envelope: Envelope,
    practitioner: Practitioner,
    reason: RejectionReason,
    original_bundle_id: str | None = None,
) -> bytes:
    """The validation cannot be done (APP4-VS-05): an interim response with the own Encounter cancelled, and why.

    Its message reason is ``new`` whether or not an interim response went before (DT-12). Raises ValueError if
    `reason` has no code or `request` is not a BaRS message with a ServiceRequest.
    """
    why = rejection_reason(reason)
    frame = ResponseFrame(
        request=request,
        issued_ids=issued_ids,
        encounter=encounter,
        envelope=envelope,
        practitioner=practitioner,
        original_bundle_id=original_bundle_id,
    )
    return frame.short_message(status="cancelled", reason_code=why)


def rejection_reason(reason: RejectionReason) -> Json:
    """Encounter.reasonCode of a request that is refused. Raises ValueError if `reason` has no code."""
    if reason.code is None:
        raise ValueError("a rejection is sent with a code")
    display = codes.REJECTED_REASON_DISPLAYS.get(reason.code, reason.display or reason.text or reason.code)
    return concept(coding(codes.REJECTED_REASONS, reason.code, display), text=reason.text)


def validation_reason() -> Json:
    """Encounter.reasonCode of a validation that is under way or done."""
    return concept(coding(codes.ENCOUNTER_REASONS, codes.VALIDATION_OUTCOME, codes.VALIDATION_OUTCOME_DISPLAY))


@dataclass(frozen=True, kw_only=True)
class ResponseFrame:
    """A received request on its way back as a response."""

    request: bytes
    issued_ids: Mapping[str, str]
    encounter: OwnEncounter
    envelope: Envelope
    practitioner: Practitioner
    original_bundle_id: str | None

    def __post_init__(self) -> None:
        if not self.links.service_request:
            raise ValueError("a request has a ServiceRequest")

    @cached_property
    def bundle(self) -> Json:
        """The request, verbatim."""
        return parse_verbatim(self.request)

    @cached_property
    def received(self) -> list[Entry]:
        """Its entries with the ids issued for them, without an older echo of the own Encounter."""
        entries = with_ids(verbatim_entries(self.bundle), self.issued_ids)
        return [entry for entry in entries if entry.full_url != self.encounter.full_url]

    @cached_property
    def links(self) -> MessageLinks:
        """Subject, journey and sender's Encounter of the request."""
        return MessageLinks(self.received)

    def url(self, role: str) -> str:
        """fullUrl of something the responder adds: the same in every response about the case."""
        return resource_full_url(self.encounter.full_url, role)

    def made(self, role: str, resource_type: str, fields: Json, *profiles: str) -> Entry:
        """An entry of the responder's own."""
        url = self.url(role)
        issued = url.removeprefix("urn:uuid:")  # ids are the receiver's to issue, and the receiver is who responds
        body = resource(resource_type, fields, last_updated=moment(self.envelope), profiles=profiles, id=issued)
        return Entry(url, body)

    def short_message(
        self,
        *,
        status: str,
        reason_code: Json | None,
        definition: str = codes.DEFINITION_RESPONSE_INTERIM,
        ended: bool = False,
    ) -> bytes:
        """Interim response, rejection or status: Encounters, Patient, organisations, practitioner (APP4-VS-04)."""
        own = self.own_encounter(status, reason_code, ended=ended)
        echoed = [
            entry
            for entry in self.received
            if entry.resource.get("resourceType") in _INTERIM_TYPES or entry.full_url == self.links.sender_encounter
        ]
        entries = [self.service_request(), *echoed, own, *self.added()]
        carried = frozenset(entry.full_url for entry in entries)
        whole = [Entry(entry.full_url, without_dangling(entry.resource, carried)) for entry in entries]
        head = self.header("new", definition, system=None)
        named = {url for entry in (head, *whole) for url in references_in(entry.resource)}
        meant = [one for one in whole if one.full_url in named or one.resource.get("resourceType") != "Organization"]
        return message(self.envelope, [head, *meant])

    def header(self, reason: str, definition: str, *, system: TriageSystem | None) -> Entry:
        """The MessageHeader: focus is the own Encounter (X-06); it answers the original request (APP4-VS-12)."""
        original = self.original_bundle_id or self.bundle.get("id")
        if not isinstance(original, str):
            raise ValueError("a request has a Bundle.id")  # noqa: TRY004 - the message is at fault, not the call
        requester_system = requesters_system(self.received)
        cdss = cdss_extension(system) if system else None
        if cdss is None and requester_system:
            cdss = cdss_extension(requester_system, of_the_requester=True)
        return header(
            self.envelope,
            event=codes.EVENT_RESPONSE,
            reason=reason,
            definition=definition,
            focus_url=self.encounter.full_url,
            sender_url=self._organization_url(self.envelope.sender, "Organization/sender"),
            receiver_url=self._organization_url(self.envelope.receiver, "Organization/receiver"),
            cdss=cdss,
            response_to=original,
        )

    def service_request(self) -> Entry:
        """The ServiceRequest with the validating practitioner as requester (APP4-VS-33); its period is echoed."""
        entry = next(entry for entry in self.received if entry.resource.get("resourceType") == "ServiceRequest")
        changed = {**entry.resource, "status": "active", "requester": reference(self.url("Practitioner"))}
        if "authoredOn" not in changed and self.bundle.get("timestamp"):
            changed["authoredOn"] = self.bundle["timestamp"]  # the guide's fallback: when the sender submitted it
        service = next((e for e in self.received if e.resource.get("resourceType") == "HealthcareService"), None)
        if "performer" not in changed and service:
            changed["performer"] = [reference(service.full_url)]
        return Entry(entry.full_url, with_last_updated(changed, moment(self.envelope)))

    def own_encounter(
        self, status: str, reason_code: Json | None, *, ended: bool = False, location: Json | None = None
    ) -> Entry:
        """The responder's Encounter; it ends only in a final response (APP4-VS-32)."""
        fields = own_encounter_fields(self.encounter, self.links, status=status)
        fields |= {"reasonCode": [reason_code]} if reason_code else {}
        fields |= {"location": [location]} if location else {}
        if ended:
            start = self.encounter.period_start
            fields["period"] = {"start": start, "end": max(start, self.encounter.period_end or moment(self.envelope))}
        body = resource("Encounter", fields, last_updated=moment(self.envelope), id=self.encounter.id)
        return Entry(self.encounter.full_url, body)

    def added(self) -> Iterator[Entry]:
        """The practitioner and the organisations that the request lacks or names without their ODS code."""
        for party, role in (
            (self.envelope.sender, "Organization/sender"),
            (self.envelope.receiver, "Organization/receiver"),
        ):
            if self._organization_url(party, role) == self.url(role):
                yield self.made(role, "Organization", _party_fields(party))
        yield self.made("Practitioner", "Practitioner", practitioner_fields(self.practitioner))
        organisation, own = self.practitioner.organisation, "Organization/practitioner"
        organization_url = (
            self.url(own) if organisation else self._organization_url(self.envelope.sender, "Organization/sender")
        )
        fields = practitioner_role_fields(
            self.practitioner, practitioner_url=self.url("Practitioner"), organization_url=organization_url
        )
        yield self.made("PractitionerRole", "PractitionerRole", fields)
        if organisation:
            yield self.made(own, "Organization", organisation_fields(organisation, codes.ODS_CODE))

    def _organization_url(self, party: Party, role: str) -> str:
        """The request's Organization with the party's ODS code, else one of our own (defects S8)."""
        for entry in self.received:
            if entry.resource.get("resourceType") == "Organization" and _is_party(entry.resource, party):
                return entry.full_url
        named = self._named_by_the_request(role) if party.ods_code is None else None
        return named or self.url(role)

    def _named_by_the_request(self, role: str) -> str | None:
        """The Organization that the request's header names for that end, for a party whose code is not known."""
        heads = [entry.resource for entry in self.received if entry.resource.get("resourceType") == "MessageHeader"]
        head = heads[0] if heads else {}
        asked = [end.get("receiver") for end in _dicts(head.get("destination"))]
        links = _dicts([head.get("sender")] if role == "Organization/receiver" else asked)
        urls = [entry.full_url for entry in self.received]
        return next((link["reference"] for link in links if link.get("reference") in urls), None)


def requesters_system(entries: list[Entry]) -> TriageSystem | None:
    """The clinical decision support system that the request names."""
    heads = [entry.resource for entry in entries if entry.resource.get("resourceType") == "MessageHeader"]
    parts = {
        str(part.get("url", "")).lower(): part.get("valueString")
        for head in heads
        for extension in _dicts(head.get("extension"))
        if extension.get("url") == codes.CDSS_EXTENSION
        for part in _dicts(extension.get("extension"))
    }
    name, version = parts.get(codes.CDSS_SOFTWARE.lower()), parts.get(codes.CDSS_VERSION.lower())
    if not isinstance(name, str) or not name.strip():
        return None
    return TriageSystem(name=name, version=version if isinstance(version, str) and version.strip() else None)


def _is_party(organization: Mapping[str, Any], party: Party) -> bool:
    """Whether the Organization has the party's ODS code, in whatever case."""
    return party.ods_code is not None and any(
        canonical(str(identifier.get("system", ""))) == codes.ODS_CODE
        and str(identifier.get("value", "")).strip().upper() == party.ods_code.upper()
        for identifier in _dicts(organization.get("identifier"))
    )


def _dicts(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _party_fields(party: Party) -> Json:
    return organisation_fields(Organisation(ods_code=party.ods_code, name=party.name), codes.ODS_CODE)
