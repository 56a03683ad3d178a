"""Following the set in force, turn by turn."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from cad_bridge.discovery.boundary_set import BoundarySetError
from cad_bridge.discovery.holder import BoundaryHolder
from cad_bridge.discovery.library import BoundaryLibrary
from cad_bridge.engine.boundaries import BoundaryWatch, first_index, keep_shipped
from tests.unit.discovery.ground import ground


@pytest.fixture
def library(tmp_path: Path) -> BoundaryLibrary:
    library = BoundaryLibrary(tmp_path)
    for name in ("one", "two"):
        library.install(ground(name=name))
    library.put_in_force(next(version for version in library.versions if version.startswith("one")))
    return library


def other(library: BoundaryLibrary) -> str:
    return next(version for version in library.versions if version != library.current_version)


def test_the_shipped_set_is_in_force_where_none_was_chosen(tmp_path: Path) -> None:
    assert first_index(None).version == first_index(BoundaryLibrary(tmp_path)).version
    assert first_index(None).version.startswith("default-")


def test_the_shipped_set_is_kept_where_it_answers(tmp_path: Path) -> None:
    """The next release may ship another; an old decision is explained with this one."""
    library = BoundaryLibrary(tmp_path)
    keep_shipped(library)
    assert library.versions == (first_index(library).version,)
    assert library.current_version is None


def test_the_shipped_set_is_not_kept_where_another_answers(library: BoundaryLibrary) -> None:
    before = library.versions
    keep_shipped(library)
    assert library.versions == before


def test_a_service_starts_where_the_shipped_set_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def read_only(*_: object) -> str:
        raise PermissionError

    monkeypatch.setattr(BoundaryLibrary, "install", read_only)
    keep_shipped(BoundaryLibrary(tmp_path))
    assert "can't be kept" in caplog.text


async def test_a_look_that_finds_nothing_new_changes_nothing(library: BoundaryLibrary) -> None:
    holder = BoundaryHolder(first_index(library))
    before, watch = holder.current, BoundaryWatch(library, holder)
    assert await watch.look() is False
    assert holder.current is before
    assert watch.swaps == 0


async def test_going_back_takes_the_index_that_is_there(library: BoundaryLibrary, tmp_path: Path) -> None:
    holder = BoundaryHolder(first_index(library))
    first, watch = holder.current, BoundaryWatch(library, holder)
    library.put_in_force(other(library))
    await watch.look()
    library.put_in_force(first.version)
    shutil.rmtree(tmp_path / first.version)
    await watch.look()
    assert holder.current is first
    assert watch.swaps == 2


async def test_a_missing_set_is_said_once_and_tried_again(
    library: BoundaryLibrary, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    holder = BoundaryHolder(first_index(library))
    first, watch, wanted = holder.current, BoundaryWatch(library, holder), other(library)
    library.put_in_force(wanted)
    (tmp_path / wanted).rename(tmp_path / "away")
    with caplog.at_level(logging.ERROR):
        await watch.look()
        await watch.look()
    assert [record.getMessage() for record in caplog.records] == ["the boundary set before stays in force"]
    assert (holder.current, watch.refused) == (first, wanted)
    (tmp_path / "away").rename(tmp_path / wanted)
    await watch.look()
    assert (holder.current.version, watch.refused) == (wanted, None)


async def test_a_pointer_that_is_taken_back_ends_the_complaint(library: BoundaryLibrary, tmp_path: Path) -> None:
    holder = BoundaryHolder(first_index(library))
    watch, wanted = BoundaryWatch(library, holder), other(library)
    library.put_in_force(wanted)
    (tmp_path / wanted).rename(tmp_path / "away")
    await watch.look()
    library.put_in_force(holder.current.version)
    await watch.look()
    assert watch.refused is None


def test_a_first_set_that_is_broken_is_an_error(library: BoundaryLibrary, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / str(library.current_version))
    with pytest.raises(BoundarySetError):
        first_index(library)
