"""Ground for tests: three square areas with a known layout, in British National Grid metres.

AAA and BBB share the line easting 420 000; CCC lies across a river 300 m wide north of AAA. A foreign border runs along
the west side of AAA.

    northing 340 300 +---------+
                     |   CCC   |
             320 300 +---------+   river
             320 000 +---------+---------+
                     |   AAA   |   BBB   |
             300 000 +---------+---------+
                  400 000   420 000   440 000
"""

from __future__ import annotations

from typing import Any

import shapely

from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.boundary_set import AmbulanceService, BoundarySet, Provenance, ordered_set
from cad_bridge.discovery.crs import GridPoint

SHIFT_M = 20_000.0


def service(ods_code: str) -> AmbulanceService:
    return AmbulanceService(ods_code=ods_code, short_name=ods_code, name=f"{ods_code} Ambulance Service")


def squares() -> dict[str, Any]:
    return {
        "AAA": shapely.box(400_000, 300_000, 420_000, 320_000),
        "BBB": shapely.box(420_000, 300_000, 440_000, 320_000),
        "CCC": shapely.box(400_000, 320_300, 420_000, 340_300),
    }


def ground(*, name: str = "ground", operational: bool = True, areas: dict[str, Any] | None = None) -> BoundarySet:
    named = squares() if areas is None else areas
    return ordered_set(
        {service(code): area for code, area in named.items()},
        provenance=Provenance(name=name, attribution="nobody", licence="none", operational=operational),
        foreign_border=shapely.MultiLineString([[(400_000, 300_000), (400_000, 315_000)]]),
        tolerance_m=1000.0,
    )


def index(**kwargs: Any) -> BoundaryIndex:
    return BoundaryIndex(ground(**kwargs))


def at(easting: float, northing: float) -> GridPoint:
    return GridPoint(easting, northing)
