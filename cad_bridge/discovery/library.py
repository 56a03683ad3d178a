"""Boundary sets on disk: every version that was ever installed, and which one is in force."""

from __future__ import annotations

import os
from collections.abc import Callable
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

    def __init__(self, directory: Path, *, shipped: Callable[[], BoundarySet] | None = None) -> None:
        """`shipped` gives the set that comes with this release: it can be asked like an installed one."""
        self._directory = directory
        self._shipped = shipped

    @property
    def versions(self) -> tuple[str, ...]:
        """All versions that were installed, by name."""
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
        try:
            if version not in self.versions:
                save_set(boundaries, self._directory / version)
        except OSError:
            if version not in self.versions:  # another process was quicker with the same set
                raise
        return version

    def put_in_force(self, version: str) -> None:
        """Name the version that is to answer from now on, after reading and verifying all of it.

        Raises:
            UnknownVersionError: it is not in the library.
            BoundarySetError: its files are not what its manifest promises.
        """
        self.install(self.load(version))
        draft = self._directory / f".{_CURRENT_FILE}-{os.getpid()}"
        with draft.open("w", encoding="utf-8") as file:
            file.write(f"{version}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._directory / _CURRENT_FILE)

    def load(self, version: str) -> BoundarySet:
        """A set by its version, verified.

        Raises:
            UnknownVersionError: it is neither in the library nor the one that is shipped.
            BoundarySetError: its files are not what its manifest promises.
        """
        if version not in self.versions:
            return self._load_shipped(version)
        boundaries = load_set(self._directory / version)
        if boundaries.version != version:
            raise MalformedSetError(f"{version}: the directory holds another version")
        return boundaries

    def _load_shipped(self, version: str) -> BoundarySet:
        shipped = self._shipped() if self._shipped is not None else None
        if shipped is None or shipped.version != version:
            raise UnknownVersionError(f"no boundary set {version}")
        return shipped
