"""What we tell other systems about ourselves: CapabilityStatement and MessageDefinitions (requirements CORE-CN)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from cad_bridge.fhir import systems
from cad_bridge.protocol.definitions import DEFINITIONS, MessageDefinition, received_definitions
from cad_bridge.protocol.services import LocalService
from cad_bridge.protocol.versions import CORE_VERSION
from cad_bridge.workflow.vocabulary import Side, UseCase

_USAGE_CONTEXT = "http://terminology.hl7.org/CodeSystem/usage-context-type"
_PROCESS_MESSAGE = "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message"
_SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_ISSUED = "2025-03-24"
"""Date of the published MessageDefinitions whose content is served."""


def served_definitions(
    service: LocalService, *, use_case: UseCase | None = None
) -> Iterator[tuple[MessageDefinition, UseCase]]:
    """The definitions of the messages that a service receives, each with the use case it is for (CORE-CN-07)."""
    for wanted in sorted(service.use_cases):
        if use_case is not None and wanted is not use_case:
            continue
        for side in Side:
            if service.plays(wanted, side):
                yield from ((definition, wanted) for definition in received_definitions(wanted, side))


def message_definition_resource(definition: MessageDefinition, *, service_id: str, use_case: UseCase) -> dict[str, Any]:
    """A MessageDefinition as a service serves it, in the shape of the published artefacts (X-28).

    The published ids are shared by several definitions; ours are derived from what the resource is about.
    """
    system, _, value = service_id.rpartition("|")
    return {
        "resourceType": "MessageDefinition",
        "id": str(uuid5(NAMESPACE_URL, f"{definition.url}|{service_id}|{use_case}")),
        "url": definition.url,
        "version": definition.version,
        "name": _machine_name(definition),
        "title": f"BaRS message definition {definition.name}",
        "status": "active",
        "date": _ISSUED,
        "useContext": [_use_context(system, value), _use_context(systems.USE_CASE, str(use_case))],
        "eventCoding": {"system": systems.MESSAGE_EVENT, "code": definition.event},
        "focus": [
            {"code": each.type, "profile": each.profile, "min": each.min, "max": each.max_text}
            for each in definition.resources
        ],
    }


def searchset(resources: Sequence[dict[str, Any]], *, bundle_id: UUID, self_url: str, at: datetime) -> dict[str, Any]:
    """A searchset Bundle (CORE-CN-14), without `entry` where there is none (FHIR: no empty array).

    `at` is aware; `self_url` must hold no patient data.
    """
    entries = [
        {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource, "search": {"mode": "match"}}
        for resource in resources
    ]
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "id": str(bundle_id),
        "meta": {"lastUpdated": at.isoformat()},
        "type": "searchset",
        "timestamp": at.isoformat(),
        "total": len(resources),
        "link": [{"relation": "self", "url": self_url}],
    }
    return bundle | ({"entry": entries} if entries else {})


def capability_statement(
    services: Iterable[LocalService],
    *,
    base_url: str,
    software_name: str,
    software_version: str,
    released_at: datetime,
    core_version: str = CORE_VERSION,
) -> dict[str, Any]:
    """The CapabilityStatement of this installation: what its services send and receive (CORE-CN-02, CORE-CN-03)."""
    return {
        "resourceType": "CapabilityStatement",
        "id": str(uuid5(NAMESPACE_URL, base_url)),
        "url": f"{base_url}/metadata",
        "version": core_version,
        "name": "CadBridgeCapabilityStatement",
        "title": f"{software_name} capability statement",
        "status": "active",
        "date": released_at.isoformat(),
        "kind": "instance",
        "software": {"name": software_name, "version": software_version},
        "implementation": {"description": software_name, "url": base_url},
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json"],
        "rest": [_server(), _client()],
        "messaging": [
            {
                "endpoint": [{"protocol": _protocol(), "address": base_url}],
                "supportedMessage": [{"mode": mode, "definition": url} for mode, url in supported_messages(services)],
            }
        ],
    }


def supported_messages(services: Iterable[LocalService]) -> list[tuple[str, str]]:
    """(mode, definition URL) of everything that the services send or receive, each pair once, in table order."""
    plays = [(use_case, side) for s in services for use_case in s.use_cases for side in Side if s.plays(use_case, side)]
    received = {d.url for use_case, side in plays for d in received_definitions(use_case, side)}
    sent = {d.url for use_case, side in plays for d in received_definitions(use_case, _other(side))}
    urls = [d.url for d in DEFINITIONS]
    return [("sender", url) for url in urls if url in sent] + [("receiver", url) for url in urls if url in received]


def _other(side: Side) -> Side:
    return Side.RESPONDER if side is Side.REQUESTER else Side.REQUESTER


def _use_context(system: str, code: str) -> dict[str, Any]:
    return {
        "code": {"system": _USAGE_CONTEXT, "code": "workflow"},
        "valueCodeableConcept": {"coding": [{"system": system, "code": code}]},
    }


def _machine_name(definition: MessageDefinition) -> str:
    """Usable as a class name, unlike the published one."""
    return "BARSMessage" + "".join(part.capitalize() for part in definition.name.split("-"))


def _server() -> dict[str, Any]:
    return {
        "mode": "server",
        "security": {"service": [_concept(_SECURITY_SERVICE, "Certificates")]},
        "resource": [
            {"type": "CapabilityStatement", "interaction": [{"code": "read"}]},
            {
                "type": "MessageDefinition",
                "interaction": [{"code": "search-type"}],
                "searchParam": [{"name": "context", "type": "token"}],
            },
            _service_request(),
        ],
        "operation": [{"name": "process-message", "definition": _PROCESS_MESSAGE}],
    }


def _client() -> dict[str, Any]:
    return {
        "mode": "client",
        "security": {"service": [_concept(_SECURITY_SERVICE, "OAuth")]},
        "resource": [_service_request()],
        "operation": [{"name": "process-message", "definition": _PROCESS_MESSAGE}],
    }


def _service_request() -> dict[str, Any]:
    return {
        "type": "ServiceRequest",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [{"name": "patient:identifier", "type": "token"}],
    }


def _protocol() -> dict[str, str]:
    return {"system": "http://terminology.hl7.org/CodeSystem/message-transport", "code": "http"}


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
