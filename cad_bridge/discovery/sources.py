"""The resolvers of an installation: the outward codes that ship, and the UPRN table that a site has made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cad_bridge.discovery.packaged import outward_codes
from cad_bridge.discovery.query import LocationSources, What3WordsSource
from cad_bridge.discovery.uprn import UprnTable


@contextmanager
def location_sources(
    *, uprn_table: Path | None = None, what3words: What3WordsSource | None = None
) -> Iterator[LocationSources]:
    """What indirect sources of a place are looked up in; the table is open for as long as the context lasts.

    There is no source of ours for what3words: a site that has a licence gives its own.

    Raises:
        OSError, UprnTableError: the table can't be opened, or is none.
    """
    if uprn_table is None:
        yield LocationSources(postcodes=outward_codes(), what3words=what3words)
        return
    with UprnTable(uprn_table) as uprns:
        yield LocationSources(postcodes=outward_codes(), uprns=uprns, what3words=what3words)
