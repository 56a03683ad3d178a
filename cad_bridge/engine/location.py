"""The location of a case: as a question to discovery, and what is doubtful about one that was received."""

from __future__ import annotations

from collections.abc import Iterator

from cad_bridge.discovery.cross_check import describe_disagreement, disagreements, named_mistake
from cad_bridge.discovery.query import DiscoveryQuery, LocationSources
from cad_bridge.discovery.readings import read_sources
from cad_bridge.discovery.reasons import ReasonCode, RejectionError
from cad_bridge.discovery.received import LocationReport, ReceivedLocation, read_received
from cad_bridge.fhir.content_place import Location
from cad_bridge.fhir.issues import Issue, Severity

GRID = "osgb"
"""The grid of the easting and northing of a BaRS location and of the local API."""

_EXPRESSION = "Bundle.entry.resource.ofType(Location)"


def location_query(location: Location) -> DiscoveryQuery:
    """The question of who is responsible there. Numbers count by their digits: 53.8 is not an exact point."""
    return DiscoveryQuery(
        lat=_digits(location.latitude),
        lon=_digits(location.longitude),
        easting=_digits(location.easting),
        northing=_digits(location.northing),
        crs=GRID if location.easting is not None or location.northing is not None else None,
        postcode=location.postcode,
        uprn=location.uprn,
        what3words=location.what3words,
    )


def location_warnings(location: Location | None, *, sources: LocationSources) -> tuple[Issue, ...]:
    """What an operator must look at before acting on a received location: hazard H04.

    Position, grid, UPRN and postcode are compared where two of them can be placed (HAZ-H04-02); nothing is corrected.
    What reading the message itself finds (an exchanged or foreign position, a grid off the grid) is not said again.
    """
    if location is None:
        return ()
    report = read_received(_received(location), postcodes=sources.postcodes)
    return tuple(
        Issue(severity=Severity.WARNING, code="value", expression=_EXPRESSION, diagnostics=text, rule=rule)
        for text, rule in (*_alone(location, report), *_together(location, report, sources))
    )


def _received(location: Location) -> ReceivedLocation:
    return ReceivedLocation(
        latitude=_digits(location.latitude),
        longitude=_digits(location.longitude),
        eastings=_digits(location.easting),
        northings=_digits(location.northing),
        uprn=location.uprn,
        postcode=location.postcode,
    )


def _alone(location: Location, report: LocationReport) -> Iterator[tuple[str, str]]:
    """What is wrong with one source by itself."""
    codes = {reason.code: reason.text for reason in report.warnings}
    for code in (ReasonCode.INCOMPLETE, ReasonCode.UPRN_UNRESOLVED):
        if code in codes:
            yield f"{codes[code][:1].upper()}{codes[code][1:]}.", "HAZ-H04-03"
    plausible = location.position is None or location.position.is_in_the_uk
    if ReasonCode.OUTSIDE_UK in codes and plausible:
        yield "Easting and northing lie outside the United Kingdom.", "HAZ-H04-03"
    if any(reading.source == "grid" for reading in report.to_confirm):
        yield "Easting and northing fit only when multiplied by a million: an operator must confirm the place.", "S2"


def _together(location: Location, report: LocationReport, sources: LocationSources) -> Iterator[tuple[str, str]]:
    """Sources that can't be of one place."""
    plain = {reading.source for reading in report.readings if not reading.normalised}
    query = location_query(location)
    comparable = DiscoveryQuery(
        lat=query.lat if "position" in plain else None,
        lon=query.lon if "position" in plain else None,
        easting=query.easting if "grid" in plain else None,
        northing=query.northing if "grid" in plain else None,
        crs=GRID,
        postcode=location.postcode,
        uprn=location.uprn,
        what3words=location.what3words,
    )
    try:
        readings = read_sources(comparable, sources)
    except RejectionError:
        # Nothing is left that can be placed; what is wrong with each source is told by itself.
        return
    for one, other in disagreements(readings):
        slip = named_mistake(one, other)
        for reason in (slip, describe_disagreement(one, other)):
            if reason is not None:
                yield f"{reason.text[:1].upper()}{reason.text[1:]}.", "HAZ-H04-02"


def _digits(number: float | None) -> str | None:
    return None if number is None else format(number, "")
