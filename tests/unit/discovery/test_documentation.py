"""The page of the contract names what the code has."""

from __future__ import annotations

import re
from pathlib import Path

from cad_bridge.discovery.answer import Outcome
from cad_bridge.discovery.reasons import ReasonCode

PAGE = (Path(__file__).resolve().parents[3] / "docs/discovery.md").read_text(encoding="utf-8")


def test_every_reason_code_is_documented_and_exists() -> None:
    table = PAGE.split("## Reason codes")[1].split("\n\n")[1]
    first_column = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert sorted(re.findall(r"`([^`]+)`", " ".join(first_column))) == sorted(ReasonCode)


def test_every_outcome_is_documented() -> None:
    table = PAGE.split("| `outcome` |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(Outcome)
