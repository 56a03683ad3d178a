"""Searching the catalogue, and what a searcher may see."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cad_bridge.discovery.catalogue.search import (
    SearchError,
    search_endpoints,
    search_healthcare_services,
    search_organizations,
    search_templates,
    searchset,
    shown_to,
)
from tests.unit.discovery.catalogue.resources import (
    ODS,
    SERVICE_ID,
    endpoint,
    healthcare_service,
    organisation_reference,
    organization,
    without,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

SERVICES = [
    healthcare_service("1", endpoint=[{"reference": "Endpoint/endpoint-1"}]),
    healthcare_service("2", endpoint=[{"reference": "Endpoint/endpoint-2"}], providedBy=organisation_reference("RX9")),
]
ENDPOINTS = [endpoint(1), endpoint(2), endpoint(3)]


def ids(resources: tuple[dict[str, Any], ...]) -> list[str]:
    return [resource["id"] for resource in resources]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, ["service-1", "service-2"]),
        ({"HealthcareService.identifier": f"{SERVICE_ID}|2"}, ["service-2"]),
        ({"healthcareservice.IDENTIFIER": "2"}, ["service-2"]),
        ({"HealthcareService.providedBy": f"{ODS}|RX8"}, ["service-1"]),
        ({"organization": "RX9"}, ["service-2"]),
        ({"HealthcareService.identifier": "1", "HealthcareService.providedBy": "RX9"}, []),
    ],
)
def test_searching_services(parameters: dict[str, str], found: list[str]) -> None:
    assert ids(search_healthcare_services(SERVICES, parameters)) == found


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, ["endpoint-1", "endpoint-2", "endpoint-3"]),
        ({"_has:HealthcareService.Identifier": f"{SERVICE_ID}|2"}, ["endpoint-2"]),
        ({"_has:HealthcareService.Id": "service-1"}, ["endpoint-1"]),
        ({"_has:HealthcareService:endpoint:identifier": "1"}, ["endpoint-1"]),
        ({"_has:HealthcareService.Id": "service-1", "_has:HealthcareService.Identifier": "2"}, []),
        ({"Endpoint.identifier": "product-3"}, ["endpoint-3"]),
        ({"Endpoint.identifier": "product-3", "_has:HealthcareService.Id": "service-1"}, []),
    ],
)
def test_searching_endpoints(parameters: dict[str, str], found: list[str]) -> None:
    assert ids(search_endpoints(ENDPOINTS, parameters, services=SERVICES)) == found


def test_an_endpoint_that_carries_the_service_id_itself_is_the_service_s_too() -> None:
    """As the published examples do; delivery resolves them alike."""
    carrying = endpoint(4, identifier=[{"system": SERVICE_ID, "value": "2"}])
    parameters = {"_has:HealthcareService.Identifier": f"{SERVICE_ID}|2"}
    assert ids(search_endpoints([*ENDPOINTS, carrying], parameters, services=SERVICES)) == ["endpoint-2", "endpoint-4"]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"ConnectionType": "hl7-fhir-msg"}, ["endpoint-1", "endpoint-2"]),
        ({"PayloadType": "http://terminology.hl7.org/CodeSystem/endpoint-payload-type|bars"}, ["endpoint-1"]),
        ({"ConnectionType": "hl7-fhir-msg", "PayloadType": "bars", "Endpoint.identifier": "product-2"}, []),
        ({"Endpoint.identifier": "https://example.org/product|"}, ["endpoint-1", "endpoint-2"]),
    ],
)
def test_searching_templates(parameters: dict[str, str], found: list[str]) -> None:
    other = {"coding": [{"system": "x", "code": "any"}]}
    assert ids(search_templates([endpoint(1), endpoint(2, payloadType=[other])], parameters)) == found


def test_searching_organisations() -> None:
    known = [organization("RX8"), organization("RX9")]
    assert ids(search_organizations(known, {"Organization.identifier": f"{ODS}|RX9"})) == ["organisation-RX9"]


@pytest.mark.parametrize("parameters", [{"name": "x"}, {"HealthcareService.identifier": " "}, {"_has": "x"}])
def test_a_parameter_that_is_unknown_or_empty_is_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(SearchError):
        search_healthcare_services(SERVICES, parameters)
    with pytest.raises(SearchError):
        search_endpoints(ENDPOINTS, parameters, services=SERVICES)


@pytest.mark.parametrize(
    ("header", "asking", "shown"),
    [
        ("public", None, True),
        ("private", "rx8", True),
        ("private", "RX9", False),
        (["Private"], None, False),
        (None, "RX9", True),
    ],
)
def test_a_private_address_is_its_owner_s_only(header: Any, asking: str | None, shown: bool) -> None:
    stored = endpoint(header=header)
    assert ("address" in shown_to(stored, asking)) is shown
    assert stored["address"]


def test_a_private_endpoint_without_an_owner_is_nobody_s() -> None:
    assert "address" not in shown_to(without(endpoint(header="private"), "managingOrganization"), "RX8")


def test_the_searchset() -> None:
    bundle = searchset(
        [endpoint()],
        bundle_id="777",
        base_url="https://here.example.org/FHIR/R4/",
        self_url="https://here.example.org/FHIR/R4/Endpoint",
        now=NOON,
    )
    assert bundle == {
        "resourceType": "Bundle",
        "id": "777",
        "type": "searchset",
        "total": 1,
        "timestamp": "2026-11-21T12:00:00+00:00",
        "link": [{"relation": "self", "url": "https://here.example.org/FHIR/R4/Endpoint"}],
        "entry": [
            {
                "fullUrl": "https://here.example.org/FHIR/R4/Endpoint/endpoint-1",
                "resource": endpoint(),
                "search": {"mode": "match"},
            }
        ],
    }
