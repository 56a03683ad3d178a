"""Where it is: every part of every location, with what is doubtful about it (H04)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cad_bridge.fhir.content_place import Position
from cad_bridge.web.board.presenters.sheet import Item, Sheet, Value, each, is_empty, plain, worded

TYPES = {
    "incident": "Incident",
    "caller": "Caller's location",
    "rendezvous": "Rendezvous point",
    "other": "Other location",
}
STATUSES = {"provisional": "PROVISIONAL: to be confirmed", "confirmed": "Confirmed"}
_SWAPPED = (
    "The coordinates make sense only with latitude and longitude exchanged. Nothing was corrected: "
    "confirm with the sender which reading is right."
)
_ABROAD = "These coordinates do not lie in the United Kingdom: check them with the sender."


def place_items(sheet: Sheet, *, needed: bool = True) -> tuple[Item, ...]:
    """Take the incident location, the two readings of doubtful coordinates, and the other locations."""
    readings = sheet.take("coordinate_readings")
    return (
        *_readings(readings),
        *sheet.item("Incident location", "incident_location", location, needed=needed),
        *sheet.item("Other location", "other_locations", each(location)),
    )


def _readings(value: Any) -> tuple[Item, ...]:
    if not isinstance(value, Mapping):
        return (plain("Coordinate readings", value),) if value else ()
    sheet = Sheet(value)
    items = (
        *sheet.item("As sent", "as_sent", _point),
        *sheet.item("Exchanged", "swapped", _point),
        *sheet.rest(),
    )
    return (Item(label="Coordinates in doubt", items=items, note=_SWAPPED, tone="danger"),)


def _point(label: str, value: Any) -> Item:
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    latitude, longitude = sheet.number("latitude"), sheet.number("longitude")
    text = f"latitude {latitude}, longitude {longitude}"
    return Item(label=label, values=(Value(text=text),), items=sheet.rest())


def location(label: str, value: Any) -> Item:
    """One location with all of its parts."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    items = (
        *_status(sheet),
        *sheet.item("Kind", "type", worded(TYPES)),
        *sheet.item("Kind in words", "type_text"),
        *sheet.item("Name", "name"),
        *sheet.item("Address or description", "text"),
        *sheet.item("Lines", "lines"),
        *sheet.item("Town or city", "city"),
        *sheet.item("District", "district"),
        *sheet.item("Postcode", "postcode"),
        *sheet.item("Country", "country"),
        *sheet.item("How to find it, access", "supplementary"),
        *_coordinates(sheet),
        *sheet.item("Grid easting (m)", "easting"),
        *sheet.item("Grid northing (m)", "northing"),
        *sheet.item("Accuracy (%)", "accuracy_percent"),
        *sheet.item("what3words", "what3words"),
        *sheet.item("UPRN", "uprn"),
        *sheet.item("PAF key", "paf_key"),
        *sheet.rest(),
    )
    return Item(label=label, items=items)


def _status(sheet: Sheet) -> tuple[Item, ...]:
    """Whether the location is provisional or confirmed, always (APP6-LOC-11)."""
    value = sheet.take("status")
    if is_empty(value):
        said = Value(text="Not said whether provisional or confirmed", tone="missing")
    elif value == "provisional":
        said = Value(text=STATUSES["provisional"], tone="warning")
    else:
        return (worded(STATUSES)("Status", value),)
    return (Item(label="Status", values=(said,)),)


def place_note(content: Mapping[str, Any]) -> Value | None:
    """What is to be said of the incident location in one glance; None where it is confirmed."""
    place = content.get("incident_location")
    found = _status(Sheet(place)) if isinstance(place, Mapping) else ()
    line = found[0].values[0] if found and found[0].values else None
    return line if line is not None and line.tone else None


def _coordinates(sheet: Sheet) -> tuple[Item, ...]:
    latitude, longitude = sheet.number("latitude"), sheet.number("longitude")
    altitude = sheet.item("Altitude (m)", "altitude")
    if latitude is None and longitude is None:
        return altitude
    if latitude is None or longitude is None:
        said = f"latitude {latitude}" if latitude is not None else f"longitude {longitude}"
        return (Item(label="Coordinates (WGS84)", values=(Value(text=said), _half())), *altitude)
    lines = [Value(text=f"latitude {latitude}, longitude {longitude}")]
    if _is_abroad(latitude, longitude):
        lines.append(Value(text=_ABROAD, tone="warning"))
    return (Item(label="Coordinates (WGS84)", values=tuple(lines)), *altitude)


def _half() -> Value:
    return Value(text="Only one of the two coordinates was sent.", tone="warning")


def _is_abroad(latitude: float, longitude: float) -> bool:
    return not Position(latitude=latitude, longitude=longitude).is_in_the_uk


def doubts_of(content: Mapping[str, Any]) -> tuple[str, ...]:
    """What is doubtful about the incident location by itself, in sentences."""
    if not is_empty(content.get("coordinate_readings")):
        return (_SWAPPED,)
    sheet = Sheet(content.get("incident_location") or {})
    latitude, longitude = sheet.number("latitude"), sheet.number("longitude")
    abroad = latitude is not None and longitude is not None and _is_abroad(latitude, longitude)
    return (_ABROAD,) if abroad else ()


def holding(content: Mapping[str, Any], outcome: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The record whose incident location holds: a response's, where it gives one, else the request's (APP4-VS-25)."""
    told = (outcome or {}).get("incident_location")
    return outcome if outcome is not None and isinstance(told, Mapping) and told else content


def place_line(content: Mapping[str, Any]) -> str:
    """Where it is, in one line: the whole text, if there is one, and the parts of the address that it lacks."""
    place = content.get("incident_location")
    if not isinstance(place, Mapping):
        return ""
    text, lines = place.get("text"), place.get("lines")
    said = [text] if isinstance(text, str) and text else []
    parts = [*(lines if isinstance(lines, list | tuple) and not said else ()), *(() if said else (place.get("name"),))]
    parts += [place.get(name) for name in ("city", "district", "postcode")]
    known = "".join(said).casefold()
    return ", ".join(
        [*said, *(part for part in parts if isinstance(part, str) and part and part.casefold() not in known)]
    )
