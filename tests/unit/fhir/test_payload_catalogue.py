"""The payload rows are those of the requirement catalogue, element for element, but for the readings named here."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import Any

import pytest
import yaml

from cad_bridge.fhir.payload import ROWS
from cad_bridge.fhir.payload_rows import Row
from tests.shared_material import SHARED, needs_shared

pytestmark = needs_shared

LETTERS = {
    "APP3-REQ": "3",
    "APP4-REQ": "V",
    "APP4-INT": "I",
    "APP4-FIN": "F",
    "APP6-REQ": "6",
    "APP6-RSP": "S",
    "CANCEL": "C",
}
IN_CODE = {"PAY-BND-09", "PAY-ILO-01"}
"""Rows that are about more than one element, shown in test_payload.py."""
READINGS = {
    "PAY-SR-06": "X-03: completed in a final response; on-hold in a validation update (G-12)",
    "PAY-SR-27": "a cancellation cites the profile of its own application (X-32)",
    "PAY-ENC-05": "X-57: triaged as well",
    "PAY-ENC-12": "X-58: in-progress as well",
}
EXTENSION_URLS = {
    "PAY-MH-05",
    "PAY-MH-06",
    "PAY-MH-08",
    "PAY-PAT-06",
    "PAY-LOC-04",
    "PAY-LOC-05",
    "PAY-ILO-06",
    "PAY-ILO-07",
    "PAY-QSR-05",
}
"""An extension is found by its URL, so that the row names the extension."""


@cache
def catalogue() -> dict[str, dict[str, Any]]:
    text = (SHARED / "requirements" / "requirements.yaml").read_text(encoding="utf-8")
    (area,) = (each for each in yaml.load(text, yaml.CSafeLoader)["areas"] if each["key"] == "PAY")
    return {each["id"]: each for each in area["requirements"]}


@cache
def rows() -> dict[str, list[Row]]:
    found = defaultdict(list)
    for row in ROWS:
        found[row.rule].append(row)
    return found


def plain(path: str) -> str:
    return ".".join(step.partition("{")[0].rstrip("?").removesuffix("[x]") for step in path.split("."))


@pytest.mark.req("CORE-WF-08")
def test_every_must_of_the_element_tables_has_its_row() -> None:
    assert catalogue().keys() - IN_CODE == rows().keys()


@pytest.mark.parametrize("rule", sorted({row.rule for row in ROWS}))
def test_a_row_is_about_the_element_and_payloads_of_its_requirement(rule: str) -> None:
    requirement = catalogue()[rule]
    wanted = {LETTERS[name] for name in requirement["payloads"]}
    if requirement.get("condition") == "rejection":
        wanted = {"R"}
    assert set("".join(row.payloads for row in rows()[rule])) == wanted
    resource_type, _, path = requirement["path"].partition(".")
    for row in rows()[rule]:
        assert row.subject.partition("/")[0] == resource_type
        assert plain(row.path) == (path.removesuffix(".url") if rule in EXTENSION_URLS else path)


@pytest.mark.parametrize("rule", sorted({row.rule for row in ROWS} - READINGS.keys() - EXTENSION_URLS))
def test_a_row_accepts_the_fixed_value_or_codes_of_its_requirement_and_nothing_else(rule: str) -> None:
    requirement = catalogue()[rule]
    (row,) = rows()[rule]
    if "fixed_value" in requirement:
        allowed = [requirement["fixed_value"]]
    elif "is one of the codes" in requirement["test"]:
        allowed = requirement["codes"]
    else:
        assert row.demand is None or rule in {"PAY-MH-13", "PAY-MH-16"}
        return
    assert row.demand is not None
    assert all(map(row.demand, allowed))
    assert not row.demand("something else")


@pytest.mark.parametrize("rule", sorted(READINGS))
def test_a_reading_accepts_at_least_what_the_table_prints(rule: str) -> None:
    requirement = catalogue()[rule]
    printed = [requirement["fixed_value"]] if "fixed_value" in requirement else requirement["codes"]
    for row in rows()[rule]:
        assert row.demand is not None
        assert all(map(row.demand, printed))
        assert not row.demand("something else")
