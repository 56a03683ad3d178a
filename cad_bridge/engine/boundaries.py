"""The boundary set in force: read at the start, looked after while serving, changed without a pause."""

from __future__ import annotations

import asyncio
import logging

from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.boundary_set import BoundarySetError
from cad_bridge.discovery.holder import BoundaryHolder
from cad_bridge.discovery.library import BoundaryLibrary
from cad_bridge.discovery.packaged import default_set

log = logging.getLogger(__name__)


def first_index(library: BoundaryLibrary | None) -> BoundaryIndex:
    """The boundaries to begin with: those in force in the library, or those that are shipped where none are.

    Raises:
        BoundarySetError: the set in force is not what it should be. Falling back in silence to boundaries that are
            not for operational use would be worse than not starting.
    """
    version = library.current_version if library is not None else None
    return BoundaryIndex(library.load(version) if library is not None and version is not None else default_set())


def keep_shipped(library: BoundaryLibrary) -> None:
    """Keep the shipped set where it answers: the next release may bring another, and an old decision must still be
    explained with the set that it was made with."""
    if library.current_version is not None:
        return
    try:
        library.install(default_set())
    except OSError:
        log.warning("the shipped boundary set can't be kept in the data directory", exc_info=True)


class BoundaryWatch:
    """Follows the library's pointer to the set in force, which another process moves (`cad-bridge polygons`).

    While the set that it names can't be used (such as one that is still being copied) the one before stays in force;
    the log says so once, the metrics for as long as it lasts.
    """

    def __init__(self, library: BoundaryLibrary, holder: BoundaryHolder) -> None:
        self._library = library
        self._holder = holder
        self.refused: str | None = None
        """The version that should be in force and can't be used."""
        self.swaps = 0

    async def look(self) -> bool:
        """Change to the set in force if it is another one than before. Always False: there is never more to do."""
        version = await asyncio.to_thread(lambda: self._library.current_version)
        if version is None or version == self._holder.current.version:
            self.refused = None
        else:
            await self._change_to(version)
        return False

    async def _change_to(self, version: str) -> None:
        before = self._holder.current.version
        try:
            index = await self._index(version)
        except (BoundarySetError, OSError):
            if self.refused != version:
                self.refused = version
                log.exception("the boundary set before stays in force", extra={"version": version, "before": before})
            return
        self._holder.swap(index)
        self.refused = None
        self.swaps += 1
        log.info("boundary set changed", extra={"version": version, "before": before})

    async def _index(self, version: str) -> BoundaryIndex:
        """An index made before is taken again; a new one is made beside the serving thread."""
        if version in self._holder.versions:
            return self._holder.version(version)
        return await asyncio.to_thread(lambda: BoundaryIndex(self._library.load(version)))
