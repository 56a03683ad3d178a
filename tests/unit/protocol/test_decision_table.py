"""The decision table against its specification, walked over the whole product and evaluated here once more.

The evaluator below reads the specification's rows as they stand. It shares nothing with `protocol` but the names of the
rows, and it refuses to run when the specification says something that it does not understand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import pytest
import yaml

from cad_bridge.fhir import systems
from cad_bridge.fhir.encounters import Coding, EncounterFacts
from cad_bridge.fhir.facts import Facts
from cad_bridge.protocol.decision import decide_row
from cad_bridge.protocol.decision_rows import ROWS
from tests.shared_material import SHARED, needs_shared
from tests.unit.protocol.messages import OTHER_URL, OWN, OWN_URL

ABSENT = "absent"
EVENTS = ("servicerequest-request", "servicerequest-response", "booking-request", "booking-response", ABSENT)
REASONS = ("new", "update", "delete", ABSENT)
CATEGORIES = ("referral", "validation", ABSENT)
USE_CASES = ("a3t1", "a4t1", "a4t2", "a4t3", "a6t1", "a6t2", "a6t3", "a1t1", ABSENT)
SR_STATUSES = ("draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown", ABSENT)
ENCOUNTER_STATUSES = (
    "planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled", "entered-in-error", "unknown",
    ABSENT,
)  # fmt: skip
CAREPLAN_STATUSES = SR_STATUSES
DIMENSIONS = ("event", "reason", "category", "use_case", "sr_status", "encounter_status", "careplan_status")
ALIAS = "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-response-short"
ALIASED = "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-response-referral-short"

REASON_CODE = "reasonCode from rejected-reasons-bars"
ONLY_IF_PRESENT = "CarePlan and Encounter only if in the bundle"
JUDGED_WITH_THE_CASE = ("ServiceRequest known, changed resources only", "not yet finished or rejected")
"""Conditions about the state of the case: they are not the message's, and the engine's tests show them."""


class Point(NamedTuple):
    """One combination of what the table's columns look at."""

    event: str
    reason: str
    category: str
    use_case: str
    sr_status: str
    encounter_status: str
    careplan_status: str


class Circumstances(NamedTuple):
    """What the conditions look at, beside the columns."""

    definition: str | None = None
    encounter_is_own: bool = False
    encounter_class: str = "EMER"
    careplan_intent: str = "plan"
    task_statuses: tuple[str, ...] = ()
    rejected_reason: bool = True


@cache
def specification() -> tuple[Mapping[str, Any], ...]:
    text = (SHARED / "requirements/decision-table.yaml").read_text(encoding="utf-8")
    return tuple(yaml.safe_load(text)["recommended"])


def column(row: Mapping[str, Any], name: str) -> frozenset[str] | None:
    """Values a row allows; None for any."""
    given = row[name]
    if given == "any":
        return None
    allowed = frozenset([given] if isinstance(given, str) else given)
    if ONLY_IF_PRESENT in row.get("condition", "") and name in {"encounter_status", "careplan_status"}:
        allowed |= {ABSENT}
    return allowed


@cache
def masks() -> dict[tuple[str, str], int]:
    """(column, value) to the rows that allow the value there, as bits."""
    values = (EVENTS, REASONS, CATEGORIES, USE_CASES, SR_STATUSES, ENCOUNTER_STATUSES, CAREPLAN_STATUSES)
    found = {}
    for name, choices in zip(DIMENSIONS, values, strict=True):
        allowed = [column(row, name) for row in specification()]
        for value in choices:
            found[name, value] = sum(1 << i for i, values in enumerate(allowed) if values is None or value in values)
    return found


def fitting_columns(point: Point) -> list[Mapping[str, Any]]:
    mask = -1
    for name, value in zip(DIMENSIONS, point, strict=True):
        mask &= masks()[name, value]
    return [row for i, row in enumerate(specification()) if mask >> i & 1]


def conditions_hold(row: Mapping[str, Any], point: Point, c: Circumstances) -> bool:
    if "definition" in row and row["definition"] != (ALIASED if c.definition == ALIAS else c.definition):
        return False
    is_own = c.encounter_is_own and point.encounter_status != ABSENT
    if row.get("encounter_whose", "").startswith(("sender", "responder")) and is_own:
        return False
    if "encounter_class" in row and row["encounter_class"] != c.encounter_class:
        return False
    if "careplan_intent" in row and row["careplan_intent"] != c.careplan_intent:
        return False
    if "task_status" in row and not set(c.task_statuses) <= {"requested"}:
        return False
    return c.rejected_reason or row.get("condition") != REASON_CODE


def expected(point: Point, c: Circumstances) -> Mapping[str, Any]:
    return next(row for row in fitting_columns(point) if conditions_hold(row, point, c))


def facts_of(point: Point, c: Circumstances) -> Facts:
    """A message with these columns and circumstances."""
    given = {name: None if value == ABSENT else value for name, value in zip(DIMENSIONS, point, strict=True)}
    status = given.pop("encounter_status")
    return Facts(**given, **_rest(status, c))  # type: ignore[arg-type]


