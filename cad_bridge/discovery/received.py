"""A location as it arrives in a message: every reading that can be made of it, and which of them a person must confirm.

No published example has a right position (defects S1, S2), so receivers meet exchanged pairs and metres divided by a
million. An emergency message is not refused for that while anything else locates it; nothing is replaced either. Both
readings are kept and shown, and the normalised one counts only after an operator has confirmed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from cad_bridge.discovery.coordinates import Number, Position, in_uk_box, read_grid, read_number, read_wgs84
from cad_bridge.discovery.cross_check import AGREEMENT_M
from cad_bridge.discovery.crs import GeoPoint, Grid, GridPoint
from cad_bridge.discovery.query import PostcodeSource, ResolvedPlace
from cad_bridge.discovery.reasons import Reason, ReasonCode, RejectionError
from cad_bridge.discovery.uprn import lookup_uprn

_MILLION = Decimal(1_000_000)
_WITNESS_RADIUS_M = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedLocation:
    """The elements of one Location of a message that say where it is; all as sent, any may be absent."""

    latitude: Number | None = None
    longitude: Number | None = None
    eastings: str | None = None
    northings: str | None = None
    uprn: str | None = None
    postcode: str | None = None


@dataclass(frozen=True, slots=True)
class ReceivedReading:
    """One place that the elements can mean."""

    source: str
    """``position`` or ``grid``."""
    point: GridPoint
    geo: GeoPoint
    normalised: str = ""
    """What was done to the sent values to read them so; empty if nothing. Not empty: an operator must confirm it."""


@dataclass(frozen=True, slots=True)
class LocationReport:
    """What a received location can mean, and what is wrong with it."""

    readings: tuple[ReceivedReading, ...]
    warnings: tuple[Reason, ...]
    uprn: str | None
    """The UPRN for looking up, without leading zeros; what is stored stays as sent."""

    @property
    def as_sent(self) -> ReceivedReading | None:
        """The first reading that needs no confirmation."""
        return next((reading for reading in self.readings if not reading.normalised), None)

    @property
    def to_confirm(self) -> tuple[ReceivedReading, ...]:
        """Readings that an operator must confirm before they count."""
        return tuple(reading for reading in self.readings if reading.normalised)


def read_received(location: ReceivedLocation, *, postcodes: PostcodeSource | None = None) -> LocationReport:
    """Read a received location leniently. Never raises: what can't be read is a warning."""
    readings: list[ReceivedReading] = []
    warnings: list[Reason] = []
    for read in (_position, _grid):
        try:
            reading = read(location)
        except RejectionError as rejection:
            warnings.append(rejection.reason)
        else:
            readings.extend(reading)
    readings.extend(_exchanged_position(location))
    readings.extend(_scaled_grid(location, [*_witnesses(readings), *_postcode_witness(location, postcodes)]))
    uprn = None if location.uprn is None else lookup_uprn(location.uprn)
    if location.uprn and uprn is None:
        warnings.append(Reason(ReasonCode.UPRN_UNRESOLVED, "the UPRN is not a number of at most twelve digits"))
    return LocationReport(tuple(readings), (*warnings, *_contradictions(readings)), uprn)


def _position(location: ReceivedLocation) -> list[ReceivedReading]:
    if location.latitude is None and location.longitude is None:
        return []
    if location.latitude is None or location.longitude is None:
        raise RejectionError(ReasonCode.INCOMPLETE, "latitude and longitude go together")
    return [_reading("position", read_wgs84(location.latitude, location.longitude))]


def _grid(location: ReceivedLocation) -> list[ReceivedReading]:
    if location.eastings is None and location.northings is None:
        return []
    if location.eastings is None or location.northings is None:
        raise RejectionError(ReasonCode.INCOMPLETE, "eastings and northings go together")
    return [_reading("grid", read_grid(location.eastings, location.northings, crs=Grid.OSGB))]


def _exchanged_position(location: ReceivedLocation) -> list[ReceivedReading]:
    """The pair read the other way round, where that and only that lies in the United Kingdom (S1)."""
    try:
        north = float(read_number(location.latitude or "", "latitude"))
        east = float(read_number(location.longitude or "", "longitude"))
    except RejectionError:
        return []
    if in_uk_box(north, east) or not in_uk_box(east, north):
        return []
    return [_reading("position", read_wgs84(east, north), "latitude and longitude exchanged")]


def _scaled_grid(location: ReceivedLocation, witnesses: list[ResolvedPlace]) -> list[ReceivedReading]:
    """Eastings and northings times a million, if that agrees with another reading (S2); otherwise they are ignored."""
    try:
        east = read_number(location.eastings or "", "eastings")
        north = read_number(location.northings or "", "northings")
        if not (0 < east < 2 and 0 < north < 2):
            return []
        scaled = read_grid(float(east * _MILLION), float(north * _MILLION), crs=Grid.OSGB)
    except RejectionError:
        return []
    if not any(scaled.point.distance_to(witness.point) <= witness.radius_m for witness in witnesses):
        return []
    return [_reading("grid", scaled, "eastings and northings times a million")]


def _witnesses(readings: list[ReceivedReading]) -> list[ResolvedPlace]:
    return [ResolvedPlace(reading.point, AGREEMENT_M) for reading in readings]


def _postcode_witness(location: ReceivedLocation, postcodes: PostcodeSource | None) -> list[ResolvedPlace]:
    """The postcode's area, if it is small enough to tell one place from another."""
    place = postcodes.place_of_postcode(location.postcode) if postcodes and location.postcode else None
    if place is None or place.radius_m > _WITNESS_RADIUS_M:
        return []
    return [ResolvedPlace(place.point, place.radius_m + AGREEMENT_M)]


def _contradictions(readings: list[ReceivedReading]) -> list[Reason]:
    """Position and grid, as sent, that lie apart."""
    plain = [reading for reading in readings if not reading.normalised]
    return [
        Reason(ReasonCode.SOURCES_DISAGREE, f"{one.source} and {other.source} lie {metres / 1000:.1f} km apart")
        for one, other in combinations(plain, 2)
        if (metres := one.point.distance_to(other.point)) > AGREEMENT_M
    ]


def _reading(source: str, position: Position, normalised: str = "") -> ReceivedReading:
    return ReceivedReading(source, position.point, position.geo, normalised)
