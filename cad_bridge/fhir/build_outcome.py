"""The final response of a validation: the request with the responder's triage in place of the first one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_acknowledgement import own_encounter_fields
from cad_bridge.fhir.build_clinical import (
    People,
    allergy_fields,
    consent_fields,
    flag_fields,
    medication_fields,
    scene_safety_fields,
)
from cad_bridge.fhir.build_elements import Entry, Json, filled, reference, resource
from cad_bridge.fhir.build_message import message, moment
from cad_bridge.fhir.build_place import location_fields
from cad_bridge.fhir.build_response import ResponseFrame, validation_reason
from cad_bridge.fhir.build_triage import validation_outcomes
from cad_bridge.fhir.content import Outcome
from cad_bridge.fhir.content_clinical import Consent, Flag, SceneSafety
from cad_bridge.fhir.echo import with_id, with_last_updated
from cad_bridge.fhir.envelope import Envelope, OwnEncounter
from cad_bridge.fhir.read_clinical import is_scene_safety, read_flags
from cad_bridge.fhir.read_elements import read_moment
from cad_bridge.fhir.read_nodes import Ledger, Node
from cad_bridge.fhir.retraction import is_active_flag, retracted

_REPLACED = frozenset({"MessageHeader", "ServiceRequest", "CarePlan"})


def final_bundle(
    request: bytes,
    *,
    issued_ids: Mapping[str, str],
    encounter: OwnEncounter,
    envelope: Envelope,
    outcome: Outcome,
    interim_sent: bool,
    original_bundle_id: str | None = None,
) -> bytes:
    """The validation is done (APP4-VS-10, APP4-VS-11): own Encounter finished, the outcome in the CarePlan.

    `outcome.clock_start` follows from the T5 rule (`content_arp.outcome_clock_start`): where it is that of the
    request, the request's own text is repeated. `request` is the latest state of the request; `original_bundle_id`
    is the Bundle.id of the first one where that differs. Raises ValueError without a clock start, or if `request` is
    not a BaRS message with a ServiceRequest.
    """
    if outcome.clock_start is None:
        raise ValueError("a final response is sent with a clock start")
    frame = OutcomeFrame(
        request=request,
        issued_ids=issued_ids,
        encounter=encounter,
        envelope=envelope,
        practitioner=outcome.practitioner,
        original_bundle_id=original_bundle_id,
        outcome=outcome,
    )
    return frame.final_message("update" if interim_sent else "new")


@dataclass(frozen=True, kw_only=True)
class OutcomeFrame(ResponseFrame):
    """A received request on its way back with an outcome."""

    outcome: Outcome

    def final_message(self, reason: str) -> bytes:
        """The whole message."""
        system = self.outcome.triage.system if self.outcome.triage else None
        head = self.header(reason, codes.DEFINITION_RESPONSE_FULL, system=system)
        own = self.own_encounter("finished", validation_reason(), ended=True, location=self._visited())
        entries = [self._linked_service_request(), *self._echoed(), own, *self._ambulance_case()]
        return message(self.envelope, [head, *entries, self._care_plan(), *self._statements(), *self.added()])

    @cached_property
    def people(self) -> People:
        """To whom the responder's statements refer."""
        return People(self.links.subject or "", self.encounter.full_url, self.url("Practitioner"))

    @cached_property
    def care_plan_url(self) -> str:
        """The request's CarePlan keeps its fullUrl: the outcome replaces the first triage, as in the examples."""
        return self._first("CarePlan", self._targets("basedOn")) or self.url("CarePlan")

    @cached_property
    def location_url(self) -> str | None:
        """The incident Location."""
        return self._first("Location", self._targets("locationReference"))

    def _visited(self) -> Json | None:
        """A location that the responder changed, in its own Encounter: confirmed only if it says so."""
        changed = self.outcome.incident_location
        if changed is None:
            return None
        confirmed = {"status": "active"} if changed.status == "confirmed" else {}
        return {"location": reference(self.location_url or self.url("Location")), **confirmed}

    def _linked_service_request(self) -> Entry:
        entry = self.service_request()
        links = {"basedOn": [reference(self.care_plan_url)]}
        if self.location_url or self.outcome.incident_location:
            links["locationReference"] = [reference(self.location_url or self.url("Location"))]
        missing = {name: value for name, value in links.items() if name not in entry.resource}
        return Entry(entry.full_url, {**entry.resource, **missing})

    def _echoed(self) -> Iterator[Entry]:
        for entry in self.received:
            if entry.resource.get("resourceType") in _REPLACED:
                continue
            yield self._changed(entry) or entry

    def _changed(self, entry: Entry) -> Entry | None:
        """The entry with the outcome's changes; None if it stands as it came."""
        outcome = self.outcome
        if entry.full_url == self.location_url and outcome.incident_location:
            return self._remade(entry, "Location", location_fields(outcome.incident_location))
        if entry.resource.get("resourceType") != "Flag":
            return None
        if entry.full_url in self._scene_safety_urls:
            return self._changed_scene_safety(entry)
        return self._withdrawn(entry) if entry.full_url in self._withdrawn_urls else None

    def _changed_scene_safety(self, entry: Entry) -> Entry | None:
        if self.outcome.scene_safety is None:
            return None
        if entry.full_url != self._scene_safety_urls[0]:
            return self._withdrawn(entry)
        fields = self._scene_safety_fields(self.outcome.scene_safety)
        return self._remade(entry, "Flag", fields, codes.FLAG_PROFILE, codes.SCENE_SAFETY_PROFILE)

    def _scene_safety_fields(self, safety: SceneSafety) -> Json:
        location_url = self.location_url or self.url("Location")
        return scene_safety_fields(safety, encounter_url=self.encounter.full_url, location_url=location_url)

    @cached_property
    def _active_flags(self) -> dict[str, Node]:
        """Every active Flag of the request, by fullUrl."""
        entries = orjson.loads(self.request).get("entry", [])
        found = {}
        for index, entry in enumerate(entries):
            body = entry.get("resource", {})
            if body.get("resourceType") == "Flag" and is_active_flag(body):
                found[entry.get("fullUrl", "")] = Node(body, f"Bundle.entry[{index}].resource", Ledger())
        return found

    @cached_property
    def _scene_safety_urls(self) -> list[str]:
        return [url for url, node in self._active_flags.items() if is_scene_safety(node)]

    @cached_property
    def _flags(self) -> dict[str, tuple[Flag, ...]]:
        """What each active Flag of the request says, but for scene safety."""
        others = set(self._active_flags) - set(self._scene_safety_urls)
        return {url: read_flags(node) for url, node in self._active_flags.items() if url in others}

    @cached_property
    def _withdrawn_urls(self) -> frozenset[str]:
        """Flags of the request that no longer hold. One that cannot be read is never withdrawn."""
        held = self.outcome.flags
        if held is None:
            return frozenset()
        return frozenset(url for url, flags in self._flags.items() if flags and not any(flag in held for flag in flags))

    def _new_flags(self) -> list[Flag]:
        known = [flag for flags in self._flags.values() for flag in flags]
        return [flag for flag in self.outcome.flags or () if flag not in known]

    def _withdrawn(self, entry: Entry) -> Entry:
        now = moment(self.envelope)
        return Entry(entry.full_url, with_last_updated(retracted(entry.resource, at=now), now))

    def _remade(self, entry: Entry, resource_type: str, fields: Json, *profiles: str) -> Entry:
        body = resource(resource_type, fields, last_updated=moment(self.envelope), profiles=profiles)
        held = entry.resource.get("id")
        return Entry(entry.full_url, with_id(body, held) if isinstance(held, str) else body)

    def _care_plan(self) -> Entry:
        outcome = self.outcome
        linked = [reference(self.url("Encounter/itk"))] if outcome.new_cad_id else []
        activity = filled({"outcomeCodeableConcept": validation_outcomes(outcome), "outcomeReference": linked})
        fields = filled(
            {
                "status": "active" if outcome.dispatch_required else "completed",
                "intent": "plan",
                "subject": reference(self.people.patient),
                "encounter": reference(self.encounter.full_url),
                "period": {"start": outcome.clock_start},
                "created": outcome.disposition_at,
                "author": reference(self.url("PractitionerRole")) if outcome.practitioner.clinician else None,
                "activity": [activity],
            }
        )
        before = self._request_care_plan()
        made = self._remade(Entry(self.care_plan_url, before), "CarePlan", fields)
        original = _period_start(before)
        if original and read_moment(original) == outcome.clock_start:
            made.resource["period"]["start"] = original
        return made

    def _request_care_plan(self) -> Json:
        return next((entry.resource for entry in self.received if entry.full_url == self.care_plan_url), {})

    def _ambulance_case(self) -> Iterator[Entry]:
        """The case that was raised over ITK, as third Encounter (APP4-VS-22)."""
        if self.outcome.new_cad_id:
            fields = own_encounter_fields(self.encounter, self.links, status="finished")
            fields["identifier"] = [{"system": codes.ITK_CAD_ID, "value": self.outcome.new_cad_id}]
            fields["period"] = {"start": self.outcome.disposition_at or moment(self.envelope)}
            yield self.made("Encounter/itk", "Encounter", fields)

    def _statements(self) -> Iterator[Entry]:
        """What the responder adds, and what a final response cannot lack."""
        outcome, people = self.outcome, self.people
        if outcome.incident_location and self.location_url is None:
            yield self.made("Location", "Location", location_fields(outcome.incident_location))
        if not self._scene_safety_urls:
            fields = self._scene_safety_fields(outcome.scene_safety or SceneSafety())
            yield self.made("Flag/scene-safety", "Flag", fields, codes.FLAG_PROFILE, codes.SCENE_SAFETY_PROFILE)
        for index, flag in enumerate(self._new_flags()):
            yield self.made(f"Flag/{index}", "Flag", flag_fields(flag, people), codes.FLAG_PROFILE)
        for index, allergy in enumerate(outcome.allergies):
            yield self.made(f"AllergyIntolerance/{index}", "AllergyIntolerance", allergy_fields(allergy, people))
        for index, medication in enumerate(outcome.medications):
            fields = medication_fields(medication, people, source_url=people.practitioner)
            yield self.made(f"MedicationStatement/{index}", "MedicationStatement", fields)
        if self._first("Consent", ()) is None:
            consent = Consent(date=moment(self.envelope))
            yield self.made("Consent", "Consent", consent_fields(consent, patient_url=people.patient))

    def _targets(self, name: str) -> tuple[Any, ...]:
        links = self.links.service_request.get(name)
        return (
            tuple(link.get("reference") for link in links if isinstance(link, dict)) if isinstance(links, list) else ()
        )

    def _first(self, resource_type: str, preferred: tuple[Any, ...]) -> str | None:
        urls = [entry.full_url for entry in self.received if entry.resource.get("resourceType") == resource_type]
        return next((url for url in urls if url in preferred), urls[0] if urls else None)


def _period_start(care_plan: Json) -> str | None:
    period = care_plan.get("period")
    start = period.get("start") if isinstance(period, dict) else None
    return start if isinstance(start, str) else None
