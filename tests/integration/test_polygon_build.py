"""Boundary sets against points whose service is known: the one that ships, and one built from real district boundaries.

The points and the boundaries are not part of this project; without them these tests are skipped.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import shapely

from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.boundary_set import BoundarySet
from cad_bridge.discovery.commands import SetLabel, SetMade, SetOptions, build_polygons, import_polygons
from cad_bridge.discovery.discover import discover
from cad_bridge.discovery.library import BoundaryLibrary
from cad_bridge.discovery.packaged import default_set
from cad_bridge.discovery.query import DiscoveryQuery
from tests.shared_material import SHARED

GEO = SHARED / "geo"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not (GEO / "truth.csv").is_file(), reason="the known points are not beside this checkout (../shared/geo)"
    ),
]
FAR_KM = 2.0
LABEL = SetLabel(name="districts", attribution="Office for National Statistics", licence="OGL-UK-3.0")


@dataclass(frozen=True)
class Known:
    """A place and the service that is known to serve it; none at sea and abroad."""

    label: str
    lat: str
    lon: str
    easting: str
    northing: str
    ods_code: str | None
    is_far: bool


def known_points() -> list[Known]:
    with (GEO / "truth.csv").open(encoding="utf-8", newline="") as file:
        return [
            Known(
                label=row["label"],
                lat=row["lat"],
                lon=row["lon"],
                easting=row["easting"],
                northing=row["northing"],
                ods_code=row["ods_code"] or None,
                is_far=not row["border_km"] or float(row["border_km"]) > FAR_KM,
            )
            for row in csv.DictReader(file)
        ]


def answered(index: BoundaryIndex, point: Known) -> str | None:
    ast = discover(DiscoveryQuery(lat=point.lat, lon=point.lon), index).ast
    return ast.ods_code if ast else None


def accuracy(points: list[Known], serves: Callable[[Known], str | None]) -> tuple[float, list[str]]:
    wrong = [point.label for point in points if serves(point) != point.ods_code]
    return 1 - len(wrong) / len(points), wrong


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> BoundaryLibrary:
    return BoundaryLibrary(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def built(library: BoundaryLibrary) -> SetMade:
    return build_polygons(
        GEO / "lad-may-2025-bgc.geojson", library, code_field="LAD25CD", label=LABEL, say=lambda _: None
    )


@pytest.fixture(scope="module")
def from_districts(library: BoundaryLibrary, built: SetMade) -> BoundarySet:
    assert built.version is not None, built.report.lines()
    return library.load(built.version)


@pytest.mark.req("APP6-REF-11")
def test_the_set_that_ships_is_right_at_95_of_100_points() -> None:
    index = BoundaryIndex(default_set())
    right, wrong = accuracy(known_points(), lambda point: answered(index, point))
    assert right >= 0.95, wrong
    right_far, wrong_far = accuracy(
        [point for point in known_points() if point.is_far], lambda point: answered(index, point)
    )
    assert right_far >= 0.985, wrong_far


@pytest.mark.req("APP6-REF-11")
def test_a_set_from_district_boundaries_is_right_at_995_of_1000_points(from_districts: BoundarySet) -> None:
    index = BoundaryIndex(from_districts)
    right, wrong = accuracy(known_points(), lambda point: answered(index, point))
    assert right >= 0.995, wrong


def test_a_set_from_district_boundaries_is_a_clean_partition(built: SetMade) -> None:
    assert built.report.ok, built.report.lines()
    assert len(built.report.areas_m2) == 14


def test_grid_coordinates_give_the_same_answers(from_districts: BoundarySet) -> None:
    index = BoundaryIndex(from_districts)
    points = [point for point in known_points() if point.ods_code not in (None, "NIAS")]

    def by_grid(point: Known) -> str | None:
        query = DiscoveryQuery(easting=float(point.easting), northing=float(point.northing), crs="osgb")
        ast = discover(query, index).ast
        return ast.ods_code if ast else None

    right, wrong = accuracy(points, by_grid)
    assert right >= 0.995, wrong


def test_position_and_grid_of_the_known_points_agree(from_districts: BoundarySet) -> None:
    """One place given twice is never taken for two: no reason to reject, none to doubt."""
    index = BoundaryIndex(from_districts)
    for point in known_points():
        if point.ods_code not in (None, "NIAS"):
            query = DiscoveryQuery(
                lat=point.lat, lon=point.lon, easting=point.easting, northing=point.northing, crs="osgb"
            )
            assert {"sources-agree"} <= {str(reason.code) for reason in discover(query, index).reasons}, point.label


def test_finished_areas_are_imported_as_they_are(library: BoundaryLibrary) -> None:
    said: list[str] = []
    made = import_polygons(
        GEO / "ast-polygons.geojson",
        library,
        code_field="ods_code",
        label=SetLabel(name="finished", attribution="x", licence="OGL-UK-3.0"),
        say=said.append,
        options=SetOptions(put_in_force=True),
    )
    assert made.version is not None, said
    assert library.current_version == made.version
    index = BoundaryIndex(library.load(made.version))
    right, wrong = accuracy(known_points(), lambda point: answered(index, point))
    assert right >= 0.995, wrong


def test_the_divided_districts_are_divided_where_they_should_be(from_districts: BoundarySet) -> None:
    """Against areas that were cut along the borders of small census areas: almost all of the ground agrees."""
    features = import_features(GEO / "ast-polygons.geojson")
    for service, area in zip(from_districts.services, from_districts.areas, strict=True):
        true = features[service.ods_code]
        assert shapely.intersection(area, true).area / true.area > 0.995, service.ods_code


def import_features(path: Path) -> dict[str, shapely.MultiPolygon]:
    from cad_bridge.discovery.geofiles import read_features

    return {feature.text("ods_code"): feature.geometry for feature in read_features(path)}
