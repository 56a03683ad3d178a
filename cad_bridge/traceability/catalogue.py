"""The numbered requirements, and those that are not this software's to meet. Reads packaged files only."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files

_FOLDER = files("cad_bridge.traceability")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One numbered requirement of the catalogue.

    Attributes:
        id: such as ``APP4-VS-18``; stable, never reused.
        area: the part of the standard that it belongs to, such as ``APP4-VS``.
        role: ``sender``, ``receiver``, ``both`` or ``user-interface``.
        level: ``MUST``, ``SHOULD`` or ``MAY``.
        scope: ``main``, or ``out`` where the catalogue puts it outside the scope of a bridge.
    """

    id: str
    area: str
    role: str
    level: str
    scope: str


def read_catalogue() -> tuple[Requirement, ...]:
    """All requirements, in the catalogue's order."""
    lines = _FOLDER.joinpath("catalogue.csv").read_text(encoding="ascii").splitlines()
    return tuple(Requirement(**row) for row in csv.DictReader(lines))


def read_areas() -> dict[str, str]:
    """What each area is about, by its key, in the catalogue's order."""
    areas: dict[str, str] = tomllib.loads(_FOLDER.joinpath("areas.toml").read_text(encoding="utf-8"))
    return areas


def read_not_ours(catalogue: tuple[Requirement, ...]) -> dict[str, str]:
    """The reason for each requirement that no behaviour of this software can meet, by requirement id.

    Raises:
        ValueError: a pattern fits no requirement, or two reasons claim the same one.
    """
    stated = tomllib.loads(_FOLDER.joinpath("not_ours.toml").read_text(encoding="utf-8"))
    reasons: dict[str, str] = {}
    for entry in stated["reason"]:
        for pattern in entry["requirements"]:
            for requirement_id in _fitting(pattern, catalogue):
                if requirement_id in reasons:
                    raise ValueError(f"not_ours.toml gives two reasons for {requirement_id}")
                reasons[requirement_id] = entry["why"]
    return reasons


def _fitting(pattern: str, catalogue: tuple[Requirement, ...]) -> list[str]:
    fitting = [requirement.id for requirement in catalogue if fnmatchcase(requirement.id, pattern)]
    if not fitting:
        raise ValueError(f"not_ours.toml names {pattern}, which fits no requirement")
    return fitting
