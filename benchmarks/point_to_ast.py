"""Point to ambulance service: the index against a naive loop and a tree, on the same points in the same run.

    python benchmarks/point_to_ast.py [BOUNDARIES.geojson] [--code-field ods_code] [--points 20000]

Without a file it measures the default set; with one, that file at full resolution. Prints medians in microseconds for
one point at a time, and ratios. Shapely's tree prepares the point, not the areas, which is why it loses to the loop.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import shapely
from shapely import STRtree

from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.boundary_set import AmbulanceService, BoundarySet, Provenance, load_set, ordered_set, save_set
from cad_bridge.discovery.crs import GridPoint, to_wgs84
from cad_bridge.discovery.discover import discover
from cad_bridge.discovery.geofiles import read_features
from cad_bridge.discovery.packaged import default_set
from cad_bridge.discovery.query import DiscoveryQuery

Point = tuple[float, float]


def from_file(path: Path, code_field: str) -> BoundarySet:
    """A set from a file, without the checks of an import."""
    named = [(feature.text(code_field), feature.geometry) for feature in read_features(path)]
    areas = {AmbulanceService(ods_code=code, short_name=code, name=code): geometry for code, geometry in named}
    return ordered_set(areas, provenance=Provenance(name="benchmark", attribution="", licence=""))


def points_on_land(index: BoundaryIndex, count: int) -> list[Point]:
    """Random points that some area holds; the same ones every time."""
    rng = random.Random(20261121)
    found: list[Point] = []
    while len(found) < count:
        point = (rng.uniform(0, 680_000), rng.uniform(0, 1_250_000))
        if index.holding(*point) is not None:
            found.append(point)
    return found


def median_us(ask: Callable[[float, float], Any], points: list[Point]) -> float:
    """The median time of one question, less that of an empty one."""
    return _median(ask, points) - _median(lambda _x, _y: None, points)


def _median(ask: Callable[[float, float], Any], points: list[Point]) -> float:
    times = []
    for x, y in points:
        start = time.perf_counter_ns()
        ask(x, y)
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1000


def naive(boundaries: BoundarySet) -> Callable[[float, float], str | None]:
    """What one writes first: a point object, and every area asked in turn."""
    areas = [(service.ods_code, shapely.from_wkb(shapely.to_wkb(area))) for service, area in _pairs(boundaries)]

    def ask(x: float, y: float) -> str | None:
        point = shapely.Point(x, y)
        return next((code for code, area in areas if area.intersects(point)), None)

    return ask


def tree(boundaries: BoundarySet) -> Callable[[float, float], str | None]:
    """Shapely's own index over prepared areas, one point at a time."""
    codes = [service.ods_code for service in boundaries.services]
    areas = [shapely.from_wkb(shapely.to_wkb(area)) for area in boundaries.areas]
    shapely.prepare(areas)
    index = STRtree(areas)

    def ask(x: float, y: float) -> str | None:
        found = index.query(shapely.Point(x, y), predicate="intersects")
        return codes[found.min()] if len(found) else None

    return ask


def _pairs(boundaries: BoundarySet) -> zip[tuple[AmbulanceService, Any]]:
    return zip(boundaries.services, boundaries.areas, strict=True)


def loading(boundaries: BoundarySet, directory: Path) -> float:
    """Milliseconds from files on disk to the first answer, verification and preparation included."""
    save_set(boundaries, directory)
    start = time.perf_counter()
    BoundaryIndex(load_set(directory)).holding(430_000, 430_000)
    return (time.perf_counter() - start) * 1000


def reading_wkb(boundaries: BoundarySet) -> float:
    """Milliseconds for the geometry alone, out of memory."""
    cached = shapely.to_wkb(shapely.GeometryCollection(list(boundaries.areas)))
    start = time.perf_counter()
    shapely.from_wkb(cached)
    return (time.perf_counter() - start) * 1000


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boundaries", type=Path, nargs="?")
    parser.add_argument("--code-field", default="ods_code")
    parser.add_argument("--points", type=int, default=20_000)
    given = parser.parse_args(arguments)
    boundaries = from_file(given.boundaries, given.code_field) if given.boundaries else default_set()
    report(boundaries, given.points)


def report(boundaries: BoundarySet, count: int) -> None:
    """Print medians and ratios."""
    import tempfile

    index = BoundaryIndex(boundaries)
    points = points_on_land(index, count)
    few = points[: max(1, count // 100)]
    some = points[: max(1, count // 10)]
    degrees = [(geo.lat, geo.lon) for geo in (to_wgs84(GridPoint(x, y)) for x, y in points)]
    vertices = int(shapely.get_num_coordinates(list(boundaries.areas)).sum())
    print(f"{len(boundaries.areas)} areas, {vertices} vertices, {count} points on land")

    grid = median_us(index.holding, points)
    rows = [
        ("index, easting and northing", grid),
        ("index, latitude and longitude", median_us(index.holding_wgs84, degrees)),
        ("STRtree over prepared areas", median_us(tree(boundaries), some)),
        ("naive loop", median_us(naive(boundaries), few)),
        (
            "whole answer (border, neighbours, reasons)",
            median_us(lambda lat, lon: discover(DiscoveryQuery(lat=lat, lon=lon), index), degrees[: len(some)]),
        ),
    ]
    for name, median in rows:
        print(f"{name:45} {median:10.1f} us   x {median / grid:8.1f}")
    with tempfile.TemporaryDirectory() as scratch:
        print(f"load from disk to first answer {loading(boundaries, Path(scratch) / 'set'):8.1f} ms", end="")
    print(f", of which WKB {reading_wkb(boundaries):.1f} ms")


if __name__ == "__main__":
    main(sys.argv[1:])
