"""What a message says that a workflow depends on, read without judging it.

`read_facts` takes any JSON object and never raises: what is absent, malformed or contradictory reads as ``None``,
and the checks elsewhere say what is wrong with it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from cad_bridge.fhir import systems
from cad_bridge.fhir.elements import as_list, as_object, child, first, text
from cad_bridge.fhir.encounters import (
    NO_OWN_ENCOUNTERS,
    Coding,
    EncounterFacts,
    OwnEncounters,
    responders_encounter,
    senders_encounter,
)

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_URN_UUID = re.compile(r"^urn:uuid:", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything in a message that decides what the message is. ``None`` means absent, unreadable or contradictory."""

    bundle_id: str | None = None
    bundle_type: str | None = None
    version_id: str | None = None
    """Bundle.meta.versionId: the version of the MessageDefinition, by the guide's use of it (X-13)."""
    bundle_last_updated: datetime | None = None
    event: str | None = None
    reason: str | None = None
    definition: str | None = None
    """MessageHeader.definition without a version suffix."""
    destination_endpoint: str | None = None
    """``system|value`` in canonical spelling, or as sent where it holds no pipe."""
    receiver_ods: str | None = None
    source_endpoint: str | None = None
    sender_ods: str | None = None
    has_response: bool = False
    response_identifier: str | None = None
    """MessageHeader.response.identifier without ``urn:uuid:`` (CORE-MH-17)."""
    response_code: str | None = None
    focus_reference: str | None = None
    focus_type: str | None = None
    """Type of the entry that MessageHeader.focus names; ``None`` where it names none."""
    focus_full_url: str | None = None
    category: str | None = None
    """``referral``, ``validation`` or another code, in lower case, found by its system (X-22)."""
    use_case: str | None = None
    """Use-case category in lower case, such as ``a4t1``."""
    sr_status: str | None = None
    sr_id: str | None = None
    sr_full_url: str | None = None
    sr_encounter: str | None = None
    """ServiceRequest.encounter as it was sent: the requester's Encounter."""
    occurrence_start: datetime | None = None
    occurrence_end: datetime | None = None
    """Breach time of a validation request, call-back time of a referral to CAS; UTC."""
    journey_id: str | None = None
    """GUID part of Encounter.episodeOfCare (X-62)."""
    patient_full_url: str | None = None
    nhs_number: str | None = None
    encounters: tuple[EncounterFacts, ...] = ()
    careplan_status: str | None = None
    careplan_intent: str | None = None
    careplan_period_start: datetime | None = None
    """Clock start (T5), UTC."""
    arp: str | None = None
    """ARP priority code in upper case, such as ``C3``."""
    task_statuses: tuple[str | None, ...] = ()
    resource_counts: Mapping[str, int] = field(default_factory=dict)
    """How many entries there are of each resource type."""


class _Entry(NamedTuple):
    full_url: str | None
    resource: Mapping[str, Any]
    type: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class _Entries:
    """The entries of a message by what they are looked up by: none is searched once for each reference."""

    every: tuple[_Entry, ...]

    @cached_property
    def by_type(self) -> Mapping[str, list[_Entry]]:
        found: dict[str, list[_Entry]] = defaultdict(list)
        for entry in self.every:
            if entry.type:
                found[entry.type].append(entry)
        return found

    @cached_property
    def by_full_url(self) -> Mapping[str | None, _Entry]:
        return {entry.full_url: entry for entry in reversed(self.every)}

    @cached_property
    def by_id(self) -> Mapping[str, _Entry]:
        return {f"{entry.type}/{entry.id}": entry for entry in reversed(self.every) if entry.id}

    def of(self, resource_type: str) -> Sequence[_Entry]:
        return self.by_type.get(resource_type, ())

    def first(self, resource_type: str) -> _Entry:
        return next(iter(self.of(resource_type)), _Entry(None, {}))

    def named(self, ref: str | None) -> _Entry | None:
        """The entry that a reference names: by fullUrl, else by ``Type/id``; the first of several."""
        if ref is None:
            return None
        return self.by_full_url.get(ref) or self.by_id.get(ref)


