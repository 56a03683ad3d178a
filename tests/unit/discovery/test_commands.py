"""What the commands print and leave behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import shapely

from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.boundary_set import AREAS_FILE, ChecksumError, load_set, save_set
from cad_bridge.discovery.commands import (
    SetLabel,
    SetOptions,
    build_polygons,
    check_polygons,
    import_polygons,
    locate,
)
from cad_bridge.discovery.geofiles import FileCrs
from cad_bridge.discovery.library import BoundaryLibrary
from cad_bridge.discovery.query import DiscoveryQuery
from tests.unit.discovery.ground import ground

LABEL = SetLabel(name="mine", attribution="me", licence="mine", operational=True)


def areas_file(tmp_path: Path, *boxes: tuple[str, tuple[float, float, float, float]]) -> Path:
    features = [
        {"type": "Feature", "properties": {"code": code}, "geometry": shapely.geometry.mapping(shapely.box(*box))}
        for code, box in boxes
    ]
    path = tmp_path / "areas.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_locate_for_a_person(squares_index: BoundaryIndex) -> None:
    said: list[str] = []
    locate(DiscoveryQuery(easting=417_000, northing=310_000, crs="osgb"), squares_index, say=said.append)
    assert said == [
        "found: AAA Ambulance Service (AAA)",
        "nearest other area: 3000 m",
        "  BBB 3000 m",
        "  inside: the place lies in the area of AAA Ambulance Service",
        f"boundaries: {squares_index.version}",
    ]


def test_locate_as_json(squares_index: BoundaryIndex) -> None:
    said: list[str] = []
    query = DiscoveryQuery(lat="-1.5", lon="53.8")
    answer = locate(query, squares_index, say=said.append, as_json=True)
    assert [json.loads(text) for text in said] == [answer.as_dict()]


def test_an_import_is_installed_and_put_in_force(tmp_path: Path) -> None:
    said: list[str] = []
    library = BoundaryLibrary(tmp_path / "sets")
    file = areas_file(
        tmp_path, ("RX8", (430_000, 430_000, 440_000, 440_000)), ("RX9", (430_000, 420_000, 440_000, 430_000))
    )
    made = import_polygons(
        file,
        library,
        code_field="code",
        crs=FileCrs.OSGB,
        label=LABEL,
        say=said.append,
        options=SetOptions(picture=tmp_path / "areas.svg", put_in_force=True),
    )
    assert made.version is not None
    assert library.current_version == made.version
    assert said[-2:] == [f"installed: {made.version}", f"in force: {made.version}"]
    assert (tmp_path / "areas.svg").read_text().startswith("<svg")
    loaded = library.load(made.version)
    assert loaded.provenance.operational
    assert loaded.provenance.sources[0].title == "areas.geojson"
    assert not loaded.foreign_border.is_empty
    assert BoundaryIndex(loaded).holding(435_000, 425_000) == "RX9"


def test_an_import_with_an_overlap_leaves_the_library_as_it_was(tmp_path: Path) -> None:
    said: list[str] = []
    library = BoundaryLibrary(tmp_path / "sets")
    file = areas_file(
        tmp_path, ("RX8", (430_000, 430_000, 440_000, 440_000)), ("RX9", (430_000, 420_000, 440_000, 431_000))
    )
    made = import_polygons(file, library, code_field="code", crs=FileCrs.OSGB, label=LABEL, say=said.append)
    assert (made.version, library.versions) == (None, ())
    assert said[-2:] == ["1 findings", "nothing was installed"]
    assert any(line.startswith("overlap: RX8 / RX9, 10000000.0 m2") for line in said)


def test_a_build_takes_districts_by_their_codes(tmp_path: Path) -> None:
    """Hartlepool is the North East's; Barnsley, by its former code, is Yorkshire's."""
    library = BoundaryLibrary(tmp_path / "sets")
    file = areas_file(
        tmp_path,
        ("E06000001", (440_000, 520_000, 450_000, 530_000)),
        ("E08000016", (430_000, 400_000, 440_000, 410_000)),
    )
    refused = build_polygons(file, library, code_field="code", crs=FileCrs.OSGB, label=LABEL, say=lambda _: None)
    assert (refused.version, len(refused.report.findings)) == (None, 359)
    made = build_polygons(
        file,
        library,
        code_field="code",
        crs=FileCrs.OSGB,
        label=LABEL,
        say=lambda _: None,
        options=SetOptions(partial=True),
    )
    assert made.version is not None
    built = BoundaryIndex(library.load(made.version))
    assert [built.holding(445_000, 525_000), built.holding(435_000, 405_000)] == ["RX6", "RX8"]


def test_a_check_verifies_files_and_areas(tmp_path: Path) -> None:
    said: list[str] = []
    directory = save_set(ground(operational=False), tmp_path / "set")
    report = check_polygons(directory, say=said.append, picture=tmp_path / "set.svg")
    assert report.ok
    assert said[:2] == [f"{load_set(directory).version}: files as in the manifest", "not for operational use"]
    picture = (tmp_path / "set.svg").read_text(encoding="utf-8")
    assert all(told in picture for told in (load_set(directory).version, "Not for operational use.", "nobody"))
    (directory / AREAS_FILE).write_bytes(b"")
    with pytest.raises(ChecksumError):
        check_polygons(directory, say=said.append)
