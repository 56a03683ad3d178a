"""Coordinate systems: against PROJ's own operations, against a published point, and there and back."""

from __future__ import annotations

import warnings

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from cad_bridge.discovery.crs import (
    GeoPoint,
    Grid,
    GridPoint,
    from_grid,
    geometry_to_grid,
    geometry_to_wgs84,
    irish_to_wgs84,
    to_grid,
    to_wgs84,
    wgs84_to_irish,
)

LATITUDES = st.floats(49.0, 61.0)
LONGITUDES = st.floats(-9.0, 3.0)
MILLIMETRES_IN_DEGREES = 2e-8


def proj_itself(epsg: int) -> Transformer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return Transformer.from_crs(4326, epsg, always_xy=True)


@pytest.mark.parametrize(("lat", "lon"), [(53.8, -1.5), (50.1, -5.5), (60.1, -1.2), (51.5, 0.0), (54.6, -5.9)])
def test_the_british_grid_is_that_of_proj_to_the_accuracy_of_the_shift(lat: float, lon: float) -> None:
    ours = to_grid(lat, lon)
    easting, northing = proj_itself(27700).transform(lon, lat)
    assert ours.distance_to(GridPoint(easting, northing)) < 6.0


@pytest.mark.parametrize("epsg", [29902, 29903])
@pytest.mark.parametrize(("lat", "lon"), [(54.597, -5.93), (54.99, -7.32), (55.29, -6.19)])
def test_the_irish_grid_is_that_of_proj(epsg: int, lat: float, lon: float) -> None:
    easting, northing = proj_itself(epsg).transform(lon, lat)
    assert wgs84_to_irish(lat, lon) == pytest.approx((easting, northing), abs=1.0)


def test_a_published_point() -> None:
    """The Ordnance Survey's worked example: the Caister water tower is at TG 51409 13177."""
    tower = to_grid(52.657977, 1.716038)
    assert tower.distance_to(GridPoint(651409.9, 313177.3)) < 6.0


@given(LATITUDES, LONGITUDES)
def test_the_british_grid_there_and_back(lat: float, lon: float) -> None:
    assert to_wgs84(to_grid(lat, lon)) == GeoPoint(
        lat=pytest.approx(lat, abs=MILLIMETRES_IN_DEGREES), lon=pytest.approx(lon, abs=MILLIMETRES_IN_DEGREES)
    )


@given(st.floats(51.0, 56.0), st.floats(-9.0, -5.0))
def test_the_irish_grid_there_and_back(lat: float, lon: float) -> None:
    back = irish_to_wgs84(*wgs84_to_irish(lat, lon))
    assert (back.lat, back.lon) == pytest.approx((lat, lon), abs=MILLIMETRES_IN_DEGREES)


@given(LATITUDES, LONGITUDES)
def test_one_place_on_either_grid_is_one_point(lat: float, lon: float) -> None:
    easting, northing = wgs84_to_irish(lat, lon)
    assert from_grid(easting, northing, grid=Grid.IRISH).distance_to(to_grid(lat, lon)) < 0.01


def test_geometry_moves_as_points_do() -> None:
    line = shapely.LineString([(-1.5, 53.8), (-1.4, 53.9)])
    moved = geometry_to_grid(line)
    assert moved.coords[0] == pytest.approx((to_grid(53.8, -1.5).easting, to_grid(53.8, -1.5).northing))
    assert shapely.get_coordinates(geometry_to_wgs84(moved)) == pytest.approx(shapely.get_coordinates(line), abs=1e-7)
