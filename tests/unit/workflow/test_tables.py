"""Every state meets every trigger in a listed row, and the pages show the machines as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from transitions import MachineError

from cad_bridge.workflow.case import Case
from cad_bridge.workflow.decide import WORKFLOWS, tables
from cad_bridge.workflow.table import Kind, StateTable
from tests.unit.workflow.builders import requester_case, responder_case

LIFECYCLE = Path(__file__).resolve().parents[3] / "docs" / "lifecycle"
PAIRS = [
    pytest.param(table, state, trigger, id=f"{table.name}-{state}-{trigger}")
    for table in tables()
    for state in table.states
    for trigger in table.triggers
]


def _case(table: StateTable, state: str) -> Case:
    make = requester_case if table.name.endswith("requester") else responder_case
    return make(state=state)


@pytest.mark.parametrize(("table", "state", "trigger"), PAIRS)
def test_every_pair_is_listed_and_the_machine_agrees_with_its_row(table: StateTable, state: str, trigger: str) -> None:
    case = _case(table, state)
    row = table.row(case, trigger)
    if row.kind is Kind.MOVE:
        assert table.next_state(case, trigger) == row.to
        assert row.to in table.states
    else:
        assert row.why
        with pytest.raises(MachineError):
            table.next_state(case, trigger)


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.name)
def test_nothing_is_missing_and_nothing_is_listed_for_a_state_or_trigger_that_does_not_exist(table: StateTable) -> None:
    assert table.missing() == []
    assert set(table.rows) == {(state, trigger) for state in table.states for trigger in table.triggers}


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=lambda workflow: workflow.table.name)
def test_every_trigger_has_its_effects(workflow: object) -> None:
    assert set(workflow.effects) == set(workflow.table.triggers)  # type: ignore[attr-defined]


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.name)
def test_the_lifecycle_page_shows_the_machine_as_it_is(table: StateTable) -> None:
    page = (LIFECYCLE / f"{table.name.rpartition('-')[0]}.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{table.mermaid()}\n```" in page
