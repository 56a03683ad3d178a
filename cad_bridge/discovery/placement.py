"""One point against one boundary set: inside, near a border, off the coast, nowhere."""

from __future__ import annotations

from dataclasses import dataclass

from cad_bridge.discovery.answer import Outcome
from cad_bridge.discovery.areas import BoundaryIndex, Neighbour
from cad_bridge.discovery.crs import GridPoint
from cad_bridge.discovery.reasons import Reason, ReasonCode

BORDER_M = 100.0
"""Nearer than this to another service's area, an operator confirms."""
COAST_M = 250.0
"""Nearer than this to an area, a point outside all is off a pier, a quay or a tidal river bank."""
REACH_M = 5000.0
"""Other services within this distance are named."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a point lies in a boundary set."""

    outcome: Outcome
    ods_code: str | None
    border_m: float | None
    neighbours: tuple[Neighbour, ...]
    reasons: tuple[Reason, ...]


def place(point: GridPoint, index: BoundaryIndex, *, uncertainty_m: float) -> Placement:
    """Place a point whose true position is within `uncertainty_m` metres."""
    ods_code = index.holding(point.easting, point.northing)
    if ods_code is None:
        return _outside(point, uncertainty_m, index)
    others = index.neighbours(point, without=ods_code, reach_m=max(REACH_M, uncertainty_m))
    reasons = [Reason(ReasonCode.INSIDE, f"the place lies in the area of {_name(index, ods_code)}")]
    border_m = others[0].distance_m if others else None
    doubt = (*_doubt(others, uncertainty_m, index), *_abroad(point, ods_code, uncertainty_m, index))
    outcome = Outcome.AMBIGUOUS if doubt else Outcome.FOUND
    return Placement(outcome, ods_code, border_m, _near(others, uncertainty_m), (*reasons, *doubt))


def _doubt(others: tuple[Neighbour, ...], uncertainty_m: float, index: BoundaryIndex) -> tuple[Reason, ...]:
    """Why the area that holds the point may not be the right one."""
    if not others or others[0].distance_m > BORDER_M:
        return _coarse(others, uncertainty_m, index)
    near = Reason(ReasonCode.NEAR_BORDER, f"{_begins(others[0], index)}, within {BORDER_M:.0f} m")
    return (near, *_coarse(others, uncertainty_m, index))


def _coarse(others: tuple[Neighbour, ...], uncertainty_m: float, index: BoundaryIndex) -> tuple[Reason, ...]:
    """The input is less precise than the distance to the nearest other area."""
    if not others or others[0].distance_m > uncertainty_m:
        return ()
    text = f"{_begins(others[0], index)}; the place is known to {uncertainty_m:.0f} m only"
    return (Reason(ReasonCode.INPUT_COARSE, text),)


def _begins(neighbour: Neighbour, index: BoundaryIndex) -> str:
    return f"{_name(index, neighbour.ods_code)} begins {neighbour.distance_m:.0f} m away"


def _abroad(point: GridPoint, ods_code: str, uncertainty_m: float, index: BoundaryIndex) -> tuple[Reason, ...]:
    """Inside, but so near to the land border that the place may lie beyond it; no area there says so."""
    reach_m = max(BORDER_M, uncertainty_m)
    if not index.beside_foreign_border(point, reach_m=reach_m):
        return ()
    edge_m = index.edge_distance(ods_code, point)
    if edge_m > reach_m:
        return ()
    text = f"the area ends {edge_m:.0f} m away, beside the border with Ireland: the place may be in the Republic"
    return (Reason(ReasonCode.FOREIGN_BORDER, text),)


def _outside(point: GridPoint, uncertainty_m: float, index: BoundaryIndex) -> Placement:
    others = index.neighbours(point, without=None, reach_m=max(REACH_M, uncertainty_m))
    near = _near(others, uncertainty_m)
    if not others or others[0].distance_m > COAST_M:
        nowhere = Reason(ReasonCode.OUTSIDE_ALL, f"no area within {COAST_M:.0f} m")
        return _nowhere(near, nowhere, *_coarse(others, uncertainty_m, index))
    if index.beside_foreign_border(point):
        text = "outside every area and beside the border with Ireland: the place may be in the Republic"
        return _nowhere(near, Reason(ReasonCode.FOREIGN_BORDER, text), *_coarse(others, uncertainty_m, index))
    return _off_coast(others, uncertainty_m, index)


def _off_coast(others: tuple[Neighbour, ...], uncertainty_m: float, index: BoundaryIndex) -> Placement:
    nearest, rest = others[0], others[1:]
    text = f"outside every area, {nearest.distance_m:.0f} m from {_name(index, nearest.ods_code)}"
    reasons = [Reason(ReasonCode.OFF_COAST, text)]
    margin = max(BORDER_M, uncertainty_m)
    rivals = [other for other in rest if other.distance_m - nearest.distance_m <= margin]
    if rivals:
        rival = f"{_name(index, rivals[0].ods_code)} is {rivals[0].distance_m:.0f} m away"
        reasons.append(Reason(ReasonCode.NEAR_BORDER, f"{rival}, about as near"))
    outcome = Outcome.AMBIGUOUS if rivals else Outcome.APPROXIMATE
    border_m = rest[0].distance_m if rest else None
    return Placement(outcome, nearest.ods_code, border_m, _near(rest, uncertainty_m), tuple(reasons))


def _nowhere(near: tuple[Neighbour, ...], *reasons: Reason) -> Placement:
    return Placement(Outcome.NONE, None, None, near, reasons)


def _near(others: tuple[Neighbour, ...], uncertainty_m: float) -> tuple[Neighbour, ...]:
    return tuple(other for other in others if other.distance_m <= max(REACH_M, uncertainty_m))


def _name(index: BoundaryIndex, ods_code: str) -> str:
    return index.service(ods_code).name
