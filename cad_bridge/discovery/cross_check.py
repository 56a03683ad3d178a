"""Do the sources of a question agree? Where they don't, is it a mistake that has a name?"""

from __future__ import annotations

from collections.abc import Iterator

from cad_bridge.discovery.crs import Grid, GridPoint, from_grid, to_grid, to_wgs84, wgs84_to_irish
from cad_bridge.discovery.readings import Reading, Readings, SourceKind
from cad_bridge.discovery.reasons import Reason, ReasonCode

AGREEMENT_M = 250.0
"""Metres that two exact sources of one place may differ: gazetteer point, building entrance, caller's phone."""


def agree(one: Reading, other: Reading) -> bool:
    """Whether two readings can be of one place."""
    return one.point.distance_to(other.point) <= AGREEMENT_M + one.uncertainty_m + other.uncertainty_m


def disagreements(readings: Readings) -> tuple[tuple[Reading, Reading], ...]:
    """Pairs (location, other) that can't be of one place."""
    location = readings.location
    return tuple((location, other) for other in readings.readings[1:] if not agree(location, other))


def named_mistake(location: Reading, other: Reading) -> Reason | None:
    """The known slip that makes one of two disagreeing readings equal to the other, or None. Nothing is corrected."""
    for suspect, witness in ((location, other), (other, location)):
        for code, point, text in _slips(suspect):
            if agree(Reading(suspect.kind, point, suspect.uncertainty_m), witness):
                return Reason(code, f"{suspect.kind}: {text}, as {witness.kind} says. Confirm which is meant")
    return None


def describe_disagreement(location: Reading, other: Reading) -> Reason:
    """How far two readings lie apart."""
    apart = location.point.distance_to(other.point)
    text = f"{location.kind} and {other.kind} lie {apart / 1000:.1f} km apart. Confirm which is meant"
    return Reason(ReasonCode.SOURCES_DISAGREE, text)


def describe_agreement(readings: Readings) -> tuple[Reason, ...]:
    """Which sources were compared, if more than one was."""
    if len(readings.readings) < 2:
        return ()
    kinds = ", ".join(reading.kind for reading in readings.readings)
    return (Reason(ReasonCode.SOURCES_AGREE, f"compared: {kinds}"),)


def _slips(suspect: Reading) -> Iterator[tuple[ReasonCode, GridPoint, str]]:
    if suspect.kind is SourceKind.WGS84:
        geo = to_wgs84(suspect.point)
        yield ReasonCode.LOST_MINUS_SIGN, to_grid(geo.lat, -geo.lon), "the longitude should have the other sign"
    if suspect.kind is SourceKind.GRID:
        east, north = suspect.point.easting, suspect.point.northing
        yield ReasonCode.GRID_SWAPPED, GridPoint(north, east), "they seem to be exchanged"
        yield ReasonCode.GRID_OTHER_CRS, from_grid(east, north, grid=Grid.IRISH), "they fit the Irish grid"
        yield ReasonCode.GRID_OTHER_CRS, GridPoint(*_as_irish(suspect.point)), "they fit the British grid"


def _as_irish(point: GridPoint) -> tuple[float, float]:
    """The numbers that were sent, if the point came from Irish Grid ones."""
    geo = to_wgs84(point)
    return wgs84_to_irish(geo.lat, geo.lon)
