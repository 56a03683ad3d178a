"""A state table: every state x trigger is listed as move, ignore or reject, and `transitions` runs the moves.

One shared machine serves all cases: it is triggered on a throw-away cursor, binds no model and calls nothing back
(DESIGN decision 5). A pair that is not listed is a programming error and fails a test, never a silent default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from transitions import Machine, MachineError

from cad_bridge.workflow.case import Case


class Kind(StrEnum):
    """What a state does with a trigger."""

    MOVE = "move"
    IGNORE = "ignore"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One cell of the table. `to` is set for a move; `why` says in words why a command is ignored or rejected."""

    state: str
    trigger: str
    kind: Kind
    to: str | None = None
    why: str = ""


def moves(trigger: str, **to: str) -> tuple[Row, ...]:
    """Rows that move: ``moves("interim", sent="in_progress")``."""
    return tuple(Row(state=state, trigger=trigger, kind=Kind.MOVE, to=dest) for state, dest in to.items())


def ignores(trigger: str, states: str, why: str) -> tuple[Row, ...]:
    """Rows that leave the case where it is, for the states named in `states`, separated by blanks."""
    return tuple(Row(state=state, trigger=trigger, kind=Kind.IGNORE, why=why) for state in states.split())


def rejects(trigger: str, states: str, why: str) -> tuple[Row, ...]:
    """Rows that refuse the command with `why`, for the states named in `states`, separated by blanks."""
    return tuple(Row(state=state, trigger=trigger, kind=Kind.REJECT, why=why) for state in states.split())


class _Cursor:
    """The throw-away thing that a decision moves through the machine."""

    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state = state


class StateTable:
    """All rows of one side of one use case."""

    def __init__(self, name: str, *, states: Iterable[str], triggers: Iterable[str], rows: Iterable[Row]) -> None:
        self.name = name
        self.states = tuple(states)
        self.triggers = tuple(triggers)
        self.rows: Mapping[tuple[str, str], Row] = _unique(rows)
        self._moved: dict[tuple[str, str], str] = {}

    @cached_property
    def machine(self) -> Machine:
        """The `transitions` machine made of the moving rows."""
        return Machine(
            model=None,
            states=list(self.states),
            initial=None,
            auto_transitions=False,
            transitions=[
                {"trigger": row.trigger, "source": row.state, "dest": row.to}
                for row in self.rows.values()
                if row.kind is Kind.MOVE
            ],
        )

    def row(self, case: Case, trigger: str) -> Row:
        """The row for the case as it stands. Raises KeyError for a pair that nobody has thought about."""
        return self.rows[case.state, trigger]

    def next_state(self, case: Case, trigger: str) -> str:
        """Where the machine moves; raises `transitions.MachineError` where the table has no move.

        No transition has a condition, so the machine is asked once for each pair.
        """
        known = self._moved.get((case.state, trigger))
        if known is None:
            known = self._moved[case.state, trigger] = self._asked(case.state, trigger)
        return known

    def _asked(self, state: str, trigger: str) -> str:
        if trigger not in self.machine.events:
            raise MachineError(f"{self.name}: nothing moves on {trigger}")
        cursor = _Cursor(state)
        if self.machine.events[trigger].trigger(cursor) is not True:
            raise AssertionError(f"{self.name}: {state} x {trigger} did not move")
        return cursor.state

    def missing(self) -> list[tuple[str, str]]:
        """State x trigger pairs that are not listed; must be empty."""
        return [(s, t) for s in self.states for t in self.triggers if (s, t) not in self.rows]

    def mermaid(self) -> str:
        """The moves as a Mermaid state diagram, read back from the machine itself."""
        lines = ["stateDiagram-v2"]
        for source in self.states:
            labels: dict[str, list[str]] = {}
            for transition in self.machine.get_transitions(source=source):
                labels.setdefault(str(transition.dest), []).append(self._trigger_of(transition))
            lines += [f"    {source} --> {dest}: {' | '.join(names)}" for dest, names in labels.items()]
        return "\n".join(lines)

    def _trigger_of(self, wanted: object) -> str:
        for name, event in self.machine.events.items():
            if any(wanted in found for found in event.transitions.values()):
                return str(name)
        raise LookupError("transition without a trigger")


def _unique(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        if (row.state, row.trigger) in found:
            raise ValueError(f"listed twice: {row.state} x {row.trigger}")
        found[row.state, row.trigger] = row
    return found
