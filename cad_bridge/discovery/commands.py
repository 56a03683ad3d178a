"""What ``cad-bridge locate`` and ``cad-bridge polygons build|check|import`` do; they report through `say`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad_bridge.discovery.answer import DiscoveryAnswer
from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.boundary_set import Provenance, Source, load_set
from cad_bridge.discovery.build import BuildResult, Recipe, build_from_areas, build_from_districts
from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.check import DEFAULT_TOLERANCE_M2, CheckReport, check_areas
from cad_bridge.discovery.discover import discover
from cad_bridge.discovery.geofiles import FileCrs, read_features
from cad_bridge.discovery.library import BoundaryLibrary
from cad_bridge.discovery.packaged import ambulance_services, default_set, district_table, split_areas
from cad_bridge.discovery.picture import draw
from cad_bridge.discovery.query import NO_SOURCES, DiscoveryQuery, LocationSources

Say = Callable[[str], None]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLabel:
    """What the owner of the data says about a new set.

    Raises:
        ValueError: a name that can't be a directory's.
    """

    name: str
    attribution: str
    licence: str
    operational: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        """The name begins the version, which names a directory."""
        if not _NAME.match(self.name):
            raise ValueError("a name has up to 64 letters, digits, hyphens, underscores and full stops")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOptions:
    """How strict the check is, and what becomes of the result."""

    tolerance_m2: float = DEFAULT_TOLERANCE_M2
    partial: bool = False
    """Whether districts may be missing."""
    picture: Path | None = None
    put_in_force: bool = False


@dataclass(frozen=True, slots=True)
class SetMade:
    """The version that was installed, or None where the check found an error, and the report."""

    version: str | None
    report: CheckReport


def locate(
    query: DiscoveryQuery,
    index: BoundaryIndex,
    *,
    say: Say,
    as_json: bool = False,
    sources: LocationSources = NO_SOURCES,
    entries: Iterable[CatalogueEntry] = (),
) -> DiscoveryAnswer:
    """Answer one question and print the answer, for a person or as JSON."""
    answer = discover(query, index, sources=sources, entries=entries)
    if as_json:
        say(json.dumps(answer.as_dict(), indent=2))
        return answer
    for line in _lines(answer):
        say(line)
    return answer


def build_polygons(
    districts: Path,
    library: BoundaryLibrary,
    *,
    code_field: str,
    label: SetLabel,
    say: Say,
    crs: FileCrs | None = None,
    options: SetOptions | None = None,
) -> SetMade:
    """Make a set from a district boundary file and the project's district table.

    Raises:
        BoundaryFileError: the file can't be read, is not in the coordinate system that it should be in, or has no such
            field.
    """
    chosen = options or SetOptions()
    recipe = _recipe(districts, label, chosen)
    result = build_from_districts(
        read_features(districts, crs, having=code_field),
        code_field=code_field,
        table=district_table(),
        split_areas=split_areas(),
        recipe=recipe,
    )
    return _finish(result, recipe, library=library, options=chosen, say=say)


def import_polygons(
    areas: Path,
    library: BoundaryLibrary,
    *,
    code_field: str,
    label: SetLabel,
    say: Say,
    crs: FileCrs | None = None,
    options: SetOptions | None = None,
) -> SetMade:
    """Make a set from a file of finished areas, one or more for each ODS code.

    Raises:
        BoundaryFileError: the file can't be read, is not in the coordinate system that it should be in, or has no such
            field.
    """
    chosen = options or SetOptions()
    features = read_features(areas, crs, having=code_field)
    named = [(feature.text(code_field), feature.geometry) for feature in features]
    recipe = _recipe(areas, label, chosen)
    return _finish(build_from_areas(named, recipe=recipe), recipe, library=library, options=chosen, say=say)


def check_polygons(
    directory: Path, *, say: Say, tolerance_m2: float = DEFAULT_TOLERANCE_M2, picture: Path | None = None
) -> CheckReport:
    """Verify a boundary set's files and check its areas.

    Raises:
        BoundarySetError: no boundary set, or not the files that its manifest was made for.
    """
    boundaries = load_set(directory)
    named = [(service.ods_code, area) for service, area in zip(boundaries.services, boundaries.areas, strict=True)]
    report = check_areas(named, tolerance_m2=tolerance_m2)
    say(f"{boundaries.version}: files as in the manifest")
    if not boundaries.provenance.operational:
        say("not for operational use")
    _tell(report, named, _Drawing(picture, _caption(boundaries.version, boundaries.provenance)), say)
    return report


def _recipe(file: Path, label: SetLabel, options: SetOptions) -> Recipe:
    """Sources and the Irish border: every set has the default set's, which nothing better replaces."""
    shipped = default_set()
    return Recipe(
        services=ambulance_services(),
        provenance=Provenance(
            name=label.name,
            attribution=label.attribution,
            licence=label.licence,
            operational=label.operational,
            note=label.note,
            sources=(_source(file, label), *shipped.provenance.sources[-1:]),
        ),
        foreign_border=shipped.foreign_border,
        foreign_border_tolerance_m=shipped.foreign_border_tolerance_m,
        tolerance_m2=options.tolerance_m2,
        partial=options.partial,
    )


def _source(file: Path, label: SetLabel) -> Source:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Source(title=file.name, version="", licence=label.licence, sha256=digest)


def _finish(result: BuildResult, recipe: Recipe, *, library: BoundaryLibrary, options: SetOptions, say: Say) -> SetMade:
    called = result.boundaries.version if result.boundaries is not None else recipe.provenance.name
    _tell(result.report, result.checked, _Drawing(options.picture, _caption(called, recipe.provenance)), say)
    if result.boundaries is None:
        say("nothing was installed")
        return SetMade(None, result.report)
    absent = sorted(set(ambulance_services()) - {code for code, _ in result.checked})
    if absent:
        say(f"no area for: {', '.join(absent)}")
    version = library.install(result.boundaries)
    say(f"installed: {version}")
    if options.put_in_force:
        library.put_in_force(version)
        say(f"in force: {version}")
    return SetMade(version, result.report)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """Where a picture goes, if one is wanted, and what stands below it."""

    file: Path | None
    caption: tuple[str, ...]


def _caption(called: str, provenance: Provenance) -> tuple[str, ...]:
    """The attribution goes wherever the data goes, and so does what it may not be used for."""
    marked = () if provenance.operational else ("Not for operational use.",)
    return (called, *marked, provenance.attribution)


def _tell(report: CheckReport, named: Iterable[tuple[str, Any]], drawing: _Drawing, say: Say) -> None:
    for line in report.lines():
        say(line)
    say("clean" if report.ok else f"{len(report.findings)} findings")
    if drawing.file is not None:
        drawing.file.write_text(draw(named, report, caption=drawing.caption), encoding="utf-8")
        say(f"picture: {drawing.file}")


def _lines(answer: DiscoveryAnswer) -> list[str]:
    responsible = f"{answer.ast.name} ({answer.ast.ods_code})" if answer.ast else "no service"
    lines = [f"{answer.outcome}: {responsible}"]
    if answer.ast and answer.ast.service_id:
        lines.append(f"service id: {answer.ast.service_id}")
    if answer.border_m is not None:
        lines.append(f"nearest other area: {answer.border_m:.0f} m")
    near = (f"  {neighbour.ods_code} {neighbour.distance_m:.0f} m" for neighbour in answer.neighbours)
    reasons = (f"  {reason}" for reason in answer.reasons)
    return [*lines, *near, *reasons, f"boundaries: {answer.boundary_version}"]
