"""Boundary sets on disk: verified, versioned by content, installed whole or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import shapely

from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.boundary_set import (
    AREAS_FILE,
    FOREIGN_BORDER_FILE,
    MANIFEST_FILE,
    BoundarySetError,
    ChecksumError,
    MalformedSetError,
    load_set,
    save_set,
)
from cad_bridge.discovery.library import BoundaryLibrary, UnknownVersionError
from tests.unit.discovery.ground import ground, squares


def edit_manifest(directory: Path, **changes: Any) -> None:
    file = directory / MANIFEST_FILE
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    boundaries = ground()
    loaded = load_set(save_set(boundaries, tmp_path / "set"))
    assert loaded.provenance == boundaries.provenance
    assert loaded.services == boundaries.services
    assert loaded.version == boundaries.version
    assert all(shapely.equals(one, other) for one, other in zip(loaded.areas, boundaries.areas, strict=True))
    assert shapely.equals(loaded.foreign_border, boundaries.foreign_border)


def test_the_version_is_the_content_s() -> None:
    first = ground()
    moved = {**squares(), "CCC": shapely.box(400_000, 320_301, 420_000, 340_300)}
    assert ground().version == first.version
    assert first.version.startswith("ground-")
    others = [
        ground(name="other"),
        ground(operational=False),
        ground(areas=moved),
        replace(first, foreign_border_tolerance_m=5.0),
        replace(first, foreign_border=shapely.MultiLineString()),
        replace(first, services=(replace(first.services[0], name="Renamed"), *first.services[1:])),
    ]
    assert len({first.version, *(other.version for other in others)}) == 7


def test_services_are_in_the_order_of_their_codes() -> None:
    backwards = dict(reversed(squares().items()))
    assert ground(areas=backwards).version == ground().version


def test_the_manifest_says_where_it_comes_from(tmp_path: Path) -> None:
    manifest = json.loads((save_set(ground(), tmp_path / "set") / MANIFEST_FILE).read_text())
    assert {"attribution", "licence", "operational", "sources", "version", "files"} <= manifest.keys()
    assert set(manifest["files"]) == {AREAS_FILE, FOREIGN_BORDER_FILE}


@pytest.mark.parametrize("name", [AREAS_FILE, FOREIGN_BORDER_FILE])
def test_a_changed_file_is_refused(tmp_path: Path, name: str) -> None:
    directory = save_set(ground(), tmp_path / "set")
    content = bytearray((directory / name).read_bytes())
    content[-1] ^= 1
    (directory / name).write_bytes(content)
    with pytest.raises(ChecksumError):
        load_set(directory)


@pytest.mark.parametrize("change", [{"operational": False}, {"attribution": "me"}, {"version": "ground-000000000000"}])
def test_a_changed_manifest_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    directory = save_set(ground(), tmp_path / "set")
    edit_manifest(directory, **change)
    with pytest.raises(ChecksumError):
        load_set(directory)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "something else"},
        {"crs": "EPSG:4326"},
        {"files": None},
        {"services": [{"ods_code": "AAA"}]},
        {"services": []},
        {"sources": None},
    ],
)
def test_what_is_no_set_of_this_format_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    directory = save_set(ground(), tmp_path / "set")
    edit_manifest(directory, **change)
    with pytest.raises(MalformedSetError):
        load_set(directory)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedSetError):
        load_set(tmp_path / "absent")
    directory = save_set(ground(), tmp_path / "set")
    (directory / AREAS_FILE).unlink()
    with pytest.raises(MalformedSetError):
        load_set(directory)
    (directory / MANIFEST_FILE).write_text("[]")
    with pytest.raises(MalformedSetError):
        load_set(directory)


def test_a_set_is_never_written_over_another(tmp_path: Path) -> None:
    directory = save_set(ground(), tmp_path / "set")
    with pytest.raises(OSError, match="not empty"):
        save_set(ground(name="other"), directory)
    assert load_set(directory).version == ground().version
    assert [file.name for file in tmp_path.iterdir()] == ["set"]


def test_a_library_keeps_every_version_and_names_one(tmp_path: Path) -> None:
    library = BoundaryLibrary(tmp_path)
    assert (library.versions, library.current_version) == ((), None)
    first, second = library.install(ground(name="first")), library.install(ground(name="second"))
    assert library.install(ground(name="first")) == first
    assert (library.versions, library.current_version) == ((first, second), None)
    library.put_in_force(first)
    library.put_in_force(second)
    assert library.current_version == second
    assert BoundaryIndex(library.load(first)).version == first


def test_an_unknown_version_is_not_put_in_force(tmp_path: Path) -> None:
    library = BoundaryLibrary(tmp_path)
    version = library.install(ground())
    library.put_in_force(version)
    with pytest.raises(UnknownVersionError):
        library.put_in_force("ground-000000000000")
    assert library.current_version == version


def test_a_damaged_version_is_not_put_in_force(tmp_path: Path) -> None:
    library = BoundaryLibrary(tmp_path)
    good, bad = library.install(ground(name="good")), library.install(ground(name="bad"))
    library.put_in_force(good)
    (tmp_path / bad / AREAS_FILE).write_bytes(b"")
    with pytest.raises(BoundarySetError):
        library.put_in_force(bad)
    assert library.current_version == good


def test_a_version_in_the_wrong_directory_is_refused(tmp_path: Path) -> None:
    save_set(ground(), tmp_path / "ground-000000000000")
    with pytest.raises(MalformedSetError):
        BoundaryLibrary(tmp_path).load("ground-000000000000")
