"""What refuses a message although it is well-formed FHIR, because nobody could act on it safely (DESIGN decision 11).

A new request without a way to call the patient back, a validation request without a breach time, a request without a
place to send help to, a message without a usable address, a cancellation that does not say so. These are errors for
every service; all else of the element tables is a warning unless the service is strict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cad_bridge.fhir import systems
from cad_bridge.fhir.elements import as_object, objects, text
from cad_bridge.fhir.facts import read_instant
from cad_bridge.fhir.payload_rows import SELECTORS
from cad_bridge.fhir.payload_view import REFERRAL_TO_CAS, VALIDATIONS, MessageView, Node
from cad_bridge.fhir.structure_findings import Finding, Weight

UK_LATITUDES = (49.0, 61.0)
UK_LONGITUDES = (-9.0, 3.0)
LARGEST_EASTING = 700_000
LARGEST_NORTHING = 1_300_000
"""The box in which a position, and the National Grid in which a pair of metres, can mean a place in the UK (S1, S2)."""

_WHAT3WORDS = re.compile(r"(?:///)?\w+\.\w+\.\w+")


def check_refusals(view: MessageView) -> Iterator[Finding]:
    """What alone refuses the message; also, as a warning, an update that no longer says where help is needed."""
    if view.payload:
        yield from _endpoints(view)
    if view.kind == "request" and (view.use_case == REFERRAL_TO_CAS or view.use_case in VALIDATIONS):
        yield from _phone(view)
    if view.payload == "V" and view.kind in ("request", "update"):
        yield from _breach_time(view)
    if view.payload in ("3", "V", "6") and view.kind in ("request", "update"):
        yield from _incident_location(view)
    if view.kind == "cancellation" and "definition" not in view.header:
        text = "A cancellation must cite its MessageDefinition: one wrongly honoured is worse than one refused."
        yield Finding(view.header, "definition", "V26", text, "required")


def has_phone(patient: Node) -> bool:
    """Whether some contact of the patient can be called by phone (APP-COM-01)."""
    return any(
        contact_point.get("system") == "phone" and text(contact_point.get("value")) is not None
        for contact in objects(patient.get("contact", []))
        for contact_point in objects(contact.get("telecom", []))
    )


def is_usable(location: Node) -> bool:
    """Whether help can be sent there: a point in the UK, a property, or an address that a person can read (APP-COM-10).

    A position with latitude and longitude swapped counts, for it can be understood (S1).
    """
    position = as_object(location.get("position"))
    if is_in_uk(position) or is_in_uk({"latitude": position.get("longitude"), "longitude": position.get("latitude")}):
        return True
    if has_grid_point(location) or any(name in parts_of(location) for name in ("uprn", "paf")):
        return True
    address = as_object(location.get("address"))
    if _WHAT3WORDS.fullmatch(parts_of(location).get("what3words", "")):
        return True
    return any(text(address.get(key)) for key in ("text", "postalCode")) or bool(address.get("line"))


def is_in_uk(position: Node) -> bool:
    """Whether WGS84 latitude and longitude lie in the box around the UK."""
    latitude, longitude = position.get("latitude"), position.get("longitude")
    return _within(latitude, UK_LATITUDES) and _within(longitude, UK_LONGITUDES)


def parts_of(location: Node) -> dict[str, str]:
    """The parts of the LocationExtension by their name in lower case (X-44), as sent."""
    return {
        part["url"].lower(): part["valueString"].strip()
        for extension in objects(location.get("extension", []))
        if SELECTORS["location"](extension)
        for part in objects(extension.get("extension", []))
        if isinstance(part.get("url"), str) and isinstance(part.get("valueString"), str)
    }


def has_grid_point(location: Node) -> bool:
    """Whether eastings and northings are there and can be metres on the National Grid."""
    parts = parts_of(location)
    return is_grid_metres(parts.get("eastings"), LARGEST_EASTING) and is_grid_metres(
        parts.get("northings"), LARGEST_NORTHING
    )


def is_grid_metres(value: str | None, largest: int) -> bool:
    """Whether a text is a number of metres; the examples have 0.334, which is none (S2)."""
    try:
        return value is not None and 1 <= float(value) <= largest
    except ValueError:
        return False


def _within(value: Any, bounds: tuple[float, float]) -> bool:
    return isinstance(value, int | float) and bounds[0] <= value <= bounds[1]


def _endpoints(view: MessageView) -> Iterator[Finding]:
    source = view.header.get("source")
    for holder in (*objects(view.header.get("destination", [])), *objects(source if source else [])):
        endpoint = holder.get("endpoint")
        if isinstance(endpoint, str) and not systems.is_token(endpoint):
            yield Finding(holder, "endpoint", "S6", "The endpoint must be of the form system|service id.", "value")


def _phone(view: MessageView) -> Iterator[Finding]:
    patients = view.by_type.get("Patient", [])
    if not any(map(has_phone, patients)):
        holder = patients[0] if patients else view.bundle
        yield Finding(holder, "contact" if patients else "entry", "APP-COM-01", "No contact can be reached by phone.")


def _breach_time(view: MessageView) -> Iterator[Finding]:
    period = view.request.get("occurrencePeriod")
    if read_instant(as_object(period).get("end")) is None:
        text = "A validation request must say its breach time, to the second and with time zone."
        if isinstance(period, dict):
            yield Finding(period, "end", "APP4-VR-06", text)
        else:
            yield Finding(view.request or view.bundle, "occurrencePeriod", "APP4-VR-06", text)


def _incident_location(view: MessageView) -> Iterator[Finding]:
    weight = Weight.ALWAYS if view.kind == "request" else Weight.IF_STRICT
    locations = view.incident_locations
    if not locations:
        rule = "PAY-ILO-01" if view.payload == "6" else "APP-COM-09"
        yield Finding(view.bundle, "entry", rule, "There is no Location of the incident.", weight=weight)
    elif not any(map(is_usable, locations)):
        text = "The Location of the incident has no point, property or address to send help to."
        yield Finding(locations[0], None, "APP-COM-10", text, weight=weight)
