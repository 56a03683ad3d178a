"""Trust areas from postcodes: every place belongs to the trust of its nearest postcode."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import brotli
import msgpack
import numpy as np
import shapely
from numpy.typing import NDArray

_GREAT_BRITAIN = ("E", "S", "W")
_CELL_SIZES_M = (250.0, 500.0, 1000.0, 2000.0, 4000.0)
_BLOCK = 3


@dataclass(frozen=True)
class Postcodes:
    """Postcodes of Great Britain with a grid reference: text of seven characters, metres, district code."""

    code: NDArray[Any]
    easting: NDArray[Any]
    northing: NDArray[Any]
    district: NDArray[Any]

    def where(self, chosen: NDArray[Any]) -> Postcodes:
        """The postcodes that a boolean or index array chooses."""
        return Postcodes(self.code[chosen], self.easting[chosen], self.northing[chosen], self.district[chosen])

    @property
    def outward(self) -> NDArray[Any]:
        """The outward code, such as ``LS1``."""
        return np.char.strip(self.code.astype("<U4"))


def read_postcodes(directory: Path) -> Postcodes:
    """Read the ``postcodes_*.msgpack.br`` files of the package. Northern Ireland's licence is narrower: left out."""
    columns: dict[str, list[Any]] = {"pcd": [], "laua": [], "oseast1m": [], "osnrth1m": []}
    for file in sorted(directory.glob("postcodes_*.msgpack.br")):
        data = msgpack.unpackb(brotli.decompress(file.read_bytes()), raw=False)["data"]
        for name, values in columns.items():
            values.extend(data[name])
    district = np.array([code if isinstance(code, str) else "" for code in columns["laua"]])
    easting, northing = (_numbers(columns[name]) for name in ("oseast1m", "osnrth1m"))
    usable = np.isin(district.astype("<U1"), _GREAT_BRITAIN) & (easting > 0) & (northing > 0)
    return Postcodes(np.array(columns["pcd"]), easting, northing, district).where(usable)


def digest(directory: Path) -> str:
    """SHA-256 over the data files in the order of their names."""
    running = hashlib.sha256()
    for file in sorted(directory.glob("postcodes_*.msgpack.br")):
        running.update(file.read_bytes())
    return running.hexdigest()


def _numbers(values: list[Any]) -> NDArray[Any]:
    numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
    return np.nan_to_num(numbers, nan=0.0)


def dissolved_cells(easting: NDArray[Any], northing: NDArray[Any], label: NDArray[Any]) -> dict[str, Any]:
    """The union of the nearest-point cells of each label."""
    x, y, names = _one_label_for_each_place(easting, northing, label)
    kept = _near_another_label(x, y, names)
    x, y, names = x[kept], y[kept], names[kept]
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(np.column_stack([x, y])), ordered=True))
    return {str(name): shapely.coverage_union_all(cells[names == name]) for name in np.unique(names)}


def _one_label_for_each_place(x: NDArray[Any], y: NDArray[Any], label: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Postcodes share places (a block of flats, a sorting office). A place's commonest label wins, then the lower."""
    names, numbers = np.unique(label, return_inverse=True)
    rows, counts = np.unique(np.column_stack([x, y, numbers]), axis=0, return_counts=True)
    order = np.lexsort((rows[:, 2], -counts, rows[:, 1], rows[:, 0]))
    rows = rows[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (rows[1:, :2] != rows[:-1, :2]).any(axis=1)
    rows = rows[first]
    return rows[:, 0], rows[:, 1], names[rows[:, 2].astype(int)]


def _near_another_label(x: NDArray[Any], y: NDArray[Any], names: NDArray[Any]) -> NDArray[Any]:
    """Leaves out points that can't touch a border, which changes nothing in the dissolved cells.

    Where every square of a block of seven by seven holds points, all of one label, the points of the middle square have
    no neighbour outside the block: the empty circle through two neighbours can't hold a whole square.
    """
    _, numbers = np.unique(names, return_inverse=True)
    kept = np.ones(len(x), dtype=bool)
    for size in _CELL_SIZES_M:
        kept &= ~_in_uniform_block(x, y, numbers, size)
    return kept


def _in_uniform_block(x: NDArray[Any], y: NDArray[Any], numbers: NDArray[Any], size: float) -> NDArray[Any]:
    column = (x // size).astype(int) + _BLOCK
    row = (y // size).astype(int) + _BLOCK
    shape = (column.max() + _BLOCK + 1, row.max() + _BLOCK + 1)
    lowest = np.full(shape, np.iinfo(np.int32).max, dtype=np.int32)
    highest = np.full(shape, -1, dtype=np.int32)
    np.minimum.at(lowest, (column, row), numbers)
    np.maximum.at(highest, (column, row), numbers)
    uniform = lowest == highest
    good = uniform.copy()
    for dx in range(-_BLOCK, _BLOCK + 1):
        for dy in range(-_BLOCK, _BLOCK + 1):
            good &= np.roll(uniform, (dx, dy), (0, 1)) & (np.roll(lowest, (dx, dy), (0, 1)) == lowest)
    return good[column, row]
