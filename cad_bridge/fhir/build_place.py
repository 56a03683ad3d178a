"""Locations as FHIR elements."""

from __future__ import annotations

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_elements import Json, coding, concept, filled
from cad_bridge.fhir.content_place import Location


def location_fields(location: Location) -> Json:
    """Elements of a Location. Latitude is in latitude (X-41); the parts of the extension are text (PAY-LOC-06)."""
    code, display = codes.LOCATION_TYPE_CODES[location.type]
    parts = _extension_parts(location)
    return filled(
        {
            "extension": [{"url": codes.LOCATION_EXTENSION, "extension": parts}] if parts else None,
            "name": location.name,
            "description": location.supplementary,
            "type": [concept(coding(codes.LOCATION_TYPES, code, display), text=location.type_text)],
            "address": _address(location),
            "position": _position(location),
        }
    )


def _extension_parts(location: Location) -> list[Json]:
    values = {
        "UPRN": location.uprn,
        "PAF": location.paf_key,
        "eastings": location.easting,
        "northings": location.northing,
        "what3words": location.what3words,
        "accuracy": location.accuracy_percent,
    }
    return [{"url": url, "valueString": str(value)} for url, value in values.items() if value is not None]


def _address(location: Location) -> Json:
    composed = None if location.text else _in_one_line(location)
    return filled(
        {
            "id": codes.COMPOSED if composed else None,
            "text": location.text or composed,
            "line": list(location.lines),
            "city": location.city,
            "district": location.district,
            "postalCode": location.postcode,
            "country": location.country,
        }
    )


def _in_one_line(location: Location) -> str | None:
    """What the CAD gave in parts, in the order of an address label (APP-COM-12); None where there is no street."""
    if not location.lines:
        return None
    parts = (location.name, *location.lines, location.city, location.district, location.postcode, location.country)
    return ", ".join(part for part in parts if part)


def _position(location: Location) -> Json | None:
    if location.position is None:
        return None
    return filled(
        {"longitude": location.longitude, "latitude": location.latitude, "altitude": location.altitude},
    )
