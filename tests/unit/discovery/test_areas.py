"""The boundary index: who holds a point, who is near, and that asking in many threads is safe."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.discovery.areas import BoundaryIndex, Neighbour
from cad_bridge.discovery.packaged import default_set
from tests.unit.discovery.ground import at, ground, index, squares

UK_EASTINGS = st.floats(0, 680_000)
UK_NORTHINGS = st.floats(0, 1_250_000)


@pytest.mark.parametrize(
    ("easting", "northing", "ods_code"),
    [
        (410_000, 310_000, "AAA"),
        (430_000, 310_000, "BBB"),
        (410_000, 330_000, "CCC"),
        (410_000, 320_150, None),
        (450_000, 310_000, None),
        (420_000, 310_000, "AAA"),
        (400_000, 300_000, "AAA"),
    ],
)
def test_who_holds_a_point(squares_index: BoundaryIndex, easting: float, northing: float, ods_code: str | None) -> None:
    assert squares_index.holding(easting, northing) == ods_code


def test_wgs84_is_the_same_question(default_index: BoundaryIndex) -> None:
    assert default_index.holding_wgs84(53.7975, -1.5436) == default_index.holding(430160.2, 433562.5) == "RX8"


def test_neighbours_are_sorted_and_measured(squares_index: BoundaryIndex) -> None:
    near = squares_index.neighbours(at(418_000, 319_000), without="AAA", reach_m=5000)
    assert near == (Neighbour("CCC", 1300.0), Neighbour("BBB", 2000.0))


def test_the_nearest_is_named_however_far(squares_index: BoundaryIndex) -> None:
    assert squares_index.neighbours(at(410_000, 310_000), without="AAA", reach_m=5000) == (Neighbour("BBB", 10_000.0),)
    assert squares_index.neighbours(at(410_000, 310_000), without="AAA", reach_m=10_300) == (
        Neighbour("BBB", 10_000.0),
        Neighbour("CCC", 10_300.0),
    )


def test_equal_distances_go_by_code() -> None:
    both = index(areas={"ZZZ": shapely.box(0, 0, 10_000, 10_000), "YYY": shapely.box(20_000, 0, 30_000, 10_000)})
    assert [near.ods_code for near in both.neighbours(at(15_000, 5000), without=None, reach_m=5000)] == ["YYY", "ZZZ"]


def test_a_point_inside_is_at_no_distance(squares_index: BoundaryIndex) -> None:
    assert squares_index.neighbours(at(410_000, 310_000), without=None, reach_m=0) == (Neighbour("AAA", 0.0),)


def test_an_empty_area_is_nowhere() -> None:
    lonely = index(areas={"AAA": squares()["AAA"], "BBB": shapely.Polygon()})
    assert lonely.neighbours(at(410_000, 310_000), without="AAA", reach_m=5000) == ()
    assert lonely.service("BBB").ods_code == "BBB"


@given(UK_EASTINGS, UK_NORTHINGS)
def test_every_point_is_inside_one_area_only(default_index: BoundaryIndex, easting: float, northing: float) -> None:
    """Strictly inside at most one; on the border of one more only at no distance from it."""
    point = shapely.Point(easting, northing)
    inside = [
        service.ods_code
        for service, area in zip(DEFAULT.services, DEFAULT.areas, strict=True)
        if shapely.contains_properly(area, point)
    ]
    assert len(inside) <= 1
    if inside:
        assert default_index.holding(easting, northing) == inside[0]


@given(UK_EASTINGS, UK_NORTHINGS, st.sampled_from([0.0, 250.0, 5000.0, 100_000.0]))
def test_distances_are_those_of_the_geometry(
    default_index: BoundaryIndex, easting: float, northing: float, reach_m: float
) -> None:
    point = shapely.Point(easting, northing)
    true = {s.ods_code: area.distance(point) for s, area in zip(DEFAULT.services, DEFAULT.areas, strict=True)}
    near = default_index.neighbours(at(easting, northing), without=None, reach_m=reach_m)
    for neighbour in near:
        assert neighbour.distance_m == pytest.approx(true[neighbour.ods_code], abs=1e-6)
    expected = {code for code, distance in true.items() if distance <= max(reach_m, min(true.values()))}
    assert {neighbour.ods_code for neighbour in near} == expected
    assert all(one.distance_m <= other.distance_m for one, other in pairwise(near))


def test_many_threads_get_the_answer_of_one() -> None:
    points = [
        (easting, northing) for easting in range(399_000, 441_000, 1500) for northing in range(299_000, 341_000, 1500)
    ]
    alone = [index().holding(*point) for point in points]
    for _ in range(5):
        fresh = BoundaryIndex(ground())
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(lambda point, asked=fresh: asked.holding(*point), points)) == alone


def test_the_foreign_border_reaches_as_far_as_it_may_be_wrong(squares_index: BoundaryIndex) -> None:
    assert squares_index.beside_foreign_border(at(399_001, 310_000))
    assert not squares_index.beside_foreign_border(at(398_999, 310_000))
    assert not squares_index.beside_foreign_border(at(400_000, 316_001))


DEFAULT = default_set()
