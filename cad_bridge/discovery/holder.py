"""The boundary set in force: swapped by one reference while questions are being answered, older ones kept."""

from __future__ import annotations

from threading import Lock
from types import MappingProxyType

from cad_bridge.discovery.areas import BoundaryIndex


class BoundaryHolder:
    """Holds the index in force and those before it, by version.

    Whoever answers takes `current` once and keeps it for the whole answer; a swap in between changes nothing for him. A
    reader needs no lock: both references are replaced, never changed.
    """

    def __init__(self, current: BoundaryIndex) -> None:
        self._current = current
        self._known = MappingProxyType({current.version: current})
        self._swapping = Lock()

    @property
    def current(self) -> BoundaryIndex:
        """The index in force."""
        return self._current

    @property
    def versions(self) -> tuple[str, ...]:
        """All versions held, oldest first."""
        return tuple(self._known)

    def version(self, version: str) -> BoundaryIndex:
        """The index of an earlier decision; `KeyError` if it is not held (see `BoundaryLibrary`)."""
        return self._known[version]

    def swap(self, new: BoundaryIndex) -> BoundaryIndex:
        """Put a new index in force; gives the one before."""
        with self._swapping:
            before = self._current
            self._known = MappingProxyType({**self._known, new.version: new})
            self._current = new
        return before
