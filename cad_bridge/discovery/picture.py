"""A picture of a boundary set and of what a check found in it: SVG, no library, no network."""

from __future__ import annotations

import colorsys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape

import shapely

from cad_bridge.discovery.check import CheckReport, FindingKind

_WIDTH = 900.0
_MARGIN_M = 10_000.0
_SIMPLIFY_M = 400.0
_SPOT_PIXELS = 6.0
_LINE = 16.0
_CHARACTERS = 140
_MARKS = {FindingKind.OVERLAP: "#d4351c", FindingKind.GAP: "#f47738", FindingKind.INVALID: "#4c2c92"}


def draw(areas: Iterable[tuple[str, Any]], report: CheckReport, *, caption: Sequence[str] = ()) -> str:
    """The areas in muted colours with their codes; overlaps red, gaps orange, invalid areas violet, ringed.

    `caption`: lines below them, such as whom the data is owed to and what it may not be used for.
    """
    named = [(code, geometry) for code, geometry in areas if not geometry.is_empty]
    frame = _frame([geometry for _, geometry in named])
    body = [
        *(_area(code, geometry, number, frame) for number, (code, geometry) in enumerate(named)),
        *(_label(code, geometry, frame) for code, geometry in named),
        *(_mark(finding.geometry, _MARKS[finding.kind], frame) for finding in report.findings if finding.geometry),
    ]
    west, south, east, north = frame
    ground = _WIDTH * (north - south) / (east - west)
    lines = [line for text in caption for line in textwrap.wrap(text, _CHARACTERS)]
    height = ground + _LINE * (len(lines) + 1) if lines else ground
    body += [_caption(line, ground + _LINE * number) for number, line in enumerate(lines, start=1)]
    title = escape(f"{len(named)} areas, {len(report.findings)} findings")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img">'
    return "\n".join([head, f"<title>{title}</title>", *body, "</svg>"]) + "\n"


def _caption(line: str, y: float) -> str:
    return f'<text x="{_LINE:.0f}" y="{y:.1f}" font-size="11" font-family="sans-serif">{escape(line)}</text>'


def _frame(geometries: list[Any]) -> tuple[float, float, float, float]:
    if not geometries:
        return (0.0, 0.0, 1.0, 1.0)
    west, south, east, north = shapely.total_bounds(geometries)
    return (west - _MARGIN_M, south - _MARGIN_M, east + _MARGIN_M, north + _MARGIN_M)


def _area(code: str, geometry: Any, number: int, frame: tuple[float, float, float, float]) -> str:
    path = _path(shapely.simplify(geometry, _SIMPLIFY_M), frame)
    return (
        f'<path d="{path}" fill="{_colour(number)}" stroke="#505a5f" stroke-width="0.5" fill-rule="evenodd">'
        f"<title>{escape(code)}</title></path>"
    )


def _colour(number: int) -> str:
    """A pale colour, far in hue from those of the numbers next to it (steps of the golden angle)."""
    red, green, blue = colorsys.hls_to_rgb(number * 0.381966 % 1.0, 0.8, 0.45)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _label(code: str, geometry: Any, frame: tuple[float, float, float, float]) -> str:
    largest = max(shapely.get_parts(geometry), key=lambda part: part.area)
    x, y = _pixels(largest.representative_point().coords[0], frame)
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" font-family="sans-serif">{escape(code)}</text>'


def _mark(geometry: Any, colour: str, frame: tuple[float, float, float, float]) -> str:
    x, y = _pixels((geometry.centroid.x, geometry.centroid.y), frame)
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_SPOT_PIXELS}" fill="none" stroke="{colour}" stroke-width="2"/>'
    polygons = shapely.multipolygons([part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"])
    return f'<path d="{_path(polygons, frame)}" fill="{colour}"/>{ring}'


def _path(geometry: Any, frame: tuple[float, float, float, float]) -> str:
    rings = shapely.get_rings(shapely.get_parts(geometry))
    return "".join(_ring_path(shapely.get_coordinates(ring), frame) for ring in rings)


def _ring_path(coordinates: Any, frame: tuple[float, float, float, float]) -> str:
    points = " ".join("{:.1f},{:.1f}".format(*_pixels(point, frame)) for point in coordinates)
    return f"M{points}Z"


def _pixels(point: Any, frame: tuple[float, float, float, float]) -> tuple[float, float]:
    west, _, east, north = frame
    scale = _WIDTH / (east - west)
    return (point[0] - west) * scale, (north - point[1]) * scale
