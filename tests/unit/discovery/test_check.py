"""The check of a partition, and the picture of what it found."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
import shapely

from cad_bridge.discovery.check import CheckReport, FindingKind, check_areas
from cad_bridge.discovery.picture import draw

BOWTIE = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])


def frame_of_four(hole: float = 0.0) -> list[tuple[str, Any]]:
    """Four areas round a square hole of this side length."""
    half = hole / 2
    return [
        ("N", shapely.Polygon([(-50, 50), (50, 50), (half, half), (-half, half)])),
        ("E", shapely.Polygon([(50, 50), (50, -50), (half, -half), (half, half)])),
        ("S", shapely.Polygon([(50, -50), (-50, -50), (-half, -half), (half, -half)])),
        ("W", shapely.Polygon([(-50, -50), (-50, 50), (-half, half), (-half, -half)])),
    ]


def kinds(report: CheckReport) -> list[tuple[str, tuple[str, ...]]]:
    return [(str(finding.kind), finding.codes) for finding in report.findings]


def test_a_clean_partition_has_no_findings() -> None:
    report = check_areas(frame_of_four())
    assert report.ok
    assert report.areas_m2 == {"N": 2500.0, "E": 2500.0, "S": 2500.0, "W": 2500.0}


def test_nothing_is_clean() -> None:
    assert check_areas([]).ok


def test_an_overlap_is_found_with_its_area() -> None:
    report = check_areas([("A", shapely.box(0, 0, 10, 10)), ("B", shapely.box(8, 0, 20, 10))])
    assert kinds(report) == [("overlap", ("A", "B"))]
    assert report.findings[0].area_m2 == 20.0


def test_an_area_inside_another_is_found() -> None:
    """No edge of the outer one is broken: the inner one alone shows it."""
    report = check_areas([("A", shapely.box(0, 0, 100, 100)), ("B", shapely.box(40, 40, 50, 50))])
    assert kinds(report) == [("overlap", ("A", "B"))]
    assert report.findings[0].area_m2 == 100.0


def test_the_same_area_twice_is_found() -> None:
    twice = check_areas([("A", shapely.box(0, 0, 10, 10)), ("B", shapely.box(0, 0, 10, 10))])
    assert kinds(twice) == [("overlap", ("A", "B"))]


def test_three_areas_on_one_ground_are_three_overlaps() -> None:
    ground = shapely.box(0, 0, 10, 10)
    report = check_areas([(code, shapely.transform(ground, lambda xy, d=d: xy + d)) for d, code in enumerate("ABC")])
    assert [codes for _, codes in kinds(report)] == [("A", "B"), ("A", "C"), ("B", "C")]


def test_an_enclosed_gap_is_found_with_its_neighbours() -> None:
    report = check_areas(frame_of_four(hole=10))
    assert kinds(report) == [("gap", ("E", "N", "S", "W"))]
    assert report.findings[0].area_m2 == pytest.approx(100.0)


@pytest.mark.parametrize(("tolerance", "ok"), [(1.0, True), (0.1, False)])
def test_rounding_is_let_pass(tolerance: float, ok: bool) -> None:
    sliver = [("A", shapely.box(0, 0, 10, 10)), ("B", shapely.box(9.95, 0, 20, 10))]
    assert check_areas(sliver, tolerance_m2=tolerance).ok is ok
    assert check_areas(frame_of_four(hole=0.7), tolerance_m2=tolerance).ok is ok


@pytest.mark.parametrize("geometry", [shapely.Polygon(), shapely.Point(1, 1), shapely.LineString([(0, 0), (1, 1)])])
def test_what_is_no_polygon_is_found(geometry: Any) -> None:
    assert kinds(check_areas([("A", geometry)])) == [("empty-geometry", ("A",))]


def test_an_invalid_polygon_is_found_and_does_not_stop_the_rest() -> None:
    report = check_areas([("X", BOWTIE), ("A", shapely.box(20, 0, 30, 10)), ("B", shapely.box(28, 0, 40, 10))])
    assert kinds(report) == [("invalid-geometry", ("X",)), ("overlap", ("A", "B"))]
    assert "Self-intersection" in report.findings[0].text


def test_the_report_as_text_and_json() -> None:
    report = check_areas([("A", shapely.box(0, 0, 1000, 1000)), ("B", shapely.box(900, 0, 2000, 1000))])
    assert report.lines() == [
        "A: 1.0 km2",
        "B: 1.1 km2",
        "overlap: A / B, 100000.0 m2: both claim this ground",
    ]
    assert report.as_dict() == {
        "ok": False,
        "areas_km2": {"A": 1.0, "B": 1.1},
        "findings": [{"kind": "overlap", "codes": ["A", "B"], "area_m2": 100000.0, "text": "both claim this ground"}],
    }


def test_the_picture_shows_every_area_and_marks_every_finding() -> None:
    areas = [("A&B", shapely.box(0, 0, 10_000, 10_000)), ("C", shapely.box(9000, 0, 20_000, 10_000)), ("X", BOWTIE)]
    report = check_areas(areas)
    svg = ET.fromstring(draw(areas, report))
    name = "{http://www.w3.org/2000/svg}"
    assert [text.text for text in svg.iter(f"{name}text")] == ["A&B", "C", "X"]
    assert len(list(svg.iter(f"{name}circle"))) == len(report.findings) == 2
    assert [finding.kind for finding in report.findings] == [FindingKind.INVALID, FindingKind.OVERLAP]


def test_a_picture_says_below_what_it_is_of() -> None:
    areas = [("A", shapely.box(0, 0, 10_000, 10_000))]
    bare = ET.fromstring(draw(areas, check_areas(areas)))
    svg = ET.fromstring(draw(areas, check_areas(areas), caption=("set-1", "Crown & others. " * 20)))
    lines = [text.text or "" for text in svg.iter("{http://www.w3.org/2000/svg}text")][1:]
    assert lines[0] == "set-1"
    assert " ".join(lines[1:]) == ("Crown & others. " * 20).strip()
    heights = [float(picture.attrib["viewBox"].split()[3]) for picture in (bare, svg)]
    assert heights[1] - heights[0] >= 16 * len(lines)


def test_a_picture_of_nothing_is_a_picture() -> None:
    assert draw([], check_areas([])).startswith("<svg")
