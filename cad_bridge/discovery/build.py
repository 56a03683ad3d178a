"""Making a boundary set: from districts and the district table, or from areas that are drawn already."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import shapely

from cad_bridge.discovery.boundary_set import AmbulanceService, BoundarySet, Provenance, ordered_set
from cad_bridge.discovery.check import (
    DEFAULT_TOLERANCE_M2,
    CheckReport,
    Finding,
    FindingKind,
    check_areas,
    check_shapes,
)
from cad_bridge.discovery.districts import Assignment, DistrictTable
from cad_bridge.discovery.geofiles import Feature

_GRID_M = 0.001


@dataclass(frozen=True, slots=True)
class SplitArea:
    """Ground that cuts a named part out of a district; it may reach beyond the district on its outer side."""

    district_code: str
    part: str
    geometry: Any


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The set, or None where the check found an error, and what the check found."""

    boundaries: BoundarySet | None
    report: CheckReport
    checked: tuple[tuple[str, Any], ...]
    """The named areas that the report is about, for the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What every set is made with."""

    services: dict[str, AmbulanceService]
    provenance: Provenance
    foreign_border: Any
    foreign_border_tolerance_m: float
    tolerance_m2: float = DEFAULT_TOLERANCE_M2
    partial: bool = False
    """Whether districts may be missing, as in a set for one region."""


def build_from_districts(
    features: Iterable[Feature],
    *,
    code_field: str,
    table: DistrictTable,
    split_areas: Iterable[SplitArea],
    recipe: Recipe,
) -> BuildResult:
    """Dissolve districts into trust areas. Districts and trust areas are both checked; an error makes no set."""
    named = [(feature.text(code_field), feature.geometry) for feature in features]
    splits = {(split.district_code, split.part): split.geometry for split in split_areas}
    told = [*_code_findings(named, table, recipe.partial), *_split_findings(named, table, splits)]
    report = check_areas(named, tolerance_m2=recipe.tolerance_m2, extra=told)
    if not report.ok:
        return BuildResult(None, report, tuple(named))
    parts: dict[str, list[Any]] = defaultdict(list)
    for code, geometry in named:
        for assignment, piece in _divided(geometry, table.assignments(code), splits):
            parts[assignment.ods_code].append(piece)
    return build_from_areas({code: _dissolved(pieces) for code, pieces in parts.items()}.items(), recipe=recipe)


def build_from_areas(areas: Iterable[tuple[str, Any]], *, recipe: Recipe) -> BuildResult:
    """A set from one area for each ODS code (several with one code are merged). An error makes no set."""
    parts: dict[str, list[Any]] = defaultdict(list)
    for code, geometry in areas:
        parts[code].append(geometry)
    merged = {code: pieces[0] if len(pieces) == 1 else _merged(pieces) for code, pieces in parts.items()}
    unknown = [
        Finding(FindingKind.UNKNOWN_CODE, (code,), float(geometry.area), "not in the list of ambulance services")
        for code, geometry in merged.items()
        if code not in recipe.services
    ]
    unsound = check_shapes(merged.items(), extra=unknown)
    if not unsound.ok:
        return BuildResult(None, unsound, tuple(merged.items()))
    boundaries = ordered_set(
        {recipe.services[code]: geometry for code, geometry in merged.items()},
        provenance=recipe.provenance,
        foreign_border=recipe.foreign_border,
        tolerance_m=recipe.foreign_border_tolerance_m,
    )
    return _checked(boundaries, recipe)


def _checked(boundaries: BoundarySet, recipe: Recipe) -> BuildResult:
    """The set as it will be stored is checked too: rounding to millimetres must not have broken it."""
    stored = tuple(
        (service.ods_code, area) for service, area in zip(boundaries.services, boundaries.areas, strict=True)
    )
    report = check_areas(stored, tolerance_m2=recipe.tolerance_m2)
    return BuildResult(boundaries if report.ok else None, report, stored)


def _code_findings(named: list[tuple[str, Any]], table: DistrictTable, partial: bool) -> list[Finding]:
    known = [code for code, _ in named if table.assignments(code)]
    current = Counter(table.current(code) for code in known)
    unknown = [
        Finding(FindingKind.UNKNOWN_CODE, (code,), float(geometry.area), "no such district in the table")
        for code, geometry in named
        if not table.assignments(code)
    ]
    double = [
        Finding(FindingKind.DOUBLE_CODE, (code,), 0.0, "the district is there more than once")
        for code, times in current.items()
        if times > 1
    ]
    absent = [] if partial else sorted(table.current_codes - set(current))
    missing = [Finding(FindingKind.MISSING_CODE, (code,), 0.0, "the district is not in the file") for code in absent]
    return [*unknown, *double, *missing]


def _split_findings(
    named: list[tuple[str, Any]], table: DistrictTable, splits: dict[tuple[str, str], Any]
) -> list[Finding]:
    wanted = {(entry.district_code, entry.part) for code, _ in named for entry in table.assignments(code) if entry.part}
    return [
        Finding(FindingKind.NO_SPLIT_AREA, (code,), 0.0, f"nothing says where its part '{part}' lies")
        for code, part in sorted(wanted - splits.keys())
    ]


def _divided(
    geometry: Any, assignments: tuple[Assignment, ...], splits: dict[tuple[str, str], Any]
) -> list[tuple[Assignment, Any]]:
    """A district's pieces by trust: named parts are cut out, the line without a part takes the rest."""
    rest, *parts = assignments
    pieces = []
    for assignment in parts:
        split = splits[(assignment.district_code, assignment.part)]
        pieces.append((assignment, shapely.intersection(geometry, split, grid_size=_GRID_M)))
        geometry = shapely.difference(geometry, split, grid_size=_GRID_M)
    return [(rest, geometry), *pieces]


def _dissolved(pieces: list[Any]) -> Any:
    """One area from districts that meet edge to edge; a millimetre grid closes what cutting has opened."""
    return _polygons_of(shapely.union_all(pieces, grid_size=_GRID_M))


def _merged(pieces: list[Any]) -> Any:
    return _polygons_of(shapely.union_all(pieces))


def _polygons_of(geometry: Any) -> Any:
    polygons = [part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"]
    return shapely.multipolygons(polygons) if len(polygons) != 1 else polygons[0]
