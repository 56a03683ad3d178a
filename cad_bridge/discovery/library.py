"""Boundary sets on disk: every version that was ever installed, and which one is in force."""

from __future__ import annotations

import os
from pathlib import Path

from cad_bridge.discovery.boundary_set import (
    MANIFEST_FILE,
    BoundarySet,
    BoundarySetError,
    MalformedSetError,
    load_set,
    save_set,
)

_CURRENT_FILE = "current"


class UnknownVersionError(BoundarySetError):
    """The library has no such version."""


class BoundaryLibrary:
    """A directory with one boundary set for each version and a file that names the one in force.

    Both are written by a rename: a reader sees the old or the new, never a half. Nothing is ever deleted, because an
    old decision is explained with the set that it was made with.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def versions(self) -> tuple[str, ...]:
        """All versions in the library, by name."""
        return tuple(sorted(file.parent.name for file in self._directory.glob(f"*/{MANIFEST_FILE}")))

    @property
    def current_version(self) -> str | None:
        """The version in force; None in a library where none was chosen."""
        try:
            return (self._directory / _CURRENT_FILE).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None

    def install(self, boundaries: BoundarySet) -> str:
        """Add a set under its version, without putting it in force; twice is as once. Gives the version."""
        version = boundaries.version
        if version not in self.versions:
            save_set(boundaries, self._directory / version)
        return version

    def put_in_force(self, version: str) -> None:
        """Name the version that is to answer from now on, after reading and verifying all of it.

        Raises:
            UnknownVersionError: it is not in the library.
            BoundarySetError: its files are not what its manifest promises.
        """
        self.load(version)
        draft = self._directory / f".{_CURRENT_FILE}-{os.getpid()}"
        with draft.open("w", encoding="utf-8") as file:
            file.write(f"{version}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._directory / _CURRENT_FILE)

    def load(self, version: str) -> BoundarySet:
        """A set by its version, verified.

        Raises:
            UnknownVersionError: it is not in the library.
            BoundarySetError: its files are not what its manifest promises.
        """
        if version not in self.versions:
            raise UnknownVersionError(f"no boundary set {version}")
        boundaries = load_set(self._directory / version)
        if boundaries.version != version:
            raise MalformedSetError(f"{version}: the directory holds another version")
        return boundaries
