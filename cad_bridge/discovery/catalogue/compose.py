"""From entries of a file to the FHIR resources that the catalogue keeps: there is one way to store a service."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID, uuid5

from cad_bridge.discovery.catalogue.elements import Resource
from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.catalogue.records import BARS_PAYLOAD
from cad_bridge.fhir.systems import ODS_CODE, USE_CASE

_IDS = UUID("b0c4d7a2-0d1f-5c0e-9a53-6d3b2f8e7c41")
"""Ids are made from the service id, so that importing a file again updates what it made before."""
_CONNECTION = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
_PAYLOAD = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"


def resources_from_entries(entries: Iterable[CatalogueEntry]) -> tuple[Resource, ...]:
    """A HealthcareService for each service id and an Endpoint for each of its entries, as R4 has them.

    The active entry of a service is its first endpoint: a new address in the file changes that endpoint and adds none.
    """
    by_service: dict[str, list[CatalogueEntry]] = {}
    for entry in entries:
        by_service.setdefault(entry.service_id, []).append(entry)
    resources: list[Resource] = []
    for same in by_service.values():
        ordered = sorted(same, key=lambda entry: entry.status != "active")
        resources.append(_service(ordered))
        resources.extend(_endpoint(entry, number) for number, entry in enumerate(ordered))
    return tuple(resources)


def _service(entries: list[CatalogueEntry]) -> Resource:
    first, use_cases = entries[0], frozenset().union(*(entry.use_cases for entry in entries))
    return {
        "resourceType": "HealthcareService",
        "id": _id(first, "service"),
        "identifier": [_identifier(first)],
        "active": True,
        "providedBy": _organisation(first),
        "type": [{"coding": [{"system": USE_CASE, "code": code}]} for code in sorted(use_cases)],
        "name": first.name,
        "endpoint": [{"reference": f"Endpoint/{_id(first, 'endpoint', number)}"} for number in range(len(entries))],
    }


def _endpoint(entry: CatalogueEntry, number: int) -> Resource:
    return {
        "resourceType": "Endpoint",
        "id": _id(entry, "endpoint", number),
        "identifier": [_identifier(entry)],
        "status": entry.status,
        "name": entry.name,
        "connectionType": {"system": _CONNECTION, "code": "hl7-fhir-msg", "display": "HL7 FHIR Messaging"},
        "payloadType": [{"coding": [{"system": _PAYLOAD, "code": BARS_PAYLOAD, "display": "BaRS"}]}],
        "managingOrganization": _organisation(entry),
        "address": entry.address,
        "header": ["public"],
    }


def _id(entry: CatalogueEntry, kind: str, number: int = 0) -> str:
    return str(uuid5(_IDS, f"{kind}|{number}|{entry.service_id}"))


def _identifier(entry: CatalogueEntry) -> Resource:
    return {"system": entry.token.system, "value": entry.token.value}


def _organisation(entry: CatalogueEntry) -> Resource:
    return {"identifier": {"system": ODS_CODE, "value": entry.ods_code}}
