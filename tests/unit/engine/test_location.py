"""What is doubtful about a received location is said, without a value of it, and nothing is corrected."""

from __future__ import annotations

from typing import Any

import pytest

from cad_bridge.discovery.crs import GridPoint, to_grid
from cad_bridge.discovery.packaged import outward_codes
from cad_bridge.discovery.query import NO_SOURCES, DiscoveryQuery, LocationSources, ResolvedPlace
from cad_bridge.engine.location import location_query, location_warnings
from cad_bridge.fhir.content_place import Location
from cad_bridge.fhir.issues import Severity

POSTCODES = LocationSources(postcodes=outward_codes())
LEEDS: dict[str, Any] = {
    "latitude": 53.7975,
    "longitude": -1.5436,
    "easting": 430160,
    "northing": 433562,
    "postcode": "LS1 4AP",
    "uprn": "72000001",
}


class OneProperty:
    """A UPRN table with one property."""

    def __init__(self, point: GridPoint) -> None:
        self._point = point

    def place_of_uprn(self, uprn: str) -> ResolvedPlace | None:
        return ResolvedPlace(self._point, 10.0) if uprn == "72000001" else None


def rules(sources: LocationSources = POSTCODES, **changes: Any) -> list[str]:
    found = location_warnings(Location(**{**LEEDS, **changes}), sources=sources)
    assert all(issue.severity is Severity.WARNING for issue in found)
    return [issue.rule for issue in found]


def test_a_location_whose_sources_agree_raises_nothing() -> None:
    assert rules() == []
    assert location_warnings(None, sources=POSTCODES) == ()
    assert location_warnings(Location(text="Somewhere"), sources=POSTCODES) == ()


@pytest.mark.req("HAZ-H04-02")
@pytest.mark.parametrize(
    "changes",
    [
        {"northing": 453562},
        {"postcode": "EX1 1AA"},
        {"easting": None, "northing": None, "postcode": "HU1 1AA"},
        {"latitude": None, "longitude": None, "postcode": "EX1 1AA"},
    ],
    ids=["grid", "postcode", "no-grid", "no-position"],
)
def test_sources_far_apart_are_told(changes: dict[str, Any]) -> None:
    assert set(rules(**changes)) == {"HAZ-H04-02"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"longitude": 1.5436}, "the longitude should have the other sign"),
        ({"easting": 433562, "northing": 430160, "latitude": 53.7975}, "they seem to be exchanged"),
    ],
)
def test_a_slip_that_has_a_name_is_named(changes: dict[str, Any], words: str) -> None:
    told = [issue.diagnostics for issue in location_warnings(Location(**{**LEEDS, **changes}), sources=POSTCODES)]
    assert any(words in text for text in told)


def test_a_uprn_that_lies_elsewhere_is_told() -> None:
    here = LocationSources(uprns=OneProperty(to_grid(53.7975, -1.5436)))
    there = LocationSources(uprns=OneProperty(GridPoint(500_000, 200_000)))
    assert rules(here) == []
    assert rules(there) == ["HAZ-H04-02"]


def test_a_position_given_coarsely_agrees_with_what_lies_within_it() -> None:
    assert rules(latitude=53.8, longitude=-1.5) == []
    assert set(rules(latitude=53.8001, longitude=-1.4999)) == {"HAZ-H04-02"}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"latitude": None}, "HAZ-H04-03"),
        ({"northing": None}, "HAZ-H04-03"),
        ({"uprn": "72-1"}, "HAZ-H04-03"),
        ({"easting": 400_000, "northing": 1_290_000}, "HAZ-H04-03"),
        ({"easting": 0.43016, "northing": 0.433562}, "S2"),
    ],
    ids=["half-a-position", "half-a-grid", "no-uprn", "beyond-shetland", "divided-by-a-million"],
)
def test_what_is_wrong_with_one_source_is_told_once(changes: dict[str, Any], rule: str) -> None:
    assert rules(**changes) == [rule]


def test_what_reading_the_message_finds_is_not_said_again() -> None:
    """An exchanged pair is finding S1 of the reader, whose warning is on the case already."""
    assert rules(latitude=-1.5436, longitude=53.7975) == []


@pytest.mark.parametrize(
    "changes",
    [{"northing": 453562}, {"longitude": 1.5436}, {"easting": 400_000, "northing": 1_290_000}, {"postcode": "EX1 1AA"}],
)
def test_no_warning_quotes_a_value(changes: dict[str, Any]) -> None:
    location = {**LEEDS, **changes}
    told = " ".join(issue.diagnostics for issue in location_warnings(Location(**location), sources=POSTCODES))
    assert told
    assert not [value for value in location.values() if str(value) in told]


def test_a_location_as_a_question_keeps_its_digits() -> None:
    assert location_query(Location(**LEEDS)) == DiscoveryQuery(
        lat="53.7975",
        lon="-1.5436",
        easting="430160",
        northing="433562",
        crs="osgb",
        postcode="LS1 4AP",
        uprn="72000001",
    )
    assert location_query(Location(postcode="LS1 4AP")) == DiscoveryQuery(postcode="LS1 4AP")
    assert rules(NO_SOURCES) == []
