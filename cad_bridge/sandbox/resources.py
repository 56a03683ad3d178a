"""Small FHIR resources and the rules they share, as raw JSON."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from .codes import ACT_CODE, MESSAGE_EVENTS, MESSAGE_REASONS, SDS_ROLE_PROFILE, SNOMED, coding, concept
from .identity import ODS_CODE, Json, ServiceIdentity

UK_CORE = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"
BARS_PROFILE = "https://fhir.nhs.uk/StructureDefinition/"
EMERGENCY = {"system": ACT_CODE, "code": "EMER", "display": "emergency"}


def instant(moment: datetime) -> str:
    """A FHIR instant in UTC (CORE-BND-05). Raises ValueError for a naive time."""
    if moment.tzinfo is None:
        raise ValueError("an instant needs an aware time")
    return moment.isoformat(timespec="milliseconds")


def urn() -> str:
    """A fresh fullUrl (CORE-BND-10)."""
    return f"urn:uuid:{uuid.uuid4()}"


def stable_urn(*parts: str) -> str:
    """The same fullUrl for the same parts."""
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, '/'.join(parts))}"


def meta(now: datetime, *profiles: str) -> Json:
    """meta with lastUpdated and profiles (CORE-BND-03)."""
    return {"lastUpdated": instant(now), "profile": list(profiles)}


def touched(resource: Json, now: datetime) -> Json:
    """A copy whose lastUpdated is now, because its content changed (CORE-BND-04)."""
    changed = copy.deepcopy(resource)
    changed["meta"] = changed.get("meta", {}) | {"lastUpdated": instant(now)}
    return changed


def reference(full_url: str) -> Json:
    """A reference to an entry of the same bundle."""
    return {"reference": full_url}


def entry(full_url: str, resource: Json) -> Json:
    """A bundle entry."""
    return {"fullUrl": full_url, "resource": resource}


def organization(identity: ServiceIdentity, now: datetime) -> Json:
    """The organisation behind a service."""
    return {
        "resourceType": "Organization",
        "meta": meta(now, UK_CORE + "Organization"),
        "identifier": [{"system": ODS_CODE, "value": identity.ods_code}],
        "name": identity.name,
    }


def practitioner(profile_id: str, family: str, given: str, now: datetime) -> Json:
    """A person at work, by SDS role profile id."""
    return {
        "resourceType": "Practitioner",
        "meta": meta(now, UK_CORE + "Practitioner"),
        "identifier": [{"system": SDS_ROLE_PROFILE, "value": profile_id}],
        "name": [{"family": family, "given": [given]}],
    }


def practitioner_role(person_url: str, organization_url: str, role: tuple[str, str], now: datetime) -> Json:
    """A person's role in an organisation; `role` is a SNOMED code and its display."""
    return {
        "resourceType": "PractitionerRole",
        "meta": meta(now, UK_CORE + "PractitionerRole"),
        "practitioner": reference(person_url),
        "organization": reference(organization_url),
        "code": [concept(SNOMED, *role)],
    }


def message_header(
    *,
    event: str,
    reason: str,
    definition: str,
    focus_url: str,
    source: ServiceIdentity,
    sender_url: str,
    destination: str,
    receiver_url: str,
    now: datetime,
) -> Json:
    """A MessageHeader; a response still needs its `response`."""
    return {
        "resourceType": "MessageHeader",
        "meta": meta(now, f"{BARS_PROFILE}BARSMessageHeader-{event}"),
        "extension": [
            {
                "url": BARS_PROFILE + "CDSSExtension",
                "extension": [
                    {"url": "RequesterCDSSsoftware", "valueString": "Sandbox triage"},
                    {"url": "RequesterCDSSversion", "valueString": "1.0"},
                ],
            }
        ],
        "eventCoding": coding(MESSAGE_EVENTS, event),
        "destination": [{"endpoint": destination, "receiver": reference(receiver_url)}],
        "sender": reference(sender_url),
        "source": {
            "name": source.name,
            "software": "cad_bridge sandbox",
            "version": "1.0",
            "endpoint": source.service_id,
        },
        "reason": concept(MESSAGE_REASONS, reason),
        "focus": [reference(focus_url)],
        "definition": definition,
    }


def message_bundle(entries: list[Json], *, version: str, now: datetime) -> Json:
    """A message bundle under a new id, with every reference that would dangle taken out."""
    known = {held["fullUrl"] for held in entries}
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "meta": {"versionId": version, **meta(now, BARS_PROFILE + "BARSBundleMessage")},
        "type": "message",
        "timestamp": instant(now),
        "entry": [entry(held["fullUrl"], without_dangling(held["resource"], known)) for held in entries],
    }


def without_dangling(resource: Json, known: Iterable[str]) -> Json:
    """A copy without references to entries that the bundle lacks; a list item that held one goes with it."""
    return {name: kept for name, value in resource.items() if (kept := _pruned(value, set(known))) is not None}


def _pruned(value: Any, known: set[str]) -> Any:
    """The value without dangling references; None where nothing of it may stay."""
    if isinstance(value, list):
        items = [kept for item in value if (kept := _pruned_item(item, known)) is not None]
        return items or None
    if isinstance(value, dict):
        if _dangles(value, known):
            return None
        return {name: kept for name, item in value.items() if (kept := _pruned(item, known)) is not None}
    return value


def _pruned_item(item: Any, known: set[str]) -> Any:
    if isinstance(item, dict) and any(isinstance(held, dict) and _dangles(held, known) for held in item.values()):
        return None
    return _pruned(item, known)


def _dangles(value: Mapping[str, Any], known: set[str]) -> bool:
    target = value.get("reference")
    return isinstance(target, str) and target.startswith("urn:uuid:") and target not in known
