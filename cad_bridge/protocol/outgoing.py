"""The HTTP headers that we send (requirements CORE-HDR-01 to CORE-HDR-18, CORE-TI-05 to CORE-TI-09)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cad_bridge.fhir import codes, systems
from cad_bridge.protocol.headers import (
    CORRELATION_ID,
    END_USER_ORGANISATION,
    REQUEST_ID,
    REQUESTING_PRACTITIONER,
    REQUESTING_SOFTWARE,
    TARGET_IDENTIFIER,
    USE_CONTEXT,
)
from cad_bridge.protocol.versions import CORE_VERSION

FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """The organisation on whose behalf we send."""

    ods_code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """This software: the identifier is the same for every installation of it."""

    identifier_system: str
    identifier: str
    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PractitionerRole:
    """The role that the user who triggered the message has, where it is known."""

    sds_role_profile_id: str
    snomed_code: str
    display: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UseContext:
    """What a message is, for the statistics of the BaRS proxy (X-33)."""

    use_case: str
    category: str
    event: str
    reason: str

    def __str__(self) -> str:
        return f"{self.use_case.lower()}|{self.category}|{self.event}|{self.reason}"


def outgoing_headers(
    *,
    request_id: UUID,
    correlation_id: UUID,
    target: str | None,
    organisation: Organisation,
    product: Product,
    practitioner: PractitionerRole | None = None,
    use_context: UseContext | None = None,
    core_version: str = CORE_VERSION,
) -> dict[str, str]:
    """Everything a BaRS request carries but the access token.

    `target` is ``system|value``; ``None`` only on /metadata, where it asks for the proxy's own statement (X-24).
    `use_context` is given for a POST and makes the headers those of one; a read has none (CORE-HDR-17). A retry
    repeats the very same headers (CORE-TI-09).
    Raises ValueError where the target is not ``system|value``.
    """
    headers = {
        REQUEST_ID: str(request_id),
        CORRELATION_ID: str(correlation_id),
        "Accept": f"{FHIR_JSON}; version={core_version}",
        END_USER_ORGANISATION: _encoded(_organisation(organisation)),
        REQUESTING_SOFTWARE: _encoded(_device(product)),
    }
    if target is not None:
        headers[TARGET_IDENTIFIER] = _encoded(_identifier(target))
    if practitioner is not None:
        headers[REQUESTING_PRACTITIONER] = _encoded(_practitioner_role(practitioner))
    if use_context is not None:
        headers |= {"Content-Type": FHIR_JSON, USE_CONTEXT: str(use_context)}
    return headers


def _encoded(resource: Mapping[str, Any]) -> str:
    return base64.b64encode(json.dumps(resource, separators=(",", ":")).encode()).decode()


def _identifier(service_id: str) -> dict[str, str]:
    if not systems.is_token(service_id):
        raise ValueError("a service id has the form system|value")
    system, _, value = systems.canonical_token(service_id).rpartition("|")
    return {"system": system, "value": value}


def _organisation(organisation: Organisation) -> dict[str, Any]:
    return {
        "resourceType": "Organization",
        "identifier": [{"system": systems.ODS_CODE, "value": organisation.ods_code}],
        "name": organisation.name,
    }


def _device(product: Product) -> dict[str, Any]:
    """deviceName and version are lists in FHIR R4 and objects in the published example; we send FHIR R4's lists."""
    return {
        "resourceType": "Device",
        "identifier": [{"system": product.identifier_system, "value": product.identifier}],
        "deviceName": [{"name": product.name, "type": "manufacturer-name"}],
        "version": [{"value": product.version}],
    }


def _practitioner_role(role: PractitionerRole) -> dict[str, Any]:
    return {
        "resourceType": "PractitionerRole",
        "identifier": [{"system": systems.SDS_ROLE_PROFILE, "value": role.sds_role_profile_id}],
        "code": [{"coding": [{"system": codes.SNOMED, "code": role.snomed_code, "display": role.display}]}],
    }
