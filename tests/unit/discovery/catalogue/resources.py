"""Catalogue resources for tests, as clean as R4 wants them; a test bends what it is about."""

from __future__ import annotations

from typing import Any

SERVICE_ID = "https://fhir.nhs.uk/Id/dos-service-id"
ODS = "https://fhir.nhs.uk/Id/ods-organization-code"
USE_CASES = "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars"


def organisation_reference(ods_code: str) -> dict[str, Any]:
    return {"identifier": {"system": ODS, "value": ods_code}}


def healthcare_service(number: str = "2000000011", **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "HealthcareService",
        "id": f"service-{number}",
        "identifier": [{"system": SERVICE_ID, "value": number}],
        "active": True,
        "name": f"Service {number}",
        "providedBy": organisation_reference("RX8"),
        "type": [{"coding": [{"system": USE_CASES, "code": "a6t1"}]}],
        "endpoint": [{"reference": "Endpoint/endpoint-1"}],
        **changes,
    }


def endpoint(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Endpoint",
        "id": f"endpoint-{number}",
        "identifier": [{"system": "https://example.org/product", "value": f"product-{number}"}],
        "status": "active",
        "name": f"Endpoint {number}",
        "connectionType": {
            "system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
            "code": "hl7-fhir-msg",
        },
        "payloadType": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/endpoint-payload-type", "code": "bars"}]}
        ],
        "managingOrganization": organisation_reference("RX8"),
        "address": f"https://bars-{number}.example.org/FHIR/R4",
        "header": ["public"],
        **changes,
    }


def organization(ods_code: str = "RX8", **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Organization",
        "id": f"organisation-{ods_code}",
        "identifier": [{"system": ODS, "value": ods_code}],
        "name": f"Organisation {ods_code}",
        **changes,
    }


def without(resource: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in names}
