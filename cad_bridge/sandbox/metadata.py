"""What a system says about itself: CapabilityStatement and MessageDefinitions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

from .codes import MESSAGE_EVENTS, USE_CASES, coding, concept
from .definitions import (
    CANCELLED_REQUEST,
    DEFINITIONS,
    REFERRAL_REQUEST,
    REFERRAL_SHORT,
    VALIDATION_FULL,
    VALIDATION_INTERIM,
    VALIDATION_REQUEST,
    Definition,
)
from .identity import DOS_SERVICE_ID, Json, ServiceIdentity

CORE_VERSION = "1.1.0"
_PUBLISHED = datetime(2025, 3, 24, tzinfo=UTC).date().isoformat()


def proxy_capability_statement() -> Json:
    """What the proxy answers to /metadata without a target."""
    return _capability_statement("BaRS API proxy (sandbox)", supported=[])


def capability_statement(identity: ServiceIdentity, use_cases: Iterable[str]) -> Json:
    """What a responder answers to /metadata: requests as receiver, responses as sender (CORE-CN-02)."""
    supported = [
        {"mode": "receiver" if url in _requests(use_cases) else "sender", "definition": url}
        for url in (*_requests(use_cases), *_responses(use_cases))
    ]
    return _capability_statement(identity.name, supported=supported)


def message_definitions(identity: ServiceIdentity, use_cases: Iterable[str]) -> Json:
    """The searchset of a service (CORE-CN-07, CORE-CN-14)."""
    cases = list(use_cases)
    entries = [
        {"fullUrl": url, "resource": _message_definition(DEFINITIONS[url], identity, cases)} for url in _requests(cases)
    ]
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "type": "searchset",
        "total": len(entries),
        "entry": entries,
    }


def _requests(use_cases: Iterable[str]) -> list[str]:
    urls = {VALIDATION_REQUEST if case.startswith("a4") else REFERRAL_REQUEST for case in use_cases}
    return [*sorted(urls), CANCELLED_REQUEST]


def _responses(use_cases: Iterable[str]) -> list[str]:
    urls: list[str] = []
    for case in use_cases:
        urls += [VALIDATION_INTERIM, VALIDATION_FULL] if case.startswith("a4") else [REFERRAL_SHORT]
    return sorted(set(urls))


def _capability_statement(name: str, *, supported: list[Json]) -> Json:
    read_and_search = [{"code": "read"}, {"code": "search-type"}]
    statement: Json = {
        "resourceType": "CapabilityStatement",
        "id": str(uuid.uuid4()),
        "version": CORE_VERSION,
        "name": "CadBridgeSandbox",
        "title": name,
        "status": "active",
        "date": _PUBLISHED,
        "kind": "instance",
        "implementation": {"description": name},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {"type": "ServiceRequest", "interaction": read_and_search},
                    {"type": "MessageDefinition", "interaction": [{"code": "search-type"}]},
                ],
                "operation": [
                    {
                        "name": "process-message",
                        "definition": "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
                    }
                ],
            }
        ],
    }
    return statement | ({"messaging": [{"supportedMessage": supported}]} if supported else {})


def _message_definition(definition: Definition, identity: ServiceIdentity, use_cases: list[str]) -> Json:
    return {
        "resourceType": "MessageDefinition",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, definition.url)),
        "url": definition.url,
        "version": definition.version,
        "name": "".join(part.capitalize() for part in definition.url.rpartition("/")[2].split("-")),
        "status": "active",
        "date": _PUBLISHED,
        "eventCoding": coding(MESSAGE_EVENTS, definition.event),
        "useContext": [_workflow(DOS_SERVICE_ID, identity.value), *(_workflow(USE_CASES, case) for case in use_cases)],
        "focus": [
            {"code": name, "min": least, "max": "*" if most is None else str(most)}
            for name, (least, most) in definition.counts.items()
        ],
    }


def _workflow(system: str, code: str) -> Json:
    return {
        "code": {"system": "http://terminology.hl7.org/CodeSystem/usage-context-type", "code": "workflow"},
        "valueCodeableConcept": concept(system, code),
    }
