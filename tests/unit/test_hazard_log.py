"""The hazard log names controls and tests, and every test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cad_bridge.traceability.catalogue import read_catalogue

ROOT = Path(__file__).resolve().parents[2]
LOG = (ROOT / "docs" / "safety" / "hazard-log.md").read_text(encoding="utf-8")
HAZARDS = tuple(f"H0{number}" for number in range(1, 10))
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


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


@pytest.mark.req("HAZ-GEN-01")
def test_the_safety_case_was_reviewed_and_what_it_derives_is_required_here() -> None:
    declared = " ".join(LOG.partition("## Declaration")[2].partition("\n## ")[0].split())
    assert "The BaRS clinical safety case and its hazard log" in declared
    assert "were reviewed" in declared
    derived = [row.id for row in read_catalogue() if re.fullmatch(r"HAZ-H\d\d-\d\d", row.id)]
    assert len(derived) > 40
    assert {f"## {name.split('-')[1]} " for name in derived} <= set(re.findall(r"^## H\d\d ", LOG, re.MULTILINE))


@pytest.mark.req("CORE-REN-10")
def test_whose_duty_safe_display_is_is_said() -> None:
    declared = " ".join(LOG.partition("## Declaration")[2].partition("\n## ")[0].split())
    assert "The supplier of the receiving side is responsible for the safe display" in declared


@pytest.mark.req("CORE-REN-03")
def test_every_view_is_assessed() -> None:
    views = LOG.partition("\n## Views")[2]
    rows = [line for line in views.splitlines() if line.startswith("| `")]
    assessed = {name for line in rows for name in re.findall(r"`(\w+\.html)`", line.split("|")[1])}
    templates = ROOT / "cad_bridge" / "web" / "board" / "templates"
    frames = {"layout.html", "framed.html", "macros.html"}
    assert assessed == {path.name for path in templates.glob("*.html")} - frames
    assert all(len(_TEST.findall(line)) == 1 and len(line.split("|")) == 6 for line in rows)
