"""Reading boundary files: GeoJSON and GeoPackage, in WGS84 or OSGB36, into British National Grid metres.

The coordinate system is named or told by the file, and checked against the numbers: a wrong one moves a border by
hundreds of kilometres, not by a little.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import shapely

from cad_bridge.discovery.crs import geometry_to_grid

_ENVELOPE_BYTES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_EPSG = {4326: "wgs84", 27700: "osgb"}
_WGS84_BOX = (-15.0, 45.0, 10.0, 65.0)
_OSGB_BOX = (-300_000.0, -300_000.0, 900_000.0, 1_400_000.0)


class FileCrs(StrEnum):
    """The coordinate systems that a boundary file may be in."""

    WGS84 = "wgs84"
    OSGB = "osgb"


class BoundaryFileError(Exception):
    """A boundary file can't be read as what it is said to be."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a boundary file, its geometry in British National Grid metres."""

    properties: dict[str, Any]
    geometry: Any

    def text(self, field: str) -> str:
        """A property as text without blanks round it; empty if it is absent."""
        value = self.properties.get(field)
        return "" if value is None else str(value).strip()


def read_features(path: Path, crs: FileCrs | None = None, *, having: str | None = None) -> tuple[Feature, ...]:
    """All features of a ``.geojson``/``.json`` or ``.gpkg`` file, each with a text in the field `having`.

    Without `crs`, GeoJSON is WGS84 (RFC 7946) unless its old ``crs`` member says otherwise, and a GeoPackage says it
    itself.

    Raises:
        BoundaryFileError: unreadable, another coordinate system, coordinates that lie nowhere near the United
        Kingdom, or a feature without that field.
    """
    found = _read_geopackage(path) if path.suffix.lower() == ".gpkg" else _read_geojson(path)
    pairs = [(Feature(properties, geometry), own) for properties, geometry, own in found]
    if not pairs:
        raise BoundaryFileError(f"{path.name} has no features")
    if having is not None:
        _require(having, [feature for feature, _ in pairs], path.name)
    return tuple(
        Feature(feature.properties, _to_grid(feature.geometry, crs or own, path.name)) for feature, own in pairs
    )


def _require(field: str, features: list[Feature], name: str) -> None:
    lacking = [number for number, feature in enumerate(features, start=1) if not feature.text(field)]
    if lacking:
        there = ", ".join(sorted({known for feature in features for known in feature.properties}))
        numbers = ", ".join(str(number) for number in lacking[:10])
        raise BoundaryFileError(f"{name}: no {field} in {len(lacking)} features ({numbers}); there are: {there}")


def _to_grid(geometry: Any, crs: FileCrs, name: str) -> Any:
    flat = shapely.force_2d(geometry)
    if not flat.is_empty and not _plausible(flat.bounds, crs):
        raise BoundaryFileError(
            f"{name}: coordinates are not {crs} ones of the United Kingdom; is the other crs meant?"
        )
    return geometry_to_grid(flat) if crs is FileCrs.WGS84 else flat


def _plausible(bounds: tuple[float, float, float, float], crs: FileCrs) -> bool:
    """Whether bounds can be of that system. Degrees taken for metres would all lie at the origin of the grid."""
    west, south, east, north = bounds
    min_x, min_y, max_x, max_y = _WGS84_BOX if crs is FileCrs.WGS84 else _OSGB_BOX
    if crs is FileCrs.OSGB and max(abs(west), abs(south), abs(east), abs(north)) < 1000:
        return False
    return min_x <= west and min_y <= south and east <= max_x and north <= max_y


def _read_geojson(path: Path) -> list[tuple[dict[str, Any], Any, FileCrs]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        features = document["features"]
        crs = _geojson_crs(document)
        return [(dict(item["properties"] or {}), _shape(item["geometry"]), crs) for item in features]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, shapely.GEOSException) as fault:
        raise BoundaryFileError(f"{path.name} is not a readable GeoJSON feature collection") from fault


def _shape(geometry: dict[str, Any] | None) -> Any:
    return shapely.Polygon() if geometry is None else shapely.geometry.shape(geometry)


def _geojson_crs(document: dict[str, Any]) -> FileCrs:
    """GeoJSON is WGS84; files from before RFC 7946 may name another system."""
    name = str((document.get("crs") or {}).get("properties", {}).get("name", ""))
    if not name or name.endswith(("CRS84", ":4326")):
        return FileCrs.WGS84
    if name.endswith(":27700"):
        return FileCrs.OSGB
    raise ValueError("unknown crs member")


def _read_geopackage(path: Path) -> list[tuple[dict[str, Any], Any, FileCrs]]:
    if not path.is_file():
        raise BoundaryFileError(f"{path.name} does not exist")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return list(_geopackage_rows(connection))
    except (sqlite3.Error, ValueError, KeyError, TypeError, shapely.GEOSException) as fault:
        raise BoundaryFileError(f"{path.name} is not a readable GeoPackage in WGS84 or OSGB36") from fault


def _geopackage_rows(connection: sqlite3.Connection) -> Iterator[tuple[dict[str, Any], Any, FileCrs]]:
    layers = connection.execute(
        "SELECT g.table_name, g.column_name, s.organization_coordsys_id FROM gpkg_geometry_columns g"
        " JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id"
    ).fetchall()
    if len(layers) != 1:
        raise ValueError("exactly one layer is expected")
    table, column, epsg = layers[0]
    cursor = connection.execute(f"SELECT * FROM {_quoted(table)}")  # noqa: S608 - the name is quoted
    names = [description[0] for description in cursor.description]
    for row in cursor:
        properties = dict(zip(names, row, strict=True))
        yield properties, _geopackage_geometry(properties.pop(column)), FileCrs(_EPSG[epsg])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _geopackage_geometry(blob: bytes | None) -> Any:
    """A GeoPackage geometry: a header of 8 bytes and an envelope before plain WKB (OGC 12-128r18, 2.1.3)."""
    if blob is None:
        return shapely.Polygon()
    if blob[:2] != b"GP":
        raise ValueError("not a GeoPackage geometry")
    envelope = (blob[3] >> 1) & 0b111
    return shapely.from_wkb(blob[8 + _ENVELOPE_BYTES[envelope] :])
