"""A location that came in a message is plotted again here (APP6-LOC-06): whose area it is, and what is doubtful."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cad_bridge.discovery.answer import DiscoveryAnswer
from cad_bridge.discovery.crs import to_wgs84
from cad_bridge.discovery.discover import discover
from cad_bridge.discovery.readings import Reading
from cad_bridge.engine.discovery import Discovery
from cad_bridge.engine.location import location_query, location_warnings
from cad_bridge.fhir.content_place import Location
from cad_bridge.fhir.issues import Issue, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Our own plot, for the case, and what an operator has to look at (H04)."""

    view: dict[str, Any]
    warnings: tuple[Issue, ...]


def plot(location: Location | None, *, discovery: Discovery, ods_code: str | None) -> Plot | None:
    """Plot a received location; None without one. `ods_code`: the organisation in whose area it should lie, if any.

    Needs nothing of the endpoint catalogue, and so no connection beside that of the message's own transaction.
    """
    if location is None:
        return None
    answer = discover(location_query(location), discovery.boundaries.current, sources=discovery.sources)
    found = location_warnings(location, sources=discovery.sources)
    return Plot(view=_view(location, answer), warnings=(*found, *_elsewhere(answer, ods_code)))


def _view(location: Location, answer: DiscoveryAnswer) -> dict[str, Any]:
    return {
        "how": "plotted",
        "answer": answer.as_dict(),
        "uprn": location.uprn,
        "readings": [_reading(reading) for reading in answer.readings],
    }


def _reading(reading: Reading) -> dict[str, Any]:
    """One source's place in both coordinate systems."""
    geo = to_wgs84(reading.point)
    return {
        "source": str(reading.kind),
        "latitude": round(geo.lat, 6),
        "longitude": round(geo.lon, 6),
        "easting": round(reading.point.easting),
        "northing": round(reading.point.northing),
        "uncertainty_m": round(reading.uncertainty_m),
    }


def _elsewhere(answer: DiscoveryAnswer, ods_code: str | None) -> tuple[Issue, ...]:
    """An out-of-area referral whose incident does not lie in our area, as far as we can tell."""
    if ods_code is None:
        return ()
    if answer.ast is None:
        return (_warning("The incident lies in no area that we know, or cannot be placed: ask the sender."),)
    if answer.ast.ods_code.upper() != ods_code.upper():
        return (_warning(f"By our boundaries the incident lies in the area of {answer.ast.name}, not in ours."),)
    return ()


def _warning(text: str) -> Issue:
    return Issue(
        severity=Severity.WARNING,
        code="value",
        expression="Bundle.entry.resource.ofType(Location)",
        diagnostics=text,
        rule="APP6-LOC-06",
    )
