"""The boundary index: which area holds a point, and how far the others are. Immutable, safe to share between threads.

A bounding box test in plain Python, then a prepared geometry: for fourteen areas that beats a tree, whose single
answers cost more than the whole walk. Areas are tried in the order of their ODS codes, which makes the lower code
the primary on a shared border.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely import STRtree, intersects_xy

from cad_bridge.discovery.boundary_set import AmbulanceService, BoundarySet, Provenance
from cad_bridge.discovery.crs import GridPoint, to_grid

_CHUNK_VERTICES = 64


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A service near a point and the metres to its area (0 inside or on its border)."""

    ods_code: str
    distance_m: float


@dataclass(frozen=True, slots=True, eq=False)
class _Area:
    """One service's area with its bounding box and its outline cut into short pieces for distances."""

    ods_code: str
    box: tuple[float, float, float, float]
    geometry: Any
    outline: STRtree

    def holds(self, x: float, y: float) -> bool:
        """Whether the point is inside or on the border."""
        min_x, min_y, max_x, max_y = self.box
        return min_x <= x <= max_x and min_y <= y <= max_y and bool(intersects_xy(self.geometry, x, y))

    def box_distance(self, x: float, y: float) -> float:
        """Metres to the bounding box: never more than to the area itself."""
        min_x, min_y, max_x, max_y = self.box
        return float(np.hypot(max(min_x - x, 0.0, x - max_x), max(min_y - y, 0.0, y - max_y)))

    def distance(self, x: float, y: float) -> float:
        """Metres to the area; 0 inside or on the border."""
        return 0.0 if self.holds(x, y) else self.edge_distance(x, y)

    def edge_distance(self, x: float, y: float) -> float:
        """Metres to the edge of the area, from inside or outside."""
        _, distances = self.outline.query_nearest(shapely.Point(x, y), return_distance=True, all_matches=False)
        return float(distances[0])


class BoundaryIndex:
    """One boundary set, ready to be asked. Never changes; a new set is a new index (see `BoundaryHolder`)."""

    __slots__ = ("_areas", "_foreign_border", "_foreign_tolerance_m", "_services", "provenance", "version")

    def __init__(self, boundaries: BoundarySet) -> None:
        self.version: str = boundaries.version
        self.provenance: Provenance = boundaries.provenance
        self._services = {service.ods_code: service for service in boundaries.services}
        pairs = zip(boundaries.services, boundaries.areas, strict=True)
        self._areas = tuple(_indexed(service.ods_code, area) for service, area in pairs if not area.is_empty)
        self._foreign_border = shapely.from_wkb(shapely.to_wkb(boundaries.foreign_border))
        shapely.prepare(self._foreign_border)
        self._foreign_tolerance_m = boundaries.foreign_border_tolerance_m

    @property
    def services(self) -> tuple[AmbulanceService, ...]:
        """The services of the set by ODS code."""
        return tuple(self._services.values())

    def service(self, ods_code: str) -> AmbulanceService:
        """The service with this code; `KeyError` if the set has none."""
        return self._services[ods_code]

    def holding(self, easting: float, northing: float) -> str | None:
        """The ODS code of the area that holds a British National Grid point, the lowest of several, or None."""
        for area in self._areas:
            if area.holds(easting, northing):
                return area.ods_code
        return None

    def holding_wgs84(self, lat: float, lon: float) -> str | None:
        """The same for WGS84 degrees."""
        point = to_grid(lat, lon)
        return self.holding(point.easting, point.northing)

    def neighbours(self, point: GridPoint, *, without: str | None, reach_m: float) -> tuple[Neighbour, ...]:
        """All services within `reach_m` but one, and always the nearest of them; nearest first, then by ODS code."""
        x, y = point.easting, point.northing
        candidates = [(area.box_distance(x, y), area) for area in self._areas if area.ods_code != without]
        found: list[Neighbour] = []
        limit = np.inf
        for box_distance, area in sorted(candidates, key=lambda pair: (pair[0], pair[1].ods_code)):
            if box_distance > limit:
                break
            found.append(Neighbour(area.ods_code, area.distance(x, y)))
            limit = max(reach_m, min(neighbour.distance_m for neighbour in found))
        found.sort(key=lambda neighbour: (neighbour.distance_m, neighbour.ods_code))
        return tuple(neighbour for neighbour in found if neighbour.distance_m <= limit)

    def beside_foreign_border(self, point: GridPoint, *, reach_m: float = 0.0) -> bool:
        """Whether land within `reach_m` may be another country's, as along the Irish border."""
        place = shapely.Point(point.easting, point.northing)
        return bool(shapely.dwithin(self._foreign_border, place, self._foreign_tolerance_m + reach_m))

    def edge_distance(self, ods_code: str, point: GridPoint) -> float:
        """Metres from a point to the edge of a service's area, from inside or outside; `KeyError` for no such area."""
        areas = {area.ods_code: area for area in self._areas}
        return areas[ods_code].edge_distance(point.easting, point.northing)


def _indexed(ods_code: str, area: Any) -> _Area:
    """A copy of the area made ready. Asked once before it is shared: GEOS builds its inner index at the first question,
    and two threads must not do that together."""
    geometry = shapely.from_wkb(shapely.to_wkb(area))
    shapely.prepare(geometry)
    inside = geometry.representative_point()
    intersects_xy(geometry, inside.x, inside.y)
    outline = STRtree(_pieces(geometry))
    outline.query_nearest(inside)
    return _Area(ods_code=ods_code, box=tuple(geometry.bounds), geometry=geometry, outline=outline)


def _pieces(geometry: Any) -> list[Any]:
    rings = shapely.get_rings(shapely.get_parts(geometry))
    return [
        shapely.LineString(piece)
        for coordinates in (shapely.get_coordinates(ring) for ring in rings)
        for start in range(0, len(coordinates) - 1, _CHUNK_VERTICES)
        for piece in [coordinates[start : start + _CHUNK_VERTICES + 1]]
    ]
