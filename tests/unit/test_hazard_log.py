"""The hazard log names controls and tests, and every test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOG = (ROOT / "docs" / "safety" / "hazard-log.md").read_text(encoding="utf-8")
HAZARDS = tuple(f"H0{number}" for number in range(1, 10))
_TEST = re.compile(r"^- `(tests/[\w/]+\.py)::(test_\w+)`$", re.MULTILINE)


def section(hazard: str) -> str:
    """What the log says of one hazard."""
    _, _, after = LOG.partition(f"\n## {hazard} ")
    return after.partition("\n## ")[0]


@pytest.mark.parametrize(
    "hazard", [pytest.param(hazard, marks=pytest.mark.req(f"HAZ-{hazard}-01")) for hazard in HAZARDS]
)
def test_each_hazard_has_causes_controls_and_tests(hazard: str) -> None:
    said = section(hazard)
    assert all(heading in said for heading in ("**Causes.**", "**Controls.**", "Initial: ", "Residual: "))
    assert _TEST.findall(said)


@pytest.mark.parametrize("named", sorted(set(_TEST.findall(LOG))), ids=lambda named: named[1])
def test_each_test_that_is_named_exists(named: tuple[str, str]) -> None:
    path, name = named
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in found
