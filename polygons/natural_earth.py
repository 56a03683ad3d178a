"""Coast and the Irish border from Natural Earth (public domain), as packed in the npm package ``world-atlas``."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

_MEMBER = "package/countries-10m.json"
_UNITED_KINGDOM = "826"
_IRELAND = "372"


@dataclass(frozen=True)
class NaturalEarth:
    """Land of the United Kingdom and the line that it shares with Ireland, WGS84 (longitude, latitude)."""

    united_kingdom: tuple[Any, ...]
    irish_border: Any


def read_world_atlas(package: Path) -> NaturalEarth:
    """Read the package as ``npm pack`` leaves it. Arcs that both countries are made of are their border."""
    with tarfile.open(package) as archive:
        member = archive.extractfile(_MEMBER)
        if member is None:
            raise ValueError(f"{_MEMBER} is not in the package")
        topology = json.load(member)
    arcs = _decoded_arcs(topology)
    countries = {country.get("id"): country for country in topology["objects"]["countries"]["geometries"]}
    common = _arc_numbers(countries[_UNITED_KINGDOM]) & _arc_numbers(countries[_IRELAND])
    border = shapely.multilinestrings([shapely.LineString(arcs[number]) for number in sorted(common)])
    return NaturalEarth(tuple(_polygons(countries[_UNITED_KINGDOM], arcs)), border)


def _decoded_arcs(topology: dict[str, Any]) -> list[Any]:
    """TopoJSON arcs are differences of whole numbers, to be summed, scaled and moved."""
    scale, move = np.array(topology["transform"]["scale"]), np.array(topology["transform"]["translate"])
    return [np.cumsum(np.array(arc), axis=0) * scale + move for arc in topology["arcs"]]


def _polygon_arcs(country: dict[str, Any]) -> list[list[list[int]]]:
    return country["arcs"] if country["type"] == "MultiPolygon" else [country["arcs"]]


def _arc_numbers(country: dict[str, Any]) -> set[int]:
    """Numbers of a country's arcs; ``~n`` is arc n walked backwards."""
    return {max(number, ~number) for polygon in _polygon_arcs(country) for ring in polygon for number in ring}


def _polygons(country: dict[str, Any], arcs: list[Any]) -> list[Any]:
    polygons = []
    for rings in _polygon_arcs(country):
        outline, *holes = [_ring(numbers, arcs) for numbers in rings]
        polygons.append(shapely.make_valid(shapely.Polygon(outline, holes)))
    return polygons


def _ring(numbers: list[int], arcs: list[Any]) -> Any:
    pieces = [arcs[number] if number >= 0 else arcs[~number][::-1] for number in numbers]
    return np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])
