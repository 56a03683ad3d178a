"""Catalogue answers as they are published: read leniently, checked without an error, and joined."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cad_bridge.discovery.catalogue.join import entries_from_resources
from cad_bridge.discovery.catalogue.records import read_endpoint, resources_in
from cad_bridge.discovery.catalogue.validate import has_errors, validate
from tests.shared_material import SHARED, needs_shared

EXAMPLES = SHARED / "bars/examples/openapi"
FILES = sorted(
    path for folder in ("endpoint", "healthcare-service", "organization") for path in (EXAMPLES / folder).glob("*.json")
)
pytestmark = [pytest.mark.shared, needs_shared]


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def resources(path: Path) -> list[dict[str, Any]]:
    answer = load(path)
    return [
        resource
        for kind in ("Endpoint", "HealthcareService", "Organization")
        for resource in resources_in(answer, kind)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_published_resource_may_be_stored(path: Path) -> None:
    found = resources(path)
    assert found
    for resource in found:
        issues = validate(resource, resource["resourceType"])
        assert not has_errors(issues), [issue.expression for issue in issues]


def test_published_endpoints_keep_what_delivery_needs() -> None:
    found = [resource for path in FILES for resource in resources(path)]
    endpoints = [read_endpoint(resource) for resource in found if resource["resourceType"] == "Endpoint"]
    assert len(endpoints) > 4
    for endpoint in endpoints:
        assert endpoint.speaks_bars
        assert endpoint.address is not None
        assert endpoint.managed_by is not None
        assert endpoint.connection_types


def test_published_services_and_endpoints_join() -> None:
    """The published service refers to an endpoint that no example has; with that id given to one, they join."""
    service = load(EXAMPLES / "healthcare-service/success-healthcare-service-atomic.json")
    endpoint = load(EXAMPLES / "endpoint/success-endpoint-atomic.json")
    wanted = service["endpoint"][0]["reference"].removeprefix("Endpoint/")
    (entry,) = entries_from_resources([service], [{**endpoint, "id": wanted}]).entries
    assert entry.service_id == "https://fhir.nhs.uk/Id/dos-service-id|111111111"
    assert (entry.ods_code, entry.use_cases) == ("R778", frozenset())
