"""From FHIR resources to entries: a service, its endpoints, its use cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cad_bridge.discovery.catalogue.elements import Resource
from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.catalogue.records import (
    EndpointRecord,
    HealthcareServiceRecord,
    OrganizationRecord,
    belongs_to,
    read_endpoint,
    read_healthcare_service,
    read_organization,
)
from cad_bridge.discovery.catalogue.tokens import same_identifier, same_system
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.systems import ODS_CODE


@dataclass(frozen=True, slots=True)
class JoinedCatalogue:
    """The entries of a catalogue, and what kept a service out of them."""

    entries: tuple[CatalogueEntry, ...]
    issues: tuple[Issue, ...]


def entries_from_resources(
    services: Iterable[Resource],
    endpoints: Iterable[Resource],
    *,
    organizations: Iterable[Resource] = (),
    use_cases: Mapping[str, frozenset[str]] | None = None,
) -> JoinedCatalogue:
    """One entry for each service id and BaRS endpoint of each service.

    An endpoint belongs to a service that refers to it, or whose service id it carries as its own identifier.
    `use_cases` (by service id) adds what a site configures to what the resources say. Nothing is guessed from names.
    """
    addresses = [read_endpoint(resource) for resource in endpoints]
    owners = [read_organization(resource) for resource in organizations]
    entries: list[CatalogueEntry] = []
    issues: list[Issue] = []
    for position, resource in enumerate(services):
        service = read_healthcare_service(resource)
        ods_code = _ods_code(service, owners)
        own = _endpoints_of(service, addresses)
        issues.extend(_gaps(service, ods_code, own, position))
        if ods_code is not None:
            entries.extend(_entries(service, ods_code, own, use_cases or {}))
    return JoinedCatalogue(tuple(entries), tuple(issues))


def _ods_code(service: HealthcareServiceRecord, owners: list[OrganizationRecord]) -> str | None:
    """The provider's ODS code: directly, or through an Organization that has the same identifier and an ODS code."""
    token = service.provided_by
    if token is None or same_system(token.system, ODS_CODE):
        return token.value if token else None
    for owner in owners:
        if any(same_identifier(token, held) for held in owner.identifiers):
            codes = [held.value for held in owner.identifiers if same_system(held.system, ODS_CODE)]
            return codes[0] if codes else None
    return None


def _endpoints_of(service: HealthcareServiceRecord, addresses: list[EndpointRecord]) -> list[EndpointRecord]:
    return [endpoint for endpoint in addresses if endpoint.speaks_bars and belongs_to(endpoint, service)]


def _entries(
    service: HealthcareServiceRecord,
    ods_code: str,
    endpoints: list[EndpointRecord],
    use_cases: Mapping[str, frozenset[str]],
) -> list[CatalogueEntry]:
    return [
        CatalogueEntry(
            service_id=str(service_id),
            ods_code=ods_code,
            name=service.name,
            address=endpoint.address,
            use_cases=service.use_cases | use_cases.get(str(service_id), frozenset()),
            status=endpoint.status if service.active else "off",
            period_start=endpoint.period_start,
            period_end=endpoint.period_end,
            endpoint_id=endpoint.id,
            healthcare_service_id=service.id,
        )
        for service_id in service.service_ids
        for endpoint in endpoints
    ]


def _gaps(
    service: HealthcareServiceRecord, ods_code: str | None, endpoints: list[EndpointRecord], position: int
) -> list[Issue]:
    wrong = []
    if not service.service_ids:
        wrong.append(("identifier", "no identifier is a service id"))
    if ods_code is None:
        wrong.append(("providedBy", "the provider's ODS code is not known"))
    if not endpoints:
        wrong.append(("endpoint", "no endpoint of the service speaks BaRS"))
    return [
        Issue(
            severity=Severity.WARNING,
            code="required",
            expression=f"HealthcareService[{position}].{element}",
            diagnostics=f"{what}: the service can't be reached",
            rule="API 1.4.0",
        )
        for element, what in wrong
    ]
