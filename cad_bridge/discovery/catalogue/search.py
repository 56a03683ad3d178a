"""Searching the catalogue: the parameters of API 1.4.0, and the searchset that answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from cad_bridge.discovery.catalogue.elements import Resource, identifiers
from cad_bridge.discovery.catalogue.records import (
    HealthcareServiceRecord,
    belongs_to,
    is_private,
    read_endpoint,
    read_healthcare_service,
)
from cad_bridge.discovery.catalogue.tokens import Token, matches, parse_token
from cad_bridge.discovery.catalogue.versions import owner_of


class SearchError(ValueError):
    """A search parameter that the catalogue doesn't have, or an empty one. Ignoring it would widen the answer."""


def search_healthcare_services(resources: Iterable[Resource], parameters: Mapping[str, str]) -> tuple[Resource, ...]:
    """Services by ``HealthcareService.identifier`` and ``HealthcareService.providedBy`` (both must match).

    Raises:
        SearchError: another parameter, or an empty value.
    """
    wanted = _parameters(parameters, {"identifier": "identifier", "providedby": "owner", "organization": "owner"})
    return tuple(resource for resource in resources if _service_matches(resource, wanted))


def search_endpoints(
    resources: Iterable[Resource], parameters: Mapping[str, str], *, services: Iterable[Resource]
) -> tuple[Resource, ...]:
    """Endpoints by ``Endpoint.identifier`` and by their service, ``_has:HealthcareService.Identifier`` or ``.Id``.

    Raises:
        SearchError: another parameter, or an empty value.
    """
    wanted = _parameters(
        parameters,
        {
            "identifier": "identifier",
            "_has:healthcareservice.identifier": "service",
            "_has:healthcareservice:endpoint:identifier": "service",
            "_has:healthcareservice.id": "service-id",
            "_has:healthcareservice:endpoint:_id": "service-id",
        },
    )
    having: dict[str, Token] = {name: wanted[name] for name in ("service", "service-id") if name in wanted}
    chosen = _services_having(services, having) if having else None
    return tuple(
        resource
        for resource in resources
        if (chosen is None or any(belongs_to(read_endpoint(resource), service) for service in chosen))
        and _identifier_matches(resource, wanted)
    )


def search_templates(resources: Iterable[Resource], parameters: Mapping[str, str]) -> tuple[Resource, ...]:
    """Endpoint templates by ``Endpoint.identifier``, ``ConnectionType`` and ``PayloadType`` (all must match).

    Raises:
        SearchError: another parameter, or an empty value.
    """
    wanted = _parameters(
        parameters, {"identifier": "identifier", "connectiontype": "connection", "payloadtype": "payload"}
    )
    return tuple(resource for resource in resources if _template_matches(resource, wanted))


def search_organizations(resources: Iterable[Resource], parameters: Mapping[str, str]) -> tuple[Resource, ...]:
    """Organisations by ``Organization.identifier``.

    Raises:
        SearchError: another parameter, or an empty value.
    """
    wanted = _parameters(parameters, {"identifier": "identifier"})
    return tuple(resource for resource in resources if _identifier_matches(resource, wanted))


def shown_to(endpoint: Resource, ods_code: str | None) -> Resource:
    """An endpoint as an organisation may see it: without its address if it is private and not theirs (API 1.4.0)."""
    owner = owner_of(endpoint)
    if not is_private(endpoint) or (owner is not None and ods_code and owner.upper() == ods_code.upper()):
        return endpoint
    return {name: value for name, value in endpoint.items() if name != "address"}


def searchset(
    resources: Iterable[Resource], *, bundle_id: str, base_url: str, self_url: str, now: datetime
) -> dict[str, Any]:
    """The Bundle that answers a search; resources as they are stored. Without any there is no `entry` (FHIR: no empty
    array)."""
    entries = [
        {
            "fullUrl": f"{base_url.rstrip('/')}/{resource['resourceType']}/{resource['id']}",
            "resource": resource,
            "search": {"mode": "match"},
        }
        for resource in resources
    ]
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "id": bundle_id,
        "type": "searchset",
        "total": len(entries),
        "timestamp": now.isoformat(),
        "link": [{"relation": "self", "url": self_url}],
    }
    return bundle | ({"entry": entries} if entries else {})


def _parameters(given: Mapping[str, str], known: Mapping[str, str]) -> dict[str, Token]:
    """Parameters under our names, without case; ``Endpoint.identifier`` and ``identifier`` are one."""
    wanted: dict[str, Token] = {}
    for name, value in given.items():
        bare = name.lower()
        for prefix in ("healthcareservice.", "endpoint.", "organization."):
            bare = bare.removeprefix(prefix)
        if bare not in known:
            raise SearchError("the catalogue has no such search parameter")
        if not value.strip():
            raise SearchError("a search parameter is empty")
        wanted[known[bare]] = parse_token(value)
    return wanted


def _identifier_matches(resource: Resource, wanted: Mapping[str, Token]) -> bool:
    token = wanted.get("identifier")
    return token is None or any(matches(token, held) for held in identifiers(resource))


def _service_matches(resource: Resource, wanted: Mapping[str, Token]) -> bool:
    owner = read_healthcare_service(resource).provided_by
    if "owner" in wanted and (owner is None or not matches(wanted["owner"], owner)):
        return False
    return _identifier_matches(resource, wanted)


def _template_matches(resource: Resource, wanted: Mapping[str, Token]) -> bool:
    record = read_endpoint(resource)
    held = {"connection": record.connection_types, "payload": record.payload_types}
    kinds = all(any(matches(wanted[name], token) for token in held[name]) for name in held if name in wanted)
    return kinds and _identifier_matches(resource, wanted)


def _services_having(services: Iterable[Resource], having: Mapping[str, Token]) -> tuple[HealthcareServiceRecord, ...]:
    """The services that are asked for."""
    records = [read_healthcare_service(service) for service in services]
    return tuple(
        record
        for record in records
        if ("service-id" not in having or record.id == having["service-id"].value)
        and ("service" not in having or any(matches(having["service"], token) for token in record.identifiers))
    )
