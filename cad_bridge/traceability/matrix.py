"""The matrix: every requirement as shown, not shown, or not this software's to meet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from cad_bridge.traceability.catalogue import Requirement, read_catalogue, read_not_ours
from cad_bridge.traceability.collection import collect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MOST_IDS_ON_ONE_TEST = 3
"""A test that claims to show more shows none of them in particular."""


class Status(StrEnum):
    """Where a requirement stands."""

    SHOWN = "shown"
    NOT_SHOWN = "not-shown"
    NOT_OURS = "not-ours"


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement and the tests that name it (ids as pytest writes them); the reason where it is not shown."""

    requirement: Requirement
    status: Status
    tests: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """All requirements in the catalogue's order, and what is wrong with the marks (nothing, in a sound checkout)."""

    rows: tuple[Row, ...]
    faults: tuple[str, ...]

    def counts(self, area: str | None = None) -> dict[Status, int]:
        """How many requirements stand where, in one area or in all."""
        rows = [row for row in self.rows if area in (None, row.requirement.area)]
        return {status: sum(row.status is status for row in rows) for status in Status}


def matrix(root: Path) -> Matrix:
    """The matrix of a checkout.

    Args:
        root: the folder with ``pyproject.toml`` and ``tests/``.

    Raises:
        TestsUnavailableError: there is no checkout there, or its tests cannot be collected.
    """
    return build_matrix(collect(root))


def build_matrix(named: Mapping[str, tuple[str, ...]]) -> Matrix:
    """The matrix for tests that are given with the requirement ids they name."""
    catalogue = read_catalogue()
    not_ours = read_not_ours(catalogue)
    tests_of: dict[str, list[str]] = {requirement.id: [] for requirement in catalogue}
    for test, ids in named.items():
        for requirement_id in ids:
            tests_of.setdefault(requirement_id, []).append(test)
    rows = tuple(_row(requirement, tuple(tests_of[requirement.id]), not_ours) for requirement in catalogue)
    return Matrix(rows, tuple(_faults(named, tests_of, not_ours)))


def _row(requirement: Requirement, tests: tuple[str, ...], not_ours: Mapping[str, str]) -> Row:
    if tests:
        return Row(requirement, Status.SHOWN, tests, "")
    if requirement.id in not_ours:
        return Row(requirement, Status.NOT_OURS, (), not_ours[requirement.id])
    return Row(requirement, Status.NOT_SHOWN, (), "no test names it")


def _faults(
    named: Mapping[str, tuple[str, ...]], tests_of: Mapping[str, list[str]], not_ours: Mapping[str, str]
) -> Iterator[str]:
    known = {requirement.id for requirement in read_catalogue()}
    for test, ids in named.items():
        yield from (f"{test} names {found}, which no requirement has" for found in ids if found not in known)
        if len(ids) > MOST_IDS_ON_ONE_TEST:
            yield f"{test} names {len(ids)} requirements, more than {MOST_IDS_ON_ONE_TEST}"
    for found in not_ours:
        yield from (f"{test} names {found}, which not_ours.toml says is not ours" for test in tests_of[found])


def as_json(whole: Matrix) -> dict[str, Any]:
    """The matrix as ``cad-bridge requirements --json`` prints it; a reason is an empty text where there is none."""
    return {
        "requirements": [
            {
                "id": row.requirement.id,
                "level": row.requirement.level,
                "role": row.requirement.role,
                "status": row.status.value,
                "tests": list(row.tests),
                "reason": row.reason,
            }
            for row in whole.rows
        ]
    }