def read_facts(bundle: Mapping[str, Any]) -> Facts:
    """Read the facts of a message Bundle. Never raises, whatever JSON object it is given."""
    entries = _Entries(tuple(_entries(bundle)))
    header = entries.first("MessageHeader").resource
    focus = entries.named(reference(child(header, "focus")))
    request = focus if focus and focus.type == "ServiceRequest" else entries.first("ServiceRequest")
    patient = entries.first("Patient")
    meta = as_object(bundle.get("meta"))
    return Facts(
        bundle_id=text(bundle.get("id")),
        bundle_type=text(bundle.get("type")),
        version_id=text(meta.get("versionId")),
        bundle_last_updated=read_instant(meta.get("lastUpdated")),
        patient_full_url=patient.full_url,
        nhs_number=_only({value for system, value in _identifiers(patient) if system == systems.NHS_NUMBER}),
        journey_id=_journey_id(entries),
        encounters=tuple(_encounters(entries, focus)),
        task_statuses=tuple(text(e.resource.get("status")) for e in entries.of("Task")),
        resource_counts=MappingProxyType({name: len(found) for name, found in entries.by_type.items()}),
        focus_reference=reference(child(header, "focus")),
        focus_type=focus.type if focus else None,
        focus_full_url=focus.full_url if focus else None,
        **_header_facts(header, entries),
        **_request_facts(request),
        **_plan_facts(entries.first("CarePlan").resource),
    )


def read_instant(value: object) -> datetime | None:
    """A FHIR instant, or a dateTime that is one, in UTC; ``None`` for anything that is not a point in time.

    The guide's seven fractional digits are cut to microseconds (CORE-BND-05): compare with it, do not echo it.
    """
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def bare_uuid(value: str) -> str:
    """The identifier without ``urn:uuid:``, the spelling in which Bundle ids are compared."""
    return _URN_UUID.sub("", value.strip())


def reference(element: object) -> str | None:
    """The literal reference of a Reference, or of the first one in a list."""
    return text(child(element, "reference"))


def focus_encounter(facts: Facts, own: OwnEncounters = NO_OWN_ENCOUNTERS) -> EncounterFacts | None:
    """The Encounter whose status drives the workflow: the responder's of a response, the sender's of a request.

    ``None`` where there is none or where it cannot be told (X-06).
    """
    choose = responders_encounter if facts.event == "servicerequest-response" else senders_encounter
    return choose(facts.encounters, own, requesters=facts.sr_encounter)


def _header_facts(header: Mapping[str, Any], entries: _Entries) -> dict[str, Any]:
    destination = as_object(first(header.get("destination")))
    response = header.get("response")
    identifier = text(child(response, "identifier"))
    definition = text(header.get("definition"))
    return {
        "event": _code([as_object(header.get("eventCoding"))], systems.MESSAGE_EVENT),
        "reason": _code(_codings(header.get("reason")), systems.MESSAGE_REASON),
        "definition": definition.split("|", 1)[0] if definition else None,
        "destination_endpoint": _endpoint(destination),
        "receiver_ods": _ods_code(destination.get("receiver"), entries),
        "source_endpoint": _endpoint(as_object(header.get("source"))),
        "sender_ods": _ods_code(header.get("sender"), entries),
        "has_response": response is not None,
        "response_identifier": bare_uuid(identifier) if identifier else None,
        "response_code": text(child(response, "code")),
    }


def _request_facts(request: _Entry) -> dict[str, Any]:
    resource = request.resource
    period = as_object(resource.get("occurrencePeriod"))
    codings = [c for concept in as_list(resource.get("category")) for c in _codings(concept)]
    return {
        "category": _lower(_exact_code(codings, systems.MESSAGE_CATEGORY)),
        "use_case": _lower(_exact_code(codings, systems.USE_CASE)),
        "sr_status": text(resource.get("status")),
        "sr_id": request.id,
        "sr_full_url": request.full_url,
        "sr_encounter": reference(resource.get("encounter")),
        "occurrence_start": read_instant(period.get("start")),
        "occurrence_end": read_instant(period.get("end")),
    }


def _plan_facts(plan: Mapping[str, Any]) -> dict[str, Any]:
    outcomes = [
        coding
        for activity in as_list(plan.get("activity"))
        for concept in as_list(child(activity, "outcomeCodeableConcept"))
        for coding in _codings(concept)
    ]
    arp = _exact_code(outcomes, systems.ARP_PRIORITY)
    return {
        "careplan_status": text(plan.get("status")),
        "careplan_intent": text(plan.get("intent")),
        "careplan_period_start": read_instant(child(plan.get("period"), "start")),
        "arp": arp.upper() if arp else None,
    }


