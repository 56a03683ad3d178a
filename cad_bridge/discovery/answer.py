"""The answer to a question of where: contract of ``GET /api/v1/discovery`` (``docs/discovery.md``)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cad_bridge.discovery.areas import Neighbour
from cad_bridge.discovery.readings import Reading
from cad_bridge.discovery.reasons import Reason, ReasonCode


class Outcome(StrEnum):
    """What a question came to."""

    FOUND = "found"
    AMBIGUOUS = "ambiguous"
    APPROXIMATE = "approximate"
    NONE = "none"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsibleAst:
    """The ambulance service that answers, and its service id for out-of-area referrals where the catalogue has one."""

    ods_code: str
    name: str
    service_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryAnswer:
    """Who is responsible at a place, how sure that is, and why. Holds a location: show it, don't log it."""

    outcome: Outcome
    ast: ResponsibleAst | None
    border_m: float | None
    """Metres to the nearest area of another service."""
    neighbours: tuple[Neighbour, ...]
    reasons: tuple[Reason, ...]
    boundary_version: str
    readings: tuple[Reading, ...] = ()
    """What each source said; empty if the question was rejected before they could be compared."""

    @property
    def is_certain(self) -> bool:
        """Whether no person need look: found, with no warning about the sources."""
        return self.outcome is Outcome.FOUND and not self.has(ReasonCode.SOURCES_DISAGREE)

    def has(self, code: ReasonCode) -> bool:
        """Whether one of the reasons has this code."""
        return any(reason.code is code for reason in self.reasons)

    def as_dict(self) -> dict[str, Any]:
        """The JSON of the contract; distances rounded to 0.1 m."""
        return {
            "outcome": str(self.outcome),
            "ast": _ast_as_dict(self.ast),
            "border_m": None if self.border_m is None else round(self.border_m, 1),
            "neighbours": [
                {"ods_code": neighbour.ods_code, "distance_m": round(neighbour.distance_m, 1)}
                for neighbour in self.neighbours
            ],
            "reasons": [str(reason) for reason in self.reasons],
            "boundary_version": self.boundary_version,
        }


def _ast_as_dict(ast: ResponsibleAst | None) -> dict[str, Any] | None:
    if ast is None:
        return None
    return {"ods_code": ast.ods_code, "name": ast.name, "service_id": ast.service_id}
