"""Reading coordinates: what is refused and with which reason, and how precise what is accepted is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.discovery.coordinates import in_uk_box, read_grid, read_number, read_uncertainty, read_wgs84
from cad_bridge.discovery.crs import to_grid, wgs84_to_irish
from cad_bridge.discovery.reasons import ReasonCode, RejectionError

LEEDS = ("53.7975", "-1.5436")


def refusal(read: Any, *args: Any, **kwargs: Any) -> RejectionError:
    with pytest.raises(RejectionError) as caught:
        read(*args, **kwargs)
    return caught.value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("NaN", ReasonCode.NOT_FINITE),
        ("-Infinity", ReasonCode.NOT_FINITE),
        (float("nan"), ReasonCode.NOT_FINITE),
        (float("inf"), ReasonCode.NOT_FINITE),
        ("", ReasonCode.NOT_A_NUMBER),
        ("53,8", ReasonCode.NOT_A_NUMBER),
        ("53.8N", ReasonCode.NOT_A_NUMBER),
        ("1_0", ReasonCode.NOT_A_NUMBER),
        ("5e1", ReasonCode.NOT_A_NUMBER),
        ("\u0665\u0663", ReasonCode.NOT_A_NUMBER),
        ("53 48", ReasonCode.NOT_A_NUMBER),
        (True, ReasonCode.NOT_A_NUMBER),
    ],
)
def test_what_is_no_number_is_refused(value: Any, code: ReasonCode) -> None:
    assert refusal(read_number, value, "latitude").reason.code is code


@pytest.mark.parametrize(
    ("value", "number"), [(" 53.80 ", "53.80"), ("+1", "1"), ("-0.5", "-0.5"), (430160, "430160"), (1e-5, "0.00001")]
)
def test_numbers_keep_the_digits_that_were_typed(value: Any, number: str) -> None:
    assert read_number(value, "x") == Decimal(number)


def test_the_error_itself_holds_no_location() -> None:
    error = refusal(read_wgs84, "-1.5436", "53.7975")
    assert str(error) == "swapped"
    assert "53.7975" in error.reason.text


def test_a_pair_is_read_as_it_stands() -> None:
    position = read_wgs84(*LEEDS)
    assert position.point == to_grid(53.7975, -1.5436)
    assert (position.geo.lat, position.geo.lon) == (53.7975, -1.5436)


@pytest.mark.parametrize(
    ("lat", "lon", "code"),
    [
        ("-1.5436", "53.7975", ReasonCode.SWAPPED),
        ("0", "0", ReasonCode.OUTSIDE_UK),
        ("40.7", "-74.0", ReasonCode.OUTSIDE_UK),
        ("-37.8", "144.9", ReasonCode.OUTSIDE_UK),
        ("530.7", "-1.5", ReasonCode.OUTSIDE_UK),
        ("430160", "433562", ReasonCode.OUTSIDE_UK),
        ("48.9", "-1.5", ReasonCode.OUTSIDE_UK),
        ("61.1", "-1.5", ReasonCode.OUTSIDE_UK),
        ("53.8", "-9.1", ReasonCode.OUTSIDE_UK),
        ("53.8", "3.1", ReasonCode.OUTSIDE_UK),
    ],
)
def test_a_place_outside_the_uk_is_refused(lat: str, lon: str, code: ReasonCode) -> None:
    assert refusal(read_wgs84, lat, lon).reason.code is code


def test_both_readings_of_a_swapped_pair_are_shown() -> None:
    text = refusal(read_wgs84, "-1.5436", "53.7975").reason.text
    assert "latitude -1.5436, longitude 53.7975" in text
    assert "latitude 53.7975, longitude -1.5436" in text


def test_a_lost_minus_sign_outside_the_box_is_pointed_at() -> None:
    assert "other sign" in refusal(read_wgs84, "50.07", "5.71").reason.text


@given(st.floats(49.0, 61.0), st.floats(-9.0, 3.0))
def test_every_swapped_pair_is_caught(lat: float, lon: float) -> None:
    assert read_wgs84(lat, lon).geo.lat == lat
    assert refusal(read_wgs84, lon, lat).reason.code is ReasonCode.SWAPPED


@given(st.floats(), st.floats())
def test_a_pair_is_either_in_the_box_or_refused(lat: float, lon: float) -> None:
    try:
        position = read_wgs84(lat, lon)
    except RejectionError:
        assert not in_uk_box(lat, lon)
    else:
        assert in_uk_box(position.geo.lat, position.geo.lon)


@pytest.mark.parametrize(
    ("lat", "lon", "metres"),
    [
        ("53.8", "-1.5", 6480),
        ("53.80", "-1.54", 648),
        ("53.7975", "-1.5436", 6.5),
        ("54", "-2", 64_500),
        (53.8, -1.5, 0),
        (Decimal("53.8"), Decimal("-1.5"), 0),
    ],
)
def test_decimals_say_how_precise_a_position_is(lat: Any, lon: Any, metres: float) -> None:
    assert read_wgs84(lat, lon).uncertainty_m == pytest.approx(metres, rel=0.01)


@pytest.mark.parametrize(
    ("easting", "northing", "metres"),
    [
        ("430160", "433562", 0.71),
        ("430160", "433560", 7.07),
        ("430100", "433500", 70.7),
        ("430000", "434000", 707),
        ("430160.55", "433562.10", 0.007),
        (430000, 434000, 0),
        (430100.0, 433500.0, 0),
    ],
)
def test_trailing_zeros_say_how_precise_a_grid_position_is(easting: Any, northing: Any, metres: float) -> None:
    assert read_grid(easting, northing, crs="osgb").uncertainty_m == pytest.approx(metres, rel=0.01, abs=0.001)


@pytest.mark.parametrize("crs", [None, "", " "])
def test_a_grid_is_never_guessed(crs: str | None) -> None:
    assert refusal(read_grid, "430160", "433562", crs=crs).reason.code is ReasonCode.CRS_MISSING


def test_an_unknown_grid_is_refused() -> None:
    assert refusal(read_grid, "430160", "433562", crs="itm").reason.code is ReasonCode.CRS_UNKNOWN


@pytest.mark.parametrize("crs", ["irish", " IRISH "])
def test_irish_grid_is_read_as_irish_grid(crs: str) -> None:
    easting, northing = wgs84_to_irish(54.597, -5.93)
    assert read_grid(easting, northing, crs=crs).point.distance_to(to_grid(54.597, -5.93)) < 0.01


@pytest.mark.parametrize(
    ("easting", "northing", "crs", "hint"),
    [
        ("0.368598", "0.409257", "osgb", "divided by a million"),
        ("53.7975", "-1.5436", "osgb", "degrees"),
        ("-1.5436", "53.7975", "osgb", "degrees"),
        ("-100", "400000", "osgb", "off the osgb grid"),
        ("400000", "1300001", "osgb", "off the osgb grid"),
        ("800000", "400000", "osgb", "exchanged it is on the grid"),
        ("1", "2", "osgb", "off the osgb grid"),
        ("333800", "574000", "irish", "off the irish grid"),
    ],
)
def test_absurd_grid_values_are_refused_with_what_they_look_like(
    easting: str, northing: str, crs: str, hint: str
) -> None:
    error = refusal(read_grid, easting, northing, crs=crs)
    assert error.reason.code is ReasonCode.GRID_ABSURD
    assert hint in error.reason.text


def test_a_grid_place_outside_the_uk_is_refused() -> None:
    assert refusal(read_grid, "400000", "1290000", crs="osgb").reason.code is ReasonCode.OUTSIDE_UK


@pytest.mark.parametrize("radius", [-1.0, float("nan"), float("inf")])
def test_an_absurd_uncertainty_is_refused(radius: float) -> None:
    assert refusal(read_uncertainty, radius).reason.code is ReasonCode.UNCERTAINTY_ABSURD


def test_no_uncertainty_is_none() -> None:
    assert (read_uncertainty(None), read_uncertainty(30)) == (0.0, 30.0)