def _encounters(entries: _Entries, focus: _Entry | None) -> Iterator[EncounterFacts]:
    linked = {id(entries.named(ref)) for ref in _outcome_references(entries)}
    for entry in entries.of("Encounter"):
        reasons = as_list(entry.resource.get("reasonCode"))
        yield EncounterFacts(
            full_url=entry.full_url,
            id=entry.id,
            status=text(entry.resource.get("status")),
            class_code=text(child(entry.resource.get("class"), "code")),
            identifiers=tuple(_identifiers(entry)),
            is_focus=entry is focus,
            is_linked=id(entry) in linked,
            reason_codings=tuple(_coding(c) for concept in reasons for c in _codings(concept)),
            reason_texts=tuple(t for concept in reasons if (t := text(child(concept, "text")))),
            last_updated=read_instant(child(entry.resource.get("meta"), "lastUpdated")),
        )


def _outcome_references(entries: _Entries) -> Iterator[str | None]:
    for plan in entries.of("CarePlan"):
        for activity in as_list(plan.resource.get("activity")):
            yield from (reference(each) for each in as_list(child(activity, "outcomeReference")))


def _journey_id(entries: _Entries) -> str | None:
    found = {
        bare_uuid(ref).rsplit("/", 1)[-1].lower()
        for entry in entries.of("Encounter")
        for episode in as_list(entry.resource.get("episodeOfCare"))
        if (ref := reference(episode))
    }
    return _only(found)


def _ods_code(ref: object, entries: _Entries) -> str | None:
    """ODS code of the Organization that the Reference names, literally or by identifier."""
    target = entries.named(reference(ref))
    given = list(_identifiers(target)) if target else []
    logical = as_object(child(ref, "identifier"))
    if value := text(logical.get("value")):
        given.append((_system(logical), value))
    return _only({value.upper() for system, value in given if system == systems.ODS_CODE})


def _entries(bundle: Mapping[str, Any]) -> Iterator[_Entry]:
    for each in as_list(bundle.get("entry")):
        entry = as_object(first(each))
        resource = entry.get("resource")
        if isinstance(resource, dict):
            named = text(resource.get("resourceType")), text(resource.get("id"))
            yield _Entry(text(entry.get("fullUrl")), resource, *named)


def _identifiers(entry: _Entry) -> Iterator[tuple[str | None, str]]:
    for identifier in as_list(entry.resource.get("identifier")):
        if value := text(child(identifier, "value")):
            yield _system(as_object(identifier)), value


def _endpoint(holder: Mapping[str, Any]) -> str | None:
    endpoint = text(holder.get("endpoint"))
    return systems.canonical_token(endpoint) if endpoint else None


def _coding(coding: Mapping[str, Any]) -> Coding:
    return Coding(_system(coding), text(coding.get("code")), text(coding.get("display")))


def _codings(concept: object) -> list[Mapping[str, Any]]:
    return [as_object(c) for c in as_list(child(concept, "coding"))]


def _code(codings: list[Mapping[str, Any]], system: str) -> str | None:
    """The code of that system; a Coding without a system stands in for it where none has it."""
    named = any(_system(coding) == system for coding in codings)
    return _exact_code(codings, system if named else None)


def _exact_code(codings: list[Mapping[str, Any]], system: str | None) -> str | None:
    """The one code of that system; two different ones are contradictory and count as none."""
    found = {c for coding in codings if (c := _code_of(coding, system))}
    return next(iter(found)) if len({c.lower() for c in found}) == 1 else None


def _code_of(coding: Mapping[str, Any], system: str | None) -> str | None:
    return text(coding.get("code")) if _system(coding) == system else None


def _system(holder: Mapping[str, Any]) -> str | None:
    system = text(holder.get("system"))
    return systems.canonical(system) if system else None


def _lower(value: str | None) -> str | None:
    return value.lower() if value else None


def _only(values: set[str]) -> str | None:
    return next(iter(values)) if len(values) == 1 else None
