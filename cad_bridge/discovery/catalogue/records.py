"""HealthcareService, Endpoint and Organization as values, read leniently from what a catalogue sends or stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cad_bridge.discovery.catalogue.elements import (
    Resource,
    as_list,
    codings,
    identifiers,
    instant,
    referred_identifier,
    referred_ids,
    text,
)
from cad_bridge.discovery.catalogue.tokens import Token, same_identifier, same_system
from cad_bridge.fhir.systems import SERVICE_ID, USE_CASE

BARS_PAYLOAD = "bars"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthcareServiceRecord:
    """A service: its ids, who provides it, its endpoints, what it takes."""

    id: str
    identifiers: tuple[Token, ...]
    active: bool
    name: str
    provided_by: Token | None
    endpoint_ids: tuple[str, ...]
    use_cases: frozenset[str]

    @property
    def service_ids(self) -> tuple[Token, ...]:
        """Its identifiers in the system of service ids."""
        return tuple(token for token in self.identifiers if same_system(token.system, SERVICE_ID))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRecord:
    """An address with what it speaks and who owns it."""

    id: str
    identifiers: tuple[Token, ...]
    status: str
    name: str
    connection_types: tuple[Token, ...]
    payload_types: tuple[Token, ...]
    managed_by: Token | None
    address: str | None
    is_private: bool
    period_start: datetime | None
    period_end: datetime | None

    @property
    def speaks_bars(self) -> bool:
        """Whether one of its payload types is BaRS."""
        return any(token.value.lower() == BARS_PAYLOAD for token in self.payload_types)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationRecord:
    """An organisation with its identifiers, first of all its ODS code."""

    id: str
    identifiers: tuple[Token, ...]
    name: str


def read_healthcare_service(resource: Resource) -> HealthcareServiceRecord:
    """A HealthcareService resource as a value. Use cases come from `type`, never from the name."""
    types = codings(resource.get("type"))
    return HealthcareServiceRecord(
        id=text(resource.get("id")),
        identifiers=identifiers(resource),
        active=resource.get("active") is not False,
        name=text(resource.get("name")),
        provided_by=referred_identifier(resource.get("providedBy")),
        endpoint_ids=referred_ids(resource.get("endpoint"), "Endpoint"),
        use_cases=frozenset(token.value.lower() for token in types if same_system(token.system, USE_CASE)),
    )


def read_endpoint(resource: Resource) -> EndpointRecord:
    """An Endpoint resource, or a template of one, as a value."""
    period = resource.get("period")
    period = period if isinstance(period, dict) else {}
    return EndpointRecord(
        id=text(resource.get("id")),
        identifiers=identifiers(resource),
        status=text(resource.get("status")),
        name=text(resource.get("name")),
        connection_types=codings(resource.get("connectionType")),
        payload_types=codings(resource.get("payloadType")),
        managed_by=referred_identifier(resource.get("managingOrganization")),
        address=text(resource.get("address")) or None,
        is_private=is_private(resource),
        period_start=instant(period.get("start")),
        period_end=instant(period.get("end")),
    )


def read_organization(resource: Resource) -> OrganizationRecord:
    """An Organization resource as a value."""
    return OrganizationRecord(
        id=text(resource.get("id")), identifiers=identifiers(resource), name=text(resource.get("name"))
    )


def belongs_to(endpoint: EndpointRecord, service: HealthcareServiceRecord) -> bool:
    """Whether the service refers to the endpoint, or the endpoint carries the service id as its own identifier."""
    return endpoint.id in service.endpoint_ids or any(
        same_identifier(own, held) for own in service.service_ids for held in endpoint.identifiers
    )


def is_private(resource: Resource) -> bool:
    """Whether an Endpoint's header says that its address is its owner's only (API 1.4.0; a string or a list)."""
    return any(text(value).lower() == "private" for value in as_list(resource.get("header")))


def resources_in(answer: Any, resource_type: str) -> tuple[Resource, ...]:
    """Resources of a type out of an answer: a searchset, one resource, or a bare list of resources."""
    return tuple(resource for resource in _contained(answer) if resource.get("resourceType") == resource_type)


def _contained(answer: Any) -> Iterator[Resource]:
    if isinstance(answer, list):
        for item in answer:
            yield from _contained(item)
    elif isinstance(answer, dict) and answer.get("resourceType") == "Bundle":
        for entry in as_list(answer.get("entry")):
            if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
                yield entry["resource"]
    elif isinstance(answer, dict):
        yield answer
