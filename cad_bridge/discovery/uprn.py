"""Unique Property Reference Numbers: reading them as sent, and a table made from OS Open UPRN.

OS Open UPRN is a CSV of some forty million lines. The importer turns it into a sorted file of fixed records, which is
searched where it lies on disk: nothing is loaded, and a look-up reads about twenty-six records.
"""

from __future__ import annotations

import csv
import mmap
import os
import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from cad_bridge.discovery.crs import GridPoint
from cad_bridge.discovery.query import ResolvedPlace

UPRN_RADIUS_M = 10.0
"""A UPRN's point lies on its property; the radius stands for the property's size."""

_MAGIC = b"UPRNTAB1"
_FARTHEST_M = 2_000_000.0
_RECORD = struct.Struct("<Qii")
_RECORDS = np.dtype([("uprn", "<u8"), ("easting_cm", "<i4"), ("northing_cm", "<i4")])
_DIGITS = re.compile(r"[0-9]{1,12}\Z")
_COLUMNS = ("UPRN", "X_COORDINATE", "Y_COORDINATE")


class UprnTableError(Exception):
    """A UPRN file can't be read, or is not what it should be."""


def lookup_uprn(uprn: str) -> str | None:
    """A UPRN as tables have it: at most twelve digits without leading zeros (defects S3); None if it is none.

    The sent text is what is stored and sent on; this form is for looking up only.
    """
    digits = uprn.strip()
    return (digits.lstrip("0") or None) if _DIGITS.match(digits) else None


def import_open_uprn(source: Path, table: Path) -> int:
    """Make a table from OS Open UPRN's CSV; all of it or nothing. Gives the number of properties.

    Needs 16 bytes of memory for each property, once.

    Raises:
        UprnTableError: not CSV, a column is missing, or a line holds no UPRN or coordinates.
        OSError: the table can't be written.
    """
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            records = np.fromiter(_parsed(file), dtype=_RECORDS)
    except (UnicodeDecodeError, csv.Error) as fault:
        raise UprnTableError(f"{source.name} is no CSV in UTF-8") from fault
    records.sort(order="uprn")
    if len(records) > 1 and bool((records["uprn"][1:] == records["uprn"][:-1]).any()):
        raise UprnTableError("a UPRN is there twice")
    draft = table.with_name(f".{table.name}-{os.getpid()}")
    with draft.open("wb") as out:
        out.write(_MAGIC)
        records.tofile(out)
    draft.replace(table)
    return len(records)


def _parsed(file: Iterable[str]) -> Iterator[tuple[int, int, int]]:
    reader = csv.DictReader(file)
    missing = set(_COLUMNS) - set(reader.fieldnames or ())
    if missing:
        raise UprnTableError(f"columns missing: {', '.join(sorted(missing))}")
    for row in reader:
        try:
            uprn = lookup_uprn(row["UPRN"]) or ""
            yield int(uprn), _centimetres(row["X_COORDINATE"]), _centimetres(row["Y_COORDINATE"])
        except (TypeError, ValueError, AttributeError) as fault:
            raise UprnTableError(f"line {reader.line_num} holds no UPRN with coordinates") from fault


def _centimetres(metres: str) -> int:
    value = float(metres)
    if not abs(value) <= _FARTHEST_M:
        raise ValueError("off the grid")
    return round(value * 100)


class UprnTable:
    """A `UprnSource` over a file that `import_open_uprn` made. Close it, or use it in a ``with``."""

    def __init__(self, table: Path) -> None:
        with table.open("rb") as file:
            try:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as fault:
                raise UprnTableError(f"{table.name} is empty") from fault
        if self._bytes[: len(_MAGIC)] != _MAGIC or (len(self._bytes) - len(_MAGIC)) % _RECORD.size:
            self._bytes.close()
            raise UprnTableError(f"{table.name} is no UPRN table")
        self._count = (len(self._bytes) - len(_MAGIC)) // _RECORD.size

    def __len__(self) -> int:
        """The number of properties."""
        return self._count

    def __enter__(self) -> Self:
        """The table itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; the table can't be asked any more."""
        self._bytes.close()

    def place_of_uprn(self, uprn: str) -> ResolvedPlace | None:
        """Where the property lies, or None if the table has no such UPRN."""
        digits = lookup_uprn(uprn)
        if digits is None:
            return None
        wanted, low, high = int(digits), 0, self._count
        while low < high:
            middle = (low + high) // 2
            found, easting_cm, northing_cm = self._record(middle)
            if found == wanted:
                return ResolvedPlace(GridPoint(easting_cm / 100, northing_cm / 100), UPRN_RADIUS_M)
            low, high = (middle + 1, high) if found < wanted else (low, middle)
        return None

    def _record(self, number: int) -> tuple[int, int, int]:
        uprn, easting_cm, northing_cm = _RECORD.unpack_from(self._bytes, len(_MAGIC) + number * _RECORD.size)
        return uprn, easting_cm, northing_cm
