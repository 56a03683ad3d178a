"""Is a set of areas a clean partition: valid, without overlaps and gaps, with codes that are known?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import shapely
from shapely import STRtree

DEFAULT_TOLERANCE_M2 = 1.0
"""An overlap or gap of at most this is rounding."""


class FindingKind(StrEnum):
    """What can be wrong with a set of areas."""

    INVALID = "invalid-geometry"
    EMPTY = "empty-geometry"
    OVERLAP = "overlap"
    GAP = "gap"
    UNKNOWN_CODE = "unknown-code"
    MISSING_CODE = "missing-code"
    DOUBLE_CODE = "double-code"
    NO_SPLIT_AREA = "no-split-area"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: which codes, how many square metres, where."""

    kind: FindingKind
    codes: tuple[str, ...]
    area_m2: float
    text: str
    geometry: Any = None

    def __str__(self) -> str:
        """One line for a person."""
        area = f", {self.area_m2:.1f} m2" if self.area_m2 else ""
        return f"{self.kind}: {' / '.join(self.codes)}{area}: {self.text}"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found, and the area in square metres of everything that it looked at."""

    findings: tuple[Finding, ...]
    areas_m2: dict[str, float]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def lines(self) -> list[str]:
        """The report as text: areas in square kilometres, then findings."""
        areas = [f"{code}: {area / 1e6:.1f} km2" for code, area in self.areas_m2.items()]
        return [*areas, *(str(finding) for finding in self.findings)]

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "ok": self.ok,
            "areas_km2": {code: round(area / 1e6, 3) for code, area in self.areas_m2.items()},
            "findings": [
                {
                    "kind": str(finding.kind),
                    "codes": list(finding.codes),
                    "area_m2": round(finding.area_m2, 1),
                    "text": finding.text,
                }
                for finding in self.findings
            ],
        }


def check_areas(
    areas: Iterable[tuple[str, Any]], *, tolerance_m2: float = DEFAULT_TOLERANCE_M2, extra: Iterable[Finding] = ()
) -> CheckReport:
    """Check named areas in British National Grid metres; `extra` are findings made before, such as unknown codes."""
    named = list(areas)
    shapes = _shape_findings(named)
    unsound = {code for finding in shapes for code in finding.codes}
    sound = [(code, geometry) for code, geometry in named if code not in unsound]
    return _report(named, [*extra, *shapes, *_partition_findings(sound, tolerance_m2)])


def check_shapes(areas: Iterable[tuple[str, Any]], *, extra: Iterable[Finding] = ()) -> CheckReport:
    """Check each named area by itself: quick, and enough before they are rounded and checked as a partition."""
    named = list(areas)
    return _report(named, [*extra, *_shape_findings(named)])


def _report(named: list[tuple[str, Any]], findings: list[Finding]) -> CheckReport:
    return CheckReport(tuple(findings), {code: float(geometry.area) for code, geometry in named})


def _partition_findings(named: list[tuple[str, Any]], tolerance_m2: float) -> list[Finding]:
    if not named:
        return []
    broken = shapely.coverage_invalid_edges([geometry for _, geometry in named])
    suspects = [position for position, edges in enumerate(broken) if not edges.is_empty]
    return [*_overlaps(named, suspects, tolerance_m2), *_gaps(named, suspects, tolerance_m2)]


def _shape_findings(named: list[tuple[str, Any]]) -> list[Finding]:
    findings = []
    for code, geometry in named:
        if geometry.is_empty or geometry.geom_type not in ("Polygon", "MultiPolygon"):
            findings.append(Finding(FindingKind.EMPTY, (code,), 0.0, "no polygon"))
        elif not geometry.is_valid:
            findings.append(Finding(FindingKind.INVALID, (code,), 0.0, shapely.is_valid_reason(geometry), geometry))
    return findings


def _overlaps(named: list[tuple[str, Any]], suspects: list[int], tolerance_m2: float) -> list[Finding]:
    """Pairs that share more than an edge. Suspects, with edges that break the coverage, meet all they touch."""
    geometries = [geometry for _, geometry in named]
    findings = []
    for first, second in _touching(geometries, suspects):
        shared = shapely.intersection(geometries[first], geometries[second])
        if shared.area > tolerance_m2:
            codes = (named[first][0], named[second][0])
            findings.append(Finding(FindingKind.OVERLAP, codes, shared.area, "both claim this ground", shared))
    return findings


def _touching(geometries: list[Any], suspects: list[int]) -> list[tuple[int, int]]:
    """Pairs that touch and of which one is a suspect, each once."""
    if not suspects:
        return []
    found = STRtree(geometries).query([geometries[position] for position in suspects], predicate="intersects")
    pairs = {tuple(sorted((suspects[asked], other))) for asked, other in found.T.tolist() if suspects[asked] != other}
    return sorted((first, second) for first, second in pairs)


def _gaps(named: list[tuple[str, Any]], suspects: list[int], tolerance_m2: float) -> list[Finding]:
    """Ground that areas enclose and none claims. A gap that is open to the sea looks like water and can't be told."""
    geometries = [geometry for _, geometry in named]
    union = shapely.union_all(geometries) if suspects else shapely.coverage_union_all(geometries)
    holes = [shapely.Polygon(ring) for part in _polygons(union) for ring in part.interiors]
    tree = STRtree(geometries)
    return [
        Finding(FindingKind.GAP, _codes_round(hole, named, tree), hole.area, "enclosed, and nobody's", hole)
        for hole in holes
        if hole.area > tolerance_m2
    ]


def _codes_round(hole: Any, named: list[tuple[str, Any]], tree: STRtree) -> tuple[str, ...]:
    return tuple(sorted({named[position][0] for position in tree.query(hole, predicate="intersects")}))


def _polygons(geometry: Any) -> list[Any]:
    return [part for part in _flat(geometry) if part.geom_type == "Polygon"]


def _flat(geometry: Any) -> Iterable[Any]:
    for part in shapely.get_parts(geometry):
        yield from _flat(part) if part.geom_type.startswith(("Multi", "GeometryC")) else [part]
