"""JSON schemas of the FHIR R4 primitive types: pattern, range and calendar.

The patterns are those of the R4 data type page, anchored, with the days of each month spelt out (leap years too), so
that 30 February is refused without reading a date. They run in linear time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cad_bridge.fhir.bindings import MEDIA_TYPE
from cad_bridge.fhir.schema_types import RESOURCE_TYPES

_YEAR = r"(?:[1-9][0-9]{3}|0(?:[1-9][0-9]{2}|0(?:[1-9][0-9]|0[1-9])))"
_MONTH = r"(?:0[1-9]|1[0-2])"
_LEAP_YEAR = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_LONG_MONTH_DAY = r"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
_SHORT_MONTH_DAY = r"(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
_FEBRUARY_DAY = r"02-(?:0[1-9]|1[0-9]|2[0-8])"
_DAY = rf"(?:{_YEAR}-(?:{_LONG_MONTH_DAY}|{_SHORT_MONTH_DAY}|{_FEBRUARY_DAY})|{_LEAP_YEAR}-02-29)"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

DATE = rf"^(?:{_YEAR}(?:-{_MONTH})?|{_DAY})$"
DATE_TIME = rf"^(?:{_YEAR}(?:-{_MONTH})?|{_DAY}(?:T{_TIME}{_ZONE})?)$"
INSTANT = rf"^{_DAY}T{_TIME}{_ZONE}$"
TIME = rf"^{_TIME}$"
CODE = r"^[^\s]+(?:\s[^\s]+)*$"
ID = r"^[A-Za-z0-9\-.]{1,64}$"
URI = r"^\S+$"
OID = r"^urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+$"
_UUID = r"urn:uuid:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
UUID = f"^{_UUID}$"
_ID = r"[A-Za-z0-9\-.]{1,64}"
REFERENCE = (
    rf"^(?:{_UUID}|urn:oid:[0-2](?:\.[0-9]+)+|#[A-Za-z0-9\-.]{{0,64}}|https?://\S+|{_ID}"
    rf"|(?:{'|'.join(RESOURCE_TYPES)})/{_ID}(?:/_history/{_ID})?(?:#{_ID})?)$"
)
"""The forms of a literal reference. A bare id stands for a journey in Encounter.episodeOfCare (X-62)."""
BASE64 = (
    r"^\s*(?:[A-Za-z0-9+/]\s*[A-Za-z0-9+/]\s*[A-Za-z0-9+/]\s*[A-Za-z0-9+/]\s*)*"
    r"(?:[A-Za-z0-9+/]\s*[A-Za-z0-9+/]\s*(?:[A-Za-z0-9+/]\s*=|=\s*=)\s*)?$"
)
LARGEST_INTEGER = 2**31 - 1


def _text(pattern: str | None = None) -> dict[str, Any]:
    return {"type": "string", "minLength": 1} | ({"pattern": pattern} if pattern else {})


def _integer(least: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": LARGEST_INTEGER, "wholeNumber": True}


PRIMITIVES: Mapping[str, dict[str, Any]] = {
    "base64Binary": _text(BASE64),
    "boolean": {"type": "boolean"},
    "canonical": _text(URI),
    "code": _text(CODE),
    "date": _text(DATE),
    "dateTime": _text(DATE_TIME),
    "decimal": {"type": "number"},
    "id": _text(ID),
    "idOrUrn": _text(rf"^(?:urn:uuid:)?{_ID}$"),
    "instant": _text(INSTANT),
    "integer": _integer(-(2**31)),
    "markdown": _text(),
    "mediaType": _text(MEDIA_TYPE),
    "oid": _text(OID),
    "positiveInt": _integer(1),
    "string": _text(),
    "time": _text(TIME),
    "unsignedInt": _integer(0),
    "uri": _text(URI),
    "url": _text(URI),
    "uuid": _text(UUID),
    "xhtml": _text(),
}
"""Schema of each primitive type. `wholeNumber` is a keyword of our own: JSON Schema takes 1.0 for an integer."""


class WholeNumber:
    """The keyword `wholeNumber`: an integer is written without a fraction, so that 1.0 is refused as FHIR does."""

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
        """Takes what jsonschema-rs gives; the keyword has no settings."""

    def validate(self, instance: Any) -> None:
        """Raise ValueError, whose text never holds the number, for a number written with a fraction."""
        if isinstance(instance, float):
            raise ValueError("fraction")  # noqa: TRY004 - jsonschema-rs takes any exception; the type is right