@cache
def _rest(status: str | None, c: Circumstances) -> dict[str, Any]:
    return {
        "definition": c.definition,
        "encounters": _encounters(status, c),
        "careplan_intent": c.careplan_intent,
        "task_statuses": c.task_statuses,
    }


def _encounters(status: str | None, c: Circumstances) -> tuple[EncounterFacts, ...]:
    if status is None:
        return ()
    reason = Coding(systems.REJECTED_REASON if c.rejected_reason else "https://example.org/reasons", "RRNA", None)
    return (
        EncounterFacts(
            full_url=OWN_URL if c.encounter_is_own else OTHER_URL,
            status=status,
            class_code=c.encounter_class,
            is_focus=True,
            reason_codings=(reason,),
        ),
    )


def points(use_case: str) -> Iterator[Point]:
    dimensions = (EVENTS, REASONS, CATEGORIES, (use_case,), SR_STATUSES, ENCOUNTER_STATUSES, CAREPLAN_STATUSES)
    return (Point(*values) for values in product(*dimensions))


def definitions_worth_trying(point: Point) -> list[str | None]:
    """Those of the rows whose columns fit, and one that fits none of them."""
    wanted = {row["definition"] for row in fitting_columns(point) if "definition" in row}
    return [*sorted(wanted), None]


def disagreement(point: Point, c: Circumstances) -> str | None:
    row = expected(point, c)
    decision = decide_row(facts_of(point, c), own_encounters=OWN)
    return None if decision.row.id == row["id"] else f"{point} {c}: {decision.row.id}, not {row['id']}"


@needs_shared
def test_the_specification_says_nothing_that_this_evaluator_does_not_understand() -> None:
    known = {
        "id", "application", "event", "reason", "category", "use_case", "sr_status", "encounter_status",
        "encounter_whose", "careplan_status", "definition", "meaning", "outcome", "as_written", "conflict", "note",
        "encounter_class", "careplan_intent", "task_status", "condition",
    }  # fmt: skip
    whose = {"not required", "sender", "sender (receiver copy may be echoed)", "responder", "any"}
    for row in specification():
        assert set(row) <= known
        assert row.get("encounter_whose", "any") in whose
        assert row.get("task_status", "requested if a Task is present") == "requested if a Task is present"
        for part in row.get("condition", REASON_CODE).split("; "):
            understood = part in {REASON_CODE, ONLY_IF_PRESENT, *JUDGED_WITH_THE_CASE}
            assert understood or part == f"definition is {row.get('definition')}"


@needs_shared
def test_the_rows_are_those_of_the_specification_in_its_order() -> None:
    assert [row.id for row in ROWS] == [row["id"] for row in specification()]
    assert [row.meaning for row in ROWS] == [row["meaning"] for row in specification()]


@needs_shared
def test_every_row_has_the_outcome_of_the_specification_strict_or_not() -> None:
    for row, given in zip(ROWS, specification(), strict=True):
        for strict in (False, True):
            outcome = given["outcome"]
            outcome = outcome.get("strict_mode", outcome) if strict else outcome
            fault = row.fault_for(strict=strict)
            triple = (fault.http_status, fault.code, fault.issue_code) if fault else (200, None, None)
            assert triple == (outcome["http"], outcome.get("error_code"), outcome.get("issue_code")), row.id


@needs_shared
@pytest.mark.req("CORE-MH-16", "CORE-ERR-PM-04", "CORE-CN-09")
@pytest.mark.parametrize("use_case", USE_CASES)
def test_every_combination_of_the_columns_falls_under_the_row_of_the_specification(use_case: str) -> None:
    walked = 0
    for point in points(use_case):
        for definition in definitions_worth_trying(point):
            assert disagreement(point, Circumstances(definition=definition)) is None
            walked += 1
    assert walked >= len(EVENTS) * len(REASONS) * len(CATEGORIES) * len(SR_STATUSES) * len(ENCOUNTER_STATUSES) * 8


@needs_shared
@pytest.mark.parametrize("use_case", USE_CASES)
@pytest.mark.req("HAZ-H03-02")
def test_every_combination_of_the_conditions_falls_under_the_row_of_the_specification(use_case: str) -> None:
    """At every point where some row with a definition fits: whose Encounter, class, intent, tasks and reason."""
    conditions = list(
        product(
            (False, True),
            ("EMER", "VR"),
            ("plan", "order"),
            ((), ("requested",), ("requested", "accepted")),
            (True, False),
        )
    )
    for point in points(use_case):
        for definition in definitions_worth_trying(point)[:-1]:
            for own, class_code, intent, tasks, reason in conditions:
                c = Circumstances(definition, own, class_code, intent, tasks, reason)
                assert disagreement(point, c) is None


@needs_shared
def test_an_alias_of_a_definition_is_that_definition() -> None:
    point = Point("servicerequest-response", "new", "referral", "a6t3", "active", "cancelled", ABSENT)
    assert expected(point, Circumstances(definition=ALIAS))["id"] == "DT-19"
    assert disagreement(point, Circumstances(definition=ALIAS)) is None
