"""Which row of the decision table a message falls under, and why not one of those above it.

Pure: the same facts, the same own Encounters, the same row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cad_bridge.fhir import systems
from cad_bridge.fhir.encounters import NO_OWN_ENCOUNTERS, EncounterFacts, OwnEncounters, own_among
from cad_bridge.fhir.facts import Facts, focus_encounter
from cad_bridge.protocol.decision_rows import ABSENT, ROWS, UNCLEAR, Condition, Row
from cad_bridge.protocol.definitions import definition_for
from cad_bridge.protocol.errors import Fault
from cad_bridge.workflow.vocabulary import UseCase

COLUMNS: Mapping[str, str] = {
    "event": "event",
    "reason": "reason",
    "category": "category",
    "use_case": "use case",
    "sr_status": "ServiceRequest.status",
    "encounter_status": "Encounter.status",
    "careplan_status": "CarePlan.status",
    "definition": "definition",
}
"""The columns of a row in the order in which they are judged, and what they are called."""


def _allowed(row: Row) -> Iterator[tuple[str, frozenset[str]]]:
    """The columns in which a row does not match anything."""
    for name in COLUMNS:
        allowed: str | frozenset[str] | None = getattr(row, name)
        if allowed is not None:
            yield name, frozenset({allowed}) if isinstance(allowed, str) else allowed


_ALLOWED = {row.id: tuple(_allowed(row)) for row in ROWS}


class Circumstances(NamedTuple):
    """What the rows are judged on: the facts with the Encounter in question picked out."""

    event: str
    reason: str
    category: str
    use_case: str
    sr_status: str
    encounter_status: str
    careplan_status: str
    definition: str
    encounter: EncounterFacts | None
    encounter_is_own: bool
    careplan_intent: str | None
    task_statuses: tuple[str | None, ...]


class Missed(NamedTuple):
    """A row above the one that fired, and the first thing about it that did not fit."""

    row: Row
    column: str
    """The name of a column, or the text of a condition."""

    @property
    def needed(self) -> str:
        """What the row asks for there, in words."""
        if self.column not in COLUMNS:
            return self.column
        choices = sorted(dict(_ALLOWED[self.row.id])[self.column])
        return f"{COLUMNS[self.column]} {' or '.join(_short(choice) for choice in choices)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The row that fired."""

    row: Row
    fault: Fault | None
    """The error to answer with; ``None`` where the message is accepted."""
    trace: tuple[Missed, ...]
    """One entry for each row above, in order."""
    circumstances: Circumstances

    @property
    def encounter(self) -> EncounterFacts | None:
        """The Encounter whose status was judged: the sender's, or the responder's (X-06)."""
        return self.circumstances.encounter


def decide_row(facts: Facts, *, strict: bool = False, own_encounters: OwnEncounters = NO_OWN_ENCOUNTERS) -> Decision:
    """The first row that fits (decision rows of docs/protocol.md, section 5).

    `own_encounters` are those of the local service in the conversation; none are known for a new request.
    """
    circumstances = circumstances_of(facts, own_encounters)
    trace: list[Missed] = []
    for row in ROWS:
        missed = next(misfits(row, circumstances), None)
        if missed is None:
            return Decision(
                row=row, fault=row.fault_for(strict=strict), trace=tuple(trace), circumstances=circumstances
            )
        trace.append(Missed(row, missed))
    raise AssertionError("the last row fits everything")


def circumstances_of(facts: Facts, own: OwnEncounters) -> Circumstances:
    """Pick out what the rows look at; absent values become `ABSENT`."""
    encounter = focus_encounter(facts, own)
    definition = definition_for(facts.definition)
    return Circumstances(
        event=facts.event or ABSENT,
        reason=facts.reason or ABSENT,
        category=facts.category or ABSENT,
        use_case=facts.use_case or ABSENT,
        sr_status=facts.sr_status or ABSENT,
        encounter_status=_encounter_status(facts, encounter),
        careplan_status=facts.careplan_status or ABSENT,
        definition=definition.url if definition else facts.definition or ABSENT,
        encounter=encounter,
        encounter_is_own=encounter in own_among(facts.encounters, own),
        careplan_intent=facts.careplan_intent,
        task_statuses=facts.task_statuses,
    )


def misfits(row: Row, circumstances: Circumstances) -> Iterator[str]:
    """Everything about the row that does not fit: column names in their order, then conditions."""
    for name, allowed in _ALLOWED[row.id]:
        if getattr(circumstances, name) not in allowed:
            yield name
    yield from (condition.value for condition in row.conditions if not _HOLDS[condition](circumstances))


def near_misses(circumstances: Circumstances) -> list[Missed]:
    """The accepting rows that would have fired but for one thing: what to tell the sender of a refused message."""
    found = []
    for row in ROWS:
        reasons = list(misfits(row, circumstances))
        if row.fault is None and len(reasons) == 1:
            found.append(Missed(row, reasons[0]))
    return found


def describe(circumstances: Circumstances) -> str:
    """The columns in words. A code that is in no published vocabulary is not repeated: it may be anything."""
    return ", ".join(f"{words} {_safe(getattr(circumstances, name))}" for name, words in COLUMNS.items())


def _safe(code: str) -> str:
    return _short(code) if code in _VOCABULARY or definition_for(code) else "not recognised"


def _short(code: str) -> str:
    """Definitions by the last part of their URL."""
    definition = definition_for(code)
    return definition.name if definition else code


def _encounter_status(facts: Facts, encounter: EncounterFacts | None) -> str:
    if encounter is not None:
        return encounter.status or ABSENT
    return UNCLEAR if facts.encounters else ABSENT


def _not_own(circumstances: Circumstances) -> bool:
    return not circumstances.encounter_is_own


def _class_emer(circumstances: Circumstances) -> bool:
    return circumstances.encounter is not None and circumstances.encounter.class_code == "EMER"


def _intent_plan(circumstances: Circumstances) -> bool:
    return circumstances.careplan_intent == "plan"


def _tasks_requested(circumstances: Circumstances) -> bool:
    return all(status == "requested" for status in circumstances.task_statuses)


def _rejected_reason(circumstances: Circumstances) -> bool:
    encounter = circumstances.encounter
    return encounter is not None and any(c.system == systems.REJECTED_REASON for c in encounter.reason_codings)


_HOLDS: Mapping[Condition, Callable[[Circumstances], bool]] = {
    Condition.ENCOUNTER_NOT_OWN: _not_own,
    Condition.CLASS_EMER: _class_emer,
    Condition.INTENT_PLAN: _intent_plan,
    Condition.TASKS_REQUESTED: _tasks_requested,
    Condition.REJECTED_REASON: _rejected_reason,
}

_VOCABULARY = frozenset(
    {ABSENT, UNCLEAR, "servicerequest-request", "servicerequest-response", "booking-request", "booking-response"}
    | {"new", "update", "delete", "referral", "validation"}
    | set(UseCase)
    | {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"}
    | {"planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled"}
)
