"""Locations as they arrive: every reading is kept, and none that was normalised counts by itself (defects S1 to S3)."""

from __future__ import annotations

from typing import Any

import pytest

from cad_bridge.discovery.crs import GridPoint, to_grid
from cad_bridge.discovery.query import ResolvedPlace
from cad_bridge.discovery.reasons import ReasonCode
from cad_bridge.discovery.received import LocationReport, ReceivedLocation, read_received

BOLTON = {"latitude": 53.5788, "longitude": -2.4758}
BOLTON_GRID = to_grid(53.5788, -2.4758)


class Bolton:
    """A postcode source of one entry."""

    def __init__(self, radius_m: float) -> None:
        self.radius_m = radius_m

    def place_of_postcode(self, postcode: str) -> ResolvedPlace | None:
        return ResolvedPlace(BOLTON_GRID, self.radius_m) if postcode == "BL1 5DD" else None


def read(postcodes: Any = None, **elements: Any) -> LocationReport:
    return read_received(ReceivedLocation(**elements), postcodes=postcodes)


def codes(report: LocationReport) -> list[str]:
    return [str(warning.code) for warning in report.warnings]


def test_a_right_position_is_taken_as_sent() -> None:
    report = read(**BOLTON, eastings=f"{BOLTON_GRID.easting:.0f}", northings=f"{BOLTON_GRID.northing:.0f}")
    assert [(reading.source, reading.normalised) for reading in report.readings] == [("position", ""), ("grid", "")]
    assert report.as_sent is not None
    assert report.as_sent.point == BOLTON_GRID
    assert (report.to_confirm, codes(report)) == ((), [])


def test_a_swapped_position_is_offered_both_ways_but_counts_in_neither() -> None:
    report = read(latitude=-2.4758, longitude=53.5788)
    assert report.as_sent is None
    (reading,) = report.to_confirm
    assert (reading.point, reading.normalised) == (BOLTON_GRID, "latitude and longitude exchanged")
    assert codes(report) == ["swapped"]


def test_a_position_that_fits_neither_way_is_unusable() -> None:
    report = read(latitude=144.9, longitude=-37.8)
    assert (report.readings, codes(report)) == ((), ["outside-uk"])


@pytest.mark.parametrize("position", [BOLTON, {"latitude": -2.4758, "longitude": 53.5788}])
def test_a_grid_in_millionths_counts_only_beside_a_position_that_agrees(position: dict[str, float]) -> None:
    east, north = (f"{value / 1e6:.6f}" for value in (BOLTON_GRID.easting, BOLTON_GRID.northing))
    report = read(**position, eastings=east, northings=north)
    scaled = report.readings[-1]
    assert (scaled.source, scaled.normalised) == ("grid", "eastings and northings times a million")
    assert scaled.point.distance_to(BOLTON_GRID) < 2
    assert "grid-absurd" in codes(report)


def test_a_grid_in_millionths_that_nothing_agrees_with_is_ignored() -> None:
    assert read(eastings="0.36", northings="0.40").readings == ()
    elsewhere = read(**BOLTON, eastings="0.33424", northings="0.55634")
    assert [reading.source for reading in elsewhere.readings] == ["position"]
    assert codes(elsewhere) == ["grid-absurd"]


@pytest.mark.parametrize(("radius_m", "count"), [(100.0, 1), (3000.0, 1), (10_001.0, 0)])
def test_a_postcode_can_agree_if_its_area_is_small(radius_m: float, count: int) -> None:
    east, north = (f"{value / 1e6:.6f}" for value in (BOLTON_GRID.easting, BOLTON_GRID.northing))
    report = read(Bolton(radius_m), eastings=east, northings=north, postcode="BL1 5DD")
    assert len(report.readings) == count
    assert read(Bolton(radius_m), eastings=east, northings=north, postcode="LS1 4AP").readings == ()


def test_position_and_grid_that_lie_apart_are_both_kept() -> None:
    report = read(**BOLTON, eastings="430160", northings="433562")
    assert len(report.readings) == 2
    assert codes(report) == ["sources-disagree"]


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({"latitude": 53.5}, ReasonCode.INCOMPLETE),
        ({"eastings": "430160"}, ReasonCode.INCOMPLETE),
        ({"eastings": "x", "northings": "433562"}, ReasonCode.NOT_A_NUMBER),
        ({"latitude": float("nan"), "longitude": 1.0}, ReasonCode.NOT_FINITE),
    ],
)
def test_half_or_unreadable_elements_are_warnings(elements: dict[str, Any], code: ReasonCode) -> None:
    report = read(**elements)
    assert (report.readings, [warning.code for warning in report.warnings]) == ((), [code])


def test_a_uprn_is_given_for_looking_up() -> None:
    assert read(uprn="0008755622").uprn == "8755622"
    bad = read(uprn="UPRN 1")
    assert (bad.uprn, codes(bad)) == (None, ["uprn-unresolved"])


def test_nothing_is_nothing() -> None:
    assert read() == LocationReport((), (), None)


def test_a_grid_point_is_where_it_says() -> None:
    (reading,) = read(eastings="430160", northings="433562").readings
    assert reading.point == GridPoint(430_160, 433_562)
    assert (reading.geo.lat, reading.geo.lon) == pytest.approx((53.7975, -1.5436), abs=1e-4)
