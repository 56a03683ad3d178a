"""Coordinate systems: WGS84, OSGB36 / British National Grid, Irish Grid, and the fixed way from one to another.

The operations are written out instead of chosen by PROJ, which takes the best grid that the machine happens to have:
two nodes must never place one point on two sides of a border. Accuracy by EPSG 1314 (2 m) and EPSG 1641 (1 m).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer
from pyproj.enums import TransformDirection

_TO_BRITISH_GRID = Transformer.from_pipeline(
    "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad"
    " +step +proj=push +v_3 +step +proj=cart +ellps=WGS84"
    " +step +inv +proj=helmert +x=446.448 +y=-125.157 +z=542.06 +rx=0.15 +ry=0.247 +rz=0.842 +s=-20.489"
    " +convention=position_vector"
    " +step +inv +proj=cart +ellps=airy +step +proj=pop +v_3"
    " +step +proj=tmerc +lat_0=49 +lon_0=-2 +k=0.9996012717 +x_0=400000 +y_0=-100000 +ellps=airy"
)
_TO_IRISH_GRID = Transformer.from_pipeline(
    "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad"
    " +step +proj=push +v_3 +step +proj=cart +ellps=WGS84"
    " +step +inv +proj=helmert +x=482.5 +y=-130.6 +z=564.6 +rx=-1.042 +ry=-0.214 +rz=-0.631 +s=8.15"
    " +convention=position_vector"
    " +step +inv +proj=cart +a=6377340.189 +rf=299.3249646 +step +proj=pop +v_3"
    " +step +proj=tmerc +lat_0=53.5 +lon_0=-8 +k=1.000035 +x_0=200000 +y_0=250000 +a=6377340.189 +rf=299.3249646"
)


class Grid(StrEnum):
    """The two metric grids that a sender may use; always named by the sender."""

    OSGB = "osgb"
    IRISH = "irish"


@dataclass(frozen=True, slots=True)
class GeoPoint:
    """WGS84, degrees; east and north positive."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class GridPoint:
    """OSGB36 / British National Grid (EPSG:27700), metres. The system that all geometry is kept in."""

    easting: float
    northing: float

    def distance_to(self, other: GridPoint) -> float:
        """Metres in the plane of the grid; within 0.1 % of the ground distance in the United Kingdom."""
        return float(np.hypot(self.easting - other.easting, self.northing - other.northing))


def to_grid(lat: float, lon: float) -> GridPoint:
    """WGS84 degrees to the British National Grid."""
    return GridPoint(*_TO_BRITISH_GRID.transform(lon, lat))


def to_wgs84(point: GridPoint) -> GeoPoint:
    """The British National Grid to WGS84 degrees."""
    lon, lat = _TO_BRITISH_GRID.transform(point.easting, point.northing, direction=TransformDirection.INVERSE)
    return GeoPoint(lat=lat, lon=lon)


def irish_to_wgs84(easting: float, northing: float) -> GeoPoint:
    """Irish Grid (TM65 or TM75, equal to well under a metre) to WGS84 degrees."""
    lon, lat = _TO_IRISH_GRID.transform(easting, northing, direction=TransformDirection.INVERSE)
    return GeoPoint(lat=lat, lon=lon)


def wgs84_to_irish(lat: float, lon: float) -> tuple[float, float]:
    """WGS84 degrees to Irish Grid easting and northing, metres."""
    easting, northing = _TO_IRISH_GRID.transform(lon, lat)
    return easting, northing


def from_grid(easting: float, northing: float, *, grid: Grid) -> GridPoint:
    """A point of either grid as a point of the British National Grid."""
    if grid is Grid.OSGB:
        return GridPoint(easting, northing)
    geo = irish_to_wgs84(easting, northing)
    return to_grid(geo.lat, geo.lon)


def geometry_to_grid(geometry: Any) -> Any:
    """A shapely geometry (or array of them) from WGS84 (longitude, latitude) to the British National Grid."""
    return shapely.transform(geometry, lambda xy: np.column_stack(_TO_BRITISH_GRID.transform(xy[:, 0], xy[:, 1])))


def geometry_to_wgs84(geometry: Any) -> Any:
    """A shapely geometry (or array of them) from the British National Grid to WGS84 (longitude, latitude)."""
    inverse = TransformDirection.INVERSE
    return shapely.transform(
        geometry, lambda xy: np.column_stack(_TO_BRITISH_GRID.transform(xy[:, 0], xy[:, 1], direction=inverse))
    )
