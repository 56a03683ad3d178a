"""Locations of a received message. Coordinates are never corrected: both readings go to the operator (X-41)."""

from __future__ import annotations

import re

from cad_bridge.fhir import codes
from cad_bridge.fhir.content_place import CoordinateReadings, Location
from cad_bridge.fhir.read_elements import address_parts, codings_of, same_system, system_of
from cad_bridge.fhir.read_nodes import Node
from cad_bridge.fhir.read_patient import extension

_TYPES = {code: kind for kind, (code, _) in codes.LOCATION_TYPE_CODES.items()}
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)
_PARTS = {
    "uprn": "uprn",
    "paf": "paf_key",
    "eastings": "easting",
    "northings": "northing",
    "what3words": "what3words",
    "accuracy": "accuracy_percent",
}
_MEASURES = frozenset({"eastings", "northings", "accuracy"})


def read_location(node: Node, *, default_type: str, status: str | None = None) -> Location | None:
    """A Location resource; `default_type` for one that does not say its type."""
    if not node.exists:
        return None
    position = node.child("position")
    fields = {
        **_address(node.child("address")),
        **_extension_parts(node),
        **_type(node, default_type),
        "status": status,
        "name": node.child("name").text(),
        "supplementary": node.child("description").text(),
        "latitude": position.child("latitude").number(),
        "longitude": position.child("longitude").number(),
        "altitude": position.child("altitude").number(),
    }
    node.child("address").expect("type", "both", "physical")
    location = node.make(Location, **fields)
    if location:
        _check(node, location)
    return location


def coordinate_readings(location: Location | None) -> CoordinateReadings | None:
    """Both readings of a position that makes sense only with its numbers exchanged (APP-COM-16)."""
    position = location.position if location else None
    if position is None or position.is_in_the_uk or not position.swapped.is_in_the_uk:
        return None
    return CoordinateReadings(as_sent=position, swapped=position.swapped)


def _address(node: Node) -> dict[str, object]:
    """Without a text that only repeats the parts, by the mark that our own messages set (APP-COM-12)."""
    parts = address_parts(node)
    return parts | ({"text": None} if node.child("id").word == codes.COMPOSED else {})


def _type(node: Node, default_type: str) -> dict[str, str | None]:
    concept = node.first("type")
    text = concept.child("text").text()
    for coding in codings_of(concept):
        code = coding.child("code").word
        if same_system(system_of(coding), codes.LOCATION_TYPES) and code in _TYPES:
            coding.done()
            return {"type": _TYPES[code], "type_text": text}
    return {"type": default_type, "type_text": text}


def _extension_parts(node: Node) -> dict[str, object]:
    """The parts of the location extension, in either spelling (X-44)."""
    parts: dict[str, object] = {}
    found = extension(node, codes.LOCATION_EXTENSION)
    for part in found.items("extension") if found else ():
        url = str(part.child("url").value).lower()
        if url not in _PARTS or _PARTS[url] in parts:
            continue
        value = part.child("valueString")
        parts[_PARTS[url]] = _measure(value) if url in _MEASURES else value.token()
    return parts


def _measure(value: Node) -> int | float | None:
    """A number written as text; one that cannot be read stays among what was not read."""
    text = value.value.strip() if isinstance(value.value, str) else ""
    if not _NUMBER.fullmatch(text):
        if value.exists:
            value.ledger.warn(value.path, "value", "This is not a number.", "PAY-LOC-06")
        return None
    value.text()
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _check(node: Node, location: Location) -> None:
    position = location.position
    if position and not position.is_in_the_uk:
        exchanged = position.swapped.is_in_the_uk
        node.ledger.warn(
            f"{node.path}.position",
            "value",
            "Latitude and longitude appear to be exchanged: an operator must confirm the place."
            if exchanged
            else "The position lies outside the United Kingdom.",
            "S1",
        )
    if _is_no_grid_reference(location):
        node.ledger.warn(f"{node.path}.extension", "value", "Easting and northing are not metres of the grid.", "S2")
    if location.type == "other" and location.type_text is None:
        node.ledger.warn(f"{node.path}.type", "required", "An other location does not say what it is.", "APP6-LOC-09")
    if not location.can_be_placed:
        node.ledger.warn(node.path, "required", "The location has nothing by which it can be placed.", "APP-COM-10")


def _is_no_grid_reference(location: Location) -> bool:
    """The national grid of Great Britain ends below 700 km east and 1300 km north; nothing lies at its origin."""
    if location.easting is None or location.northing is None:
        return False
    return not (1000 <= location.easting < 700_000 and 1000 <= location.northing < 1_300_000)
