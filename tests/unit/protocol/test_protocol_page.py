"""docs/protocol.md says what the code does: no row, error, module or verdict is missing there or left over."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from cad_bridge import protocol
from cad_bridge.protocol.answers import Verdict
from cad_bridge.protocol.decision_rows import ROWS
from cad_bridge.protocol.errors import CATALOGUE
from tests.shared_material import SHARED, needs_shared

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")


def cells(heading: str) -> list[list[str]]:
    """The body rows of the first table after a heading."""
    section = PAGE.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_error_stands_on_the_page_as_it_is_given() -> None:
    documented = [(name.strip("`"), status, code, issue) for name, status, code, issue, _ in cells("3.")]
    assert sorted(documented) == [
        (name, str(fault.http_status), fault.code, fault.issue_code) for name, fault in CATALOGUE.items()
    ]


def test_every_decision_row_stands_on_the_page_in_its_order() -> None:
    assert [row[0] for row in cells("5.")] == [row.id for row in ROWS]


def test_the_page_names_the_definition_of_every_row_that_has_one() -> None:
    documented = {row[0]: row[7] for row in cells("5.")}
    for row in ROWS:
        named = row.definition.rsplit("bars-message-servicerequest-")[-1] if row.definition else "-"
        assert documented[row.id] == named


def test_every_verdict_stands_on_the_page() -> None:
    told = set(re.findall(r"`([a-z-]+)`", PAGE.split("\n## 4.", 1)[1].split("\n## ", 1)[0]))
    assert {str(verdict) for verdict in Verdict} <= told


def test_every_module_of_the_package_is_introduced() -> None:
    modules = {path.stem for path in Path(protocol.__path__[0]).glob("*.py")} - {"__init__"}
    introduced = set(re.findall(r"`([a-z_]+)`", PAGE.split("\n## 1.", 1)[0].split("| Module |", 1)[1]))
    assert modules == introduced


MEASURED = {"CORE-NFR", "CORE-REN", "CORE-PRI"}
"""Areas of Core about speed, display and assurance, which are not the protocol's."""


@needs_shared
def test_every_recommendation_is_shown_by_a_test_or_said_not_to_be_met() -> None:
    areas = yaml.load((SHARED / "requirements/requirements.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)[
        "areas"
    ]
    core = [area for area in areas if area["key"].startswith("CORE-") and area["key"] not in MEASURED]
    recommended = {r["id"] for area in core for r in area["requirements"] if r["level"] == "SHOULD"}
    unmet = {row[0].partition(",")[0] for row in cells("9.") if row[1].startswith("No")}
    assert recommended - _marked() == unmet
    assert {row[0].partition(",")[0] for row in cells("9.")} <= _marked() | unmet


def _marked() -> set[str]:
    """Ids that tests name; whether each stands in a mark is for `cad-bridge requirements`."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    return {id_ for text in texts for id_ in re.findall(r'"(CORE-[A-Z0-9-]+)"', text)} - UNMARKED


UNMARKED = {"CORE-SEC-09"}
"""Named by a test of the matrix itself."""
