"""What each source of a question says, in metres on one grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cad_bridge.discovery.coordinates import Position, read_grid, read_uncertainty, read_wgs84
from cad_bridge.discovery.crs import GridPoint
from cad_bridge.discovery.query import DiscoveryQuery, LocationSources, ResolvedPlace
from cad_bridge.discovery.reasons import Reason, ReasonCode, RejectionError


class SourceKind(StrEnum):
    """Where a reading comes from, in the order in which one is taken as the location."""

    WGS84 = "latitude and longitude"
    GRID = "easting and northing"
    UPRN = "UPRN"
    WHAT3WORDS = "what3words"
    POSTCODE = "postcode"


@dataclass(frozen=True, slots=True)
class Reading:
    """One source's place, and the radius in metres within which it says the true place lies."""

    kind: SourceKind
    point: GridPoint
    uncertainty_m: float


@dataclass(frozen=True, slots=True)
class Readings:
    """All readings in the order of `SourceKind`, and notes on what could not be read or resolved."""

    readings: tuple[Reading, ...]
    notes: tuple[Reason, ...]

    @property
    def location(self) -> Reading:
        """The reading that the answer is given for; the others check it."""
        return self.readings[0]


def read_sources(query: DiscoveryQuery, sources: LocationSources) -> Readings:
    """Read everything that the question holds.

    Raises:
        RejectionError: a source that is given can't be right, or nothing is left to locate by.
    """
    read_uncertainty(query.uncertainty_m)  # absurd is absurd, also where nothing has come for it to count for
    direct = [reading for reading in (_wgs84(query), _grid(query)) if reading is not None]
    indirect: list[Reading] = []
    notes: list[Reason] = []
    for kind, value, resolve, unresolved in _indirect_sources(query, sources):
        place = resolve(value) if resolve else None
        if place is None:
            notes.append(unresolved)
        else:
            indirect.append(Reading(kind, place.point, place.radius_m))
    readings = tuple(direct + indirect)
    if not readings:
        raise RejectionError(ReasonCode.NO_LOCATION, _nothing_to_locate_by(notes))
    if readings[0].kind is SourceKind.POSTCODE:
        notes.append(
            Reason(ReasonCode.POSTCODE_ONLY, f"located by postcode, to within {readings[0].uncertainty_m:.0f} m")
        )
    return Readings(readings, tuple(notes))


def _nothing_to_locate_by(notes: list[Reason]) -> str:
    return "; ".join(["no source that can be located", *(note.text for note in notes)])


def _wgs84(query: DiscoveryQuery) -> Reading | None:
    if query.lat is None and query.lon is None:
        return None
    if query.lat is None or query.lon is None:
        raise RejectionError(ReasonCode.INCOMPLETE, "latitude and longitude go together")
    return _direct(SourceKind.WGS84, read_wgs84(query.lat, query.lon), query)


def _grid(query: DiscoveryQuery) -> Reading | None:
    if query.easting is None and query.northing is None:
        return None
    if query.easting is None or query.northing is None:
        raise RejectionError(ReasonCode.INCOMPLETE, "easting and northing go together")
    return _direct(SourceKind.GRID, read_grid(query.easting, query.northing, crs=query.crs), query)


def _direct(kind: SourceKind, position: Position, query: DiscoveryQuery) -> Reading:
    return Reading(kind, position.point, max(position.uncertainty_m, read_uncertainty(query.uncertainty_m)))


_Resolve = Callable[[str], ResolvedPlace | None]


def _indirect_sources(
    query: DiscoveryQuery, sources: LocationSources
) -> list[tuple[SourceKind, str, _Resolve | None, Reason]]:
    known = (
        (
            SourceKind.UPRN,
            query.uprn,
            sources.uprns.place_of_uprn if sources.uprns else None,
            Reason(ReasonCode.UPRN_UNRESOLVED, "the UPRN is carried, not used: no table has it"),
        ),
        (
            SourceKind.WHAT3WORDS,
            query.what3words,
            sources.what3words.place_of_words if sources.what3words else None,
            Reason(
                ReasonCode.WHAT3WORDS_UNRESOLVED, "the what3words address is carried, not used: nothing resolves it"
            ),
        ),
        (
            SourceKind.POSTCODE,
            query.postcode,
            sources.postcodes.place_of_postcode if sources.postcodes else None,
            _postcode_note(sources),
        ),
    )
    return [(kind, value, resolve, note) for kind, value, resolve, note in known if value is not None and value.strip()]


def _postcode_note(sources: LocationSources) -> Reason:
    if sources.postcodes is None:
        return Reason(ReasonCode.POSTCODE_UNCHECKED, "no postcode table to check against")
    return Reason(ReasonCode.POSTCODE_UNKNOWN, "the postcode is not in the table")
