"""Entries of a file become FHIR resources, and the resources say what the entries said."""

from __future__ import annotations

from dataclasses import replace

from cad_bridge.discovery.catalogue.compose import resources_from_entries
from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.catalogue.join import entries_from_resources
from cad_bridge.discovery.catalogue.validate import validate
from tests.unit.discovery.catalogue.resources import SERVICE_ID

ENTRY = CatalogueEntry(
    service_id=f"{SERVICE_ID}|1",
    ods_code="RX8",
    name="EOC",
    address="https://bars.example.org/FHIR/R4",
    use_cases=frozenset({"a6t1", "a6t2"}),
)
OTHER = replace(ENTRY, service_id=f"{SERVICE_ID}|2", ods_code="RX6", status="suspended", use_cases=frozenset({"a4t1"}))


def of_type(resources: tuple[dict[str, object], ...], kind: str) -> list[dict[str, object]]:
    return [resource for resource in resources if resource["resourceType"] == kind]


def test_the_resources_say_what_the_entries_said() -> None:
    resources = resources_from_entries([ENTRY, OTHER])
    joined = entries_from_resources(of_type(resources, "HealthcareService"), of_type(resources, "Endpoint"))
    assert joined.issues == ()
    plain = [replace(entry, endpoint_id=None, healthcare_service_id=None) for entry in joined.entries]
    assert plain == [ENTRY, OTHER]


def test_the_resources_are_as_the_catalogue_wants_them() -> None:
    assert [validate(resource, str(resource["resourceType"])) for resource in resources_from_entries([ENTRY])] == [
        (),
        (),
    ]


def test_a_new_address_changes_the_endpoint_and_adds_none() -> None:
    before = resources_from_entries([ENTRY])
    after = resources_from_entries([replace(ENTRY, address="https://new.example.org/FHIR/R4")])
    assert [resource["id"] for resource in after] == [resource["id"] for resource in before]


def test_an_address_that_is_off_stands_behind_the_active_one() -> None:
    old = replace(ENTRY, address="https://old.example.org/FHIR/R4", status="off")
    resources = resources_from_entries([old, ENTRY])
    assert len(of_type(resources, "HealthcareService")) == 1
    assert [endpoint["status"] for endpoint in of_type(resources, "Endpoint")] == ["active", "off"]
    assert of_type(resources, "Endpoint")[0]["id"] == of_type(resources_from_entries([ENTRY]), "Endpoint")[0]["id"]
