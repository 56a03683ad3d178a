"""docs/readings.md names every contradiction and gap of the guide, once, and leads to code that is there."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

import cad_bridge
from tests.shared_material import SHARED, needs_shared

PACKAGE = Path(cad_bridge.__file__).parent
PAGE = (PACKAGE.parent / "docs/readings.md").read_text(encoding="utf-8")
TABLE = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
ROWS = {row[0]: row for row in TABLE[2:]}


def test_every_reading_leads_to_code() -> None:
    named = {id_: re.findall(r"`([^`]+)`", row[4]) for id_, row in ROWS.items()}
    assert [
        id_ for id_, paths in named.items() if not paths or not all((PACKAGE / path).is_file() for path in paths)
    ] == []
    assert [id_ for id_, row in ROWS.items() if len(row) != 5 or {row[2], row[3]} == {"-"}] == []


def test_no_reading_is_named_in_the_code_that_the_page_does_not_have() -> None:
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    named = {id_ for text in texts for id_ in re.findall(r"(?<![A-Z-])\b(?:X|G)-\d\d\b", text)}
    assert named <= ROWS.keys()


@needs_shared
def test_every_contradiction_and_gap_has_its_reading() -> None:
    text = (SHARED / "requirements/requirements.yaml").read_text(encoding="utf-8")
    catalogue = yaml.load(text, yaml.CSafeLoader)
    assert [*ROWS] == [item["id"] for item in (*catalogue["contradictions"], *catalogue["gaps"])]
