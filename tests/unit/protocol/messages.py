"""Small messages and facts for the tests of `protocol`: only what the rules look at, no clinical content."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from cad_bridge.fhir import systems
from cad_bridge.fhir.encounters import EncounterFacts, OwnEncounters
from cad_bridge.fhir.facts import Facts
from cad_bridge.protocol import definitions as d

AST = f"{systems.SERVICE_ID}|2000000011"
CAS = f"{systems.SERVICE_ID}|2000000022"
BUNDLE_ID = "5f2a3c1e-6a55-4a8e-9d5b-2f0a7c4f1b01"
REQUEST_BUNDLE_ID = "0c4b7e2a-93f7-4a5c-8a0e-3f1d2b6c7d88"
REQUEST_ID = "3b7a9f52-5a0d-4c6f-9f5e-6f0e2a1b4c3d"
CORRELATION_ID = "9d1c2b3a-4e5f-4a6b-8c7d-0e1f2a3b4c5d"
CASE_ID = UUID("77a1c0de-1111-4222-8333-444455556666")

OWN_URL = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000001"
OTHER_URL = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000002"
LINKED_URL = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000003"
REQUEST_URL = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000004"
HEADER_URL = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000005"
PATIENT_URL = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000006"
RECEIVER_URL = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000007"
SENDER_URL = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000008"
NOWHERE_URL = "urn:uuid:aaaaaaaa-0000-4000-8000-00000000ffff"
OWN = OwnEncounters(full_urls=frozenset({OWN_URL}))

_COUNTS = {
    d.REQUEST_VALIDATION: ["Encounter", "CarePlan", "Location", "Consent", "HealthcareService"],
    d.REQUEST_REFERRAL: ["Encounter", "CarePlan", "Location", "Consent", "HealthcareService"],
    d.REQUEST_CANCELLED: [],
    d.RESPONSE_INTERIM: ["Encounter", "Encounter"],
    d.RESPONSE_FULL: ["Encounter", "Encounter", "CarePlan", "Location", "Consent", "HealthcareService"],
    d.RESPONSE_SHORT: ["Encounter", "Encounter"],
    d.RESPONSE_REFERRAL: ["Consent", "HealthcareService"],
}


def encounter(
    status: str = "triaged", *, full_url: str = OTHER_URL, class_code: str = "EMER", **changes: Any
) -> EncounterFacts:
    """One Encounter as facts."""
    return EncounterFacts(full_url=full_url, status=status, class_code=class_code, **changes)


def facts(**changes: Any) -> Facts:
    """Facts of a new validation request that row DT-02 accepts."""
    request: dict[str, Any] = {
        "bundle_type": "message",
        "version_id": "1.1.0",
        "event": d.REQUEST,
        "reason": "new",
        "definition": d.REQUEST_VALIDATION,
        "category": "validation",
        "use_case": "a4t1",
        "sr_status": "active",
        "encounters": (encounter(),),
        "careplan_status": "active",
        "careplan_intent": "plan",
        "destination_endpoint": CAS,
        "source_endpoint": AST,
        "resource_counts": {"MessageHeader": 1, "ServiceRequest": 1, "Patient": 1, "Encounter": 1, "CarePlan": 1},
    }
    return Facts(**(request | changes))


def resource(resource_type: str, **elements: Any) -> dict[str, Any]:
    """A resource with these elements."""
    return {"resourceType": resource_type} | elements


def message(
    *,
    event: str = d.REQUEST,
    reason: str = "new",
    definition: str | None = d.REQUEST_VALIDATION,
    category: str | None = "validation",
    use_case: str | None = "a4t1",
    sr_status: str = "active",
    sender_status: str = "triaged",
    responder_status: str = "in-progress",
    careplan_status: str = "active",
    response_identifier: str | None = None,
    source: str = AST,
    destination: str = CAS,
    receiver_ods: str | None = "RCAS",
    version_id: str | None = "1.1.0",
    without: str | None = None,
    extra: tuple[str, ...] = (),
) -> dict[str, Any]:
    """A message Bundle that has every resource its definition asks for, and says what it is told to."""
    header = _header(event, reason, definition, response_identifier, source=source, destination=destination)
    codings = [(systems.MESSAGE_CATEGORY, category), (systems.USE_CASE, use_case)]
    request = resource(
        "ServiceRequest",
        status=sr_status,
        intent="order",
        subject={"reference": PATIENT_URL},
        category=[{"coding": [{"system": s, "code": c} for s, c in codings if c]}],
        encounter={"reference": OWN_URL if event == d.RESPONSE else OTHER_URL},
    )
    receiver = resource("Organization", name="Receiver")
    if receiver_ods:
        receiver["identifier"] = [{"system": systems.ODS_CODE, "value": receiver_ods}]
    entries = [
        (HEADER_URL, header),
        (REQUEST_URL, request),
        (PATIENT_URL, resource("Patient")),
        (RECEIVER_URL, receiver),
        (SENDER_URL, resource("Organization", name="Sender")),
    ]
    people = [] if definition == d.REQUEST_CANCELLED else ["Practitioner", "PractitionerRole"]
    for index, name in enumerate([*people, *_COUNTS.get(definition or "", []), *extra]):
        entries.append((f"urn:uuid:bbbbbbbb-0000-4000-8000-{index:012}", _other(name, careplan_status)))
    _set_encounters(entries, event, sender_status, responder_status)
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "id": BUNDLE_ID,
        "meta": {"versionId": version_id} if version_id else {},
        "type": "message",
        "entry": [{"fullUrl": url, "resource": r} for url, r in entries if r["resourceType"] != without],
    }
    return bundle


def response(**changes: Any) -> dict[str, Any]:
    """An interim response of the CAS to the AST."""
    interim: dict[str, Any] = {
        "event": d.RESPONSE,
        "definition": d.RESPONSE_INTERIM,
        "response_identifier": REQUEST_BUNDLE_ID,
        "source": CAS,
        "destination": AST,
        "receiver_ods": "RAST",
    }
    return message(**(interim | changes))


def _other(name: str, careplan_status: str) -> dict[str, Any]:
    """The least that FHIR asks of a resource of that type."""
    subject = {"reference": PATIENT_URL}
    code = {"coding": [{"code": "x"}]}
    least: dict[str, dict[str, Any]] = {
        "CarePlan": {"status": careplan_status, "intent": "plan", "subject": subject},
        "Consent": {"status": "active", "scope": code, "category": [code], "policyRule": code},
        "Communication": {"status": "completed"},
        "MessageHeader": {"eventUri": "https://example.org/e", "source": {"endpoint": "https://example.org/s"}},
    }
    return resource(name, **least.get(name, {}))


def raw(bundle: dict[str, Any]) -> bytes:
    """The bytes of a message."""
    return json.dumps(bundle).encode()


def _set_encounters(entries: list[tuple[str, dict[str, Any]]], event: str, sender: str, responder: str) -> None:
    """The first Encounter is the requester's; in a response it is our own."""
    found = [i for i, (_, r) in enumerate(entries) if r["resourceType"] == "Encounter"]
    urls = [OWN_URL, OTHER_URL] if event == d.RESPONSE else [OTHER_URL, OWN_URL]
    for index, url, status in zip(found, urls, [sender, responder], strict=False):
        entries[index] = (url, resource("Encounter", status=status, **{"class": {"code": "EMER"}}))


def _header(
    event: str, reason: str, definition: str | None, response_identifier: str | None, *, source: str, destination: str
) -> dict[str, Any]:
    header = resource(
        "MessageHeader",
        eventCoding={"system": systems.MESSAGE_EVENT, "code": event},
        reason={"coding": [{"system": systems.MESSAGE_REASON, "code": reason}]},
        destination=[{"endpoint": destination, "receiver": {"reference": RECEIVER_URL}}],
        sender={"reference": SENDER_URL},
        source={"endpoint": source},
        focus=[{"reference": OTHER_URL if event == d.RESPONSE else REQUEST_URL}],
    )
    if definition:
        header["definition"] = definition
    if response_identifier:
        header["response"] = {"identifier": response_identifier, "code": "ok"}
    return header
