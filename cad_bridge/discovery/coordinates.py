"""Coordinates as people and systems send them: checked, never corrected.

A swapped pair, a place outside the United Kingdom, a grid value that is none: rejected with the reason (hazard H04,
defects S1 and S2). What only shows against a second source (a lost minus sign, the other grid) is `cross_check`'s part.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from cad_bridge.discovery.crs import GeoPoint, Grid, GridPoint, from_grid, to_grid, to_wgs84
from cad_bridge.discovery.reasons import ReasonCode, RejectionError

Number = str | int | float | Decimal
"""Text keeps the precision that was typed; a float has lost it."""

_UK_LATITUDES = (49.0, 61.0)
_UK_LONGITUDES = (-9.0, 3.0)
_GRID_LIMITS = {Grid.OSGB: (700_000.0, 1_300_000.0), Grid.IRISH: (500_000.0, 500_000.0)}
_METRES_PER_DEGREE = 111_320.0
_DECIMAL = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,20})?\Z")
_NON_FINITE = re.compile(r"[+-]?(nan|inf|infinity)\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Position:
    """A checked position with the radius in metres within which the true place lies, as far as its digits say."""

    point: GridPoint
    geo: GeoPoint
    uncertainty_m: float


def in_uk_box(lat: float, lon: float) -> bool:
    """Whether WGS84 degrees lie in latitude 49..61, longitude -9..3 (defects S1)."""
    return _UK_LATITUDES[0] <= lat <= _UK_LATITUDES[1] and _UK_LONGITUDES[0] <= lon <= _UK_LONGITUDES[1]


def read_number(value: Number, name: str) -> Decimal:
    """A decimal number with the digits that were sent.

    Raises:
        RejectionError: `not-finite` for NaN and infinities, `not-a-number` for everything else that is no plain
        decimal.
    """
    if isinstance(value, bool):
        raise RejectionError(ReasonCode.NOT_A_NUMBER, f"{name} is no decimal number")
    text = str(value).strip()
    if _NON_FINITE.match(text):
        raise RejectionError(ReasonCode.NOT_FINITE, f"{name} is not finite")
    if isinstance(value, str) and not _DECIMAL.match(text):
        raise RejectionError(ReasonCode.NOT_A_NUMBER, f"{name} is no decimal number")
    try:
        return Decimal(text)
    except InvalidOperation as fault:
        raise RejectionError(ReasonCode.NOT_A_NUMBER, f"{name} is no decimal number") from fault


def read_wgs84(lat: Number, lon: Number) -> Position:
    """Latitude and longitude in WGS84 degrees.

    Raises:
        RejectionError: not numbers, `swapped`, or `outside-uk`.
    """
    latitude, longitude = read_number(lat, "latitude"), read_number(lon, "longitude")
    north, east = float(latitude), float(longitude)
    if not in_uk_box(north, east):
        raise _outside_uk(north, east)
    half_lat = _half_unit(latitude, lat) * _METRES_PER_DEGREE
    half_lon = _half_unit(longitude, lon) * _METRES_PER_DEGREE * math.cos(math.radians(north))
    return Position(to_grid(north, east), GeoPoint(lat=north, lon=east), math.hypot(half_lat, half_lon))


def read_grid(easting: Number, northing: Number, *, crs: str | None) -> Position:
    """Easting and northing in metres of the grid that the sender names.

    Raises:
        RejectionError: `crs-missing`, `crs-unknown`, not numbers, `grid-absurd`, or `outside-uk`.
    """
    grid = _read_crs(crs)
    east, north = read_number(easting, "easting"), read_number(northing, "northing")
    x, y = float(east), float(north)
    limit_x, limit_y = _GRID_LIMITS[grid]
    if not (0 <= x <= limit_x and 0 <= y <= limit_y) or (x < 1000 and y < 1000):
        raise RejectionError(ReasonCode.GRID_ABSURD, _absurdity(grid, x, y))
    point = from_grid(x, y, grid=grid)
    geo = to_wgs84(point)
    if not in_uk_box(geo.lat, geo.lon):
        raise RejectionError(ReasonCode.OUTSIDE_UK, f"easting {x:g}, northing {y:g} ({grid}) lies outside the UK")
    return Position(point, geo, _grid_uncertainty(east, north, exact=not isinstance(easting, str)))


def read_uncertainty(value: float | None) -> float:
    """A radius in metres that came with a position; none counts as 0.

    Raises:
        RejectionError: negative or not finite.
    """
    if value is None:
        return 0.0
    if not math.isfinite(value) or value < 0:
        raise RejectionError(ReasonCode.UNCERTAINTY_ABSURD, "the uncertainty is negative or not finite")
    return float(value)


def _read_crs(crs: str | None) -> Grid:
    if crs is None or not crs.strip():
        raise RejectionError(ReasonCode.CRS_MISSING, "easting and northing need crs=osgb or crs=irish")
    try:
        return Grid(crs.strip().lower())
    except ValueError as fault:
        raise RejectionError(ReasonCode.CRS_UNKNOWN, "crs is neither osgb nor irish") from fault


def _outside_uk(lat: float, lon: float) -> RejectionError:
    if in_uk_box(lon, lat):
        text = (
            f"as given (latitude {lat:g}, longitude {lon:g}) the place is outside the UK; "
            f"exchanged (latitude {lon:g}, longitude {lat:g}) it is inside. Confirm which is meant"
        )
        return RejectionError(ReasonCode.SWAPPED, text)
    text = f"latitude {lat:g}, longitude {lon:g} is outside 49..61, -9..3"
    if in_uk_box(lat, -lon):
        text += "; with the other sign of the longitude it is inside"
    return RejectionError(ReasonCode.OUTSIDE_UK, text)


def _absurdity(grid: Grid, x: float, y: float) -> str:
    limit_x, limit_y = _GRID_LIMITS[grid]
    said = f"easting {x:g}, northing {y:g} is off the {grid} grid"
    if in_uk_box(x, y) or in_uk_box(y, x):
        return f"{said}; it looks like degrees"
    if 0 < x < 1.3 and 0 < y < 1.3:
        return f"{said}; it looks like metres divided by a million"
    if 0 <= y <= limit_x and 0 <= x <= limit_y:
        return f"{said}; exchanged it is on the grid"
    return said


def _half_unit(number: Decimal, given: Number) -> float:
    """Half a unit of the last digit that was typed; 0 for a float, whose digits nobody typed."""
    if not isinstance(given, str):
        return 0.0
    exponent = number.as_tuple().exponent
    return 0.5 * 10.0 ** int(exponent)


def _grid_uncertainty(east: Decimal, north: Decimal, *, exact: bool) -> float:
    """Grid positions are given to 1, 10, 100 or 1000 m: the zeros that both values end in tell."""
    if exact:
        return 0.0
    unit = Decimal(1).scaleb(min(int(east.as_tuple().exponent), int(north.as_tuple().exponent)))
    while unit < 10_000 and east % (10 * unit) == 0 and north % (10 * unit) == 0:
        unit *= 10
    return math.hypot(float(unit) / 2, float(unit) / 2)
