"""Who takes part: services named by a DoS service id, and the header that addresses them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

DOS_SERVICE_ID = "https://fhir.nhs.uk/Id/dos-service-id"
ODS_CODE = "https://fhir.nhs.uk/Id/ods-organization-code"

Json = dict[str, Any]
"""A JSON object. Messages stay raw JSON in the sandbox on purpose."""


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class TargetError(ValueError):
    """NHSD-Target-Identifier is not base64 of a JSON object with system and value (CORE-HDR-02)."""


@dataclass(frozen=True)
class ServiceIdentity:
    """One service of one organisation, as the other side sees it."""

    service_id: str
    """`system|value`, as in MessageHeader.source.endpoint."""
    ods_code: str
    name: str

    @property
    def value(self) -> str:
        """The part after the last pipe."""
        return split_service_id(self.service_id)[1]


def split_service_id(service_id: str) -> tuple[str, str]:
    """Splits `system|value` on its last pipe. Raises ValueError where either part is missing."""
    system, _, value = service_id.rpartition("|")
    if not system or not value:
        raise ValueError("a service id is written system|value")
    return system, value


def encode_header(value: Json) -> str:
    """The base64 JSON form that every NHSD-... header has (CORE-HDR-02, -06, -07, -08)."""
    return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode("ascii")


def encode_target(service_id: str) -> str:
    """The NHSD-Target-Identifier of a service (CORE-HDR-02)."""
    system, value = split_service_id(service_id)
    return encode_header({"system": system, "value": value})


def decode_header(header: str) -> Json:
    """Reads a base64 JSON header. Raises TargetError when it is none."""
    try:
        decoded = json.loads(base64.b64decode(header, validate=True))
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise TargetError("not base64 of a JSON object") from error
    if not isinstance(decoded, dict):
        raise TargetError("not a JSON object")
    return decoded


def decode_target(header: str) -> str:
    """The `system|value` that NHSD-Target-Identifier names. Raises TargetError."""
    decoded = decode_header(header)
    system, value = decoded.get("system"), decoded.get("value")
    if not (isinstance(system, str) and isinstance(value, str) and system and value):
        raise TargetError("system and value must be text")
    return f"{system}|{value}"


def is_uuid(text: str) -> bool:
    """Whether text is a UUID in its usual form, which is what the integrity ids must be (CORE-TI-04)."""
    return _UUID.fullmatch(text) is not None
