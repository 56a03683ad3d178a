"""The decision table of $process-message, as data.

The rows follow the application pages per use case; where they contradict each other, the readings X-nn named in
`source`. docs/protocol.md, section 5, shows them as a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cad_bridge.protocol.definitions import (
    REQUEST,
    REQUEST_CANCELLED,
    REQUEST_REFERRAL,
    REQUEST_VALIDATION,
    RESPONSE,
    RESPONSE_FULL,
    RESPONSE_INTERIM,
    RESPONSE_REFERRAL,
    RESPONSE_SHORT,
)
from cad_bridge.protocol.errors import INVARIANT, Fault

ABSENT = "absent"
"""What a dimension holds when the message has no such element or resource."""
UNCLEAR = "unclear"
"""What the Encounter's status is when it cannot be told which Encounter is meant (X-06)."""


class Intent(StrEnum):
    """What the sender of a message wants, once a row has decided it."""

    NEW = "new"
    UPDATE = "update"
    CANCEL = "cancel"
    INTERIM = "interim"
    REJECTION = "rejection"
    FINAL = "final"
    STATUS = "status"
    FEEDBACK = "feedback"
    NONE = "none"
    """An error row: there is nothing to act on."""


class Condition(StrEnum):
    """What a row asks beyond its columns; the predicates stand in `cad_bridge.protocol.decision`."""

    ENCOUNTER_NOT_OWN = "the Encounter is not one of the local service's own (X-08)"
    CLASS_EMER = "Encounter.class is EMER"
    INTENT_PLAN = "CarePlan.intent is plan"
    TASKS_REQUESTED = "every Task in the bundle is requested (X-36)"
    REJECTED_REASON = "Encounter.reasonCode is from rejected-reasons-bars (X-39)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row. A column that is ``None`` matches anything."""

    id: str
    meaning: str
    intent: Intent
    source: str
    """The pages the row follows and the readings of their contradictions."""
    event: str | None = None
    reason: frozenset[str] | None = None
    category: frozenset[str] | None = None
    use_case: frozenset[str] | None = None
    sr_status: frozenset[str] | None = None
    encounter_status: frozenset[str] | None = None
    careplan_status: frozenset[str] | None = None
    definition: str | None = None
    """Canonical URL of the MessageDefinition; its aliases match too (X-38)."""
    conditions: tuple[Condition, ...] = ()
    fault: Fault | None = None
    """The error to answer with; ``None`` accepts the message."""
    strict_fault: Fault | None = None
    """The error where the service is strict, of a row that is otherwise accepted."""
    warning: str | None = None
    """What is tolerated by accepting the message under this row."""

    def fault_for(self, *, strict: bool) -> Fault | None:
        """The error that this row means for a service of that strictness; ``None`` where the message is accepted."""
        return self.fault or (self.strict_fault if strict else None)


def _set(codes: str) -> frozenset[str]:
    return frozenset(codes.split())


_REFERRALS = _set("a3t1 a6t1 a6t2 a6t3")
_VALIDATIONS = _set("a4t1 a4t2 a4t3")
_CAD_TO_CAD = _set("a6t1 a6t2 a6t3")
_REFERRAL, _VALIDATION = _set("referral"), _set("validation")
_NEW, _UPDATE, _NEW_OR_UPDATE = _set("new"), _set("update"), _set("new update")
_ACTIVE, _CANCELLED = _set("active"), _set("revoked entered-in-error")
_SENDER_STATUSES = _set("triaged finished in-progress")

_OTHERS = (Condition.ENCOUNTER_NOT_OWN,)
_EMERGENCY = (Condition.ENCOUNTER_NOT_OWN, Condition.CLASS_EMER)
_CAD_NEW = (*_EMERGENCY, Condition.INTENT_PLAN, Condition.TASKS_REQUESTED)
_CAD_UPDATE = (*_EMERGENCY, Condition.TASKS_REQUESTED)


def _cad_to_cad(row_id: str, use_case: str, meaning: str, *, intent: Intent) -> Row:
    return Row(
        id=row_id,
        meaning=meaning,
        intent=intent,
        source="Application 6: payload and workflow; X-17, X-36, X-37",
        event=REQUEST,
        reason=_NEW if intent is Intent.NEW else _UPDATE,
        category=_REFERRAL,
        use_case=frozenset({use_case}),
        sr_status=_ACTIVE,
        encounter_status=_SENDER_STATUSES,
        careplan_status=_ACTIVE,
        definition=REQUEST_REFERRAL,
        conditions=_CAD_NEW if intent is Intent.NEW else _CAD_UPDATE,
    )


def _status(row_id: str, encounter_status: str, meaning: str) -> Row:
    return Row(
        id=row_id,
        meaning=meaning,
        intent=Intent.STATUS,
        source="Application 6: referral response; X-06, X-35, X-38, X-52",
        event=RESPONSE,
        reason=_NEW_OR_UPDATE,
        category=_REFERRAL,
        use_case=_CAD_TO_CAD,
        sr_status=_ACTIVE,
        encounter_status=frozenset({encounter_status}),
        careplan_status=frozenset({ABSENT}),
        definition=RESPONSE_SHORT,
        conditions=_EMERGENCY,
    )


def _refusal(row_id: str, use_case: str, meaning: str) -> Row:
    return Row(
        id=row_id,
        meaning=meaning,
        intent=Intent.REJECTION,
        source="Application 6: referral response; X-10, X-39",
        event=RESPONSE,
        reason=_NEW_OR_UPDATE,
        category=_REFERRAL,
        use_case=frozenset({use_case}),
        sr_status=_set("active revoked"),
        encounter_status=_set("cancelled"),
        careplan_status=frozenset({ABSENT}),
        definition=RESPONSE_SHORT,
        conditions=(*_EMERGENCY, Condition.REJECTED_REASON),
    )


def _final(row_id: str, reason: frozenset[str], meaning: str) -> Row:
    return Row(
        id=row_id,
        meaning=meaning,
        intent=Intent.FINAL,
        source="Application 4: payloads for responders, final response; X-03, X-04, X-06, X-07, X-08",
        event=RESPONSE,
        reason=reason,
        category=_VALIDATION,
        use_case=_VALIDATIONS,
        sr_status=_set("active completed"),
        encounter_status=_set("finished triaged"),
        careplan_status=_set("active completed"),
        definition=RESPONSE_FULL,
        conditions=_OTHERS,
    )


_CANCELLATIONS = (
    Row(
        id="DT-08",
        meaning="cancel referral",
        intent=Intent.CANCEL,
        source="Core: cancellation; Applications 3 and 6; X-05, X-32",
        event=REQUEST,
        reason=_UPDATE,
        category=_REFERRAL,
        use_case=_REFERRALS,
        sr_status=_CANCELLED,
        definition=REQUEST_CANCELLED,
    ),
    Row(
        id="DT-09",
        meaning="cancel validation request",
        intent=Intent.CANCEL,
        source="Core: cancellation; Application 4; X-05, X-32",
        event=REQUEST,
        reason=_UPDATE,
        category=_VALIDATION,
        use_case=_VALIDATIONS,
        sr_status=_CANCELLED,
        definition=REQUEST_CANCELLED,
    ),
    Row(
        id="DT-09b",
        meaning="cancel (tolerated spelling)",
        intent=Intent.CANCEL,
        source="Core: cancellation element table; X-05",
        event=REQUEST,
        reason=_set("delete"),
        category=_REFERRAL | _VALIDATION,
        use_case=_REFERRALS | _VALIDATIONS,
        sr_status=_CANCELLED,
        definition=REQUEST_CANCELLED,
        strict_fault=INVARIANT,
        warning="A cancellation has the reason update; delete was understood as that.",
    ),
)

_REQUESTS = (
    Row(
        id="DT-01",
        meaning="new referral to CAS",
        intent=Intent.NEW,
        source="Core and Application 3; X-23, X-57",
        event=REQUEST,
        reason=_NEW,
        category=_REFERRAL,
        use_case=_set("a3t1"),
        sr_status=_ACTIVE,
        encounter_status=_set("finished triaged"),
        careplan_status=_set("completed"),
        definition=REQUEST_REFERRAL,
        conditions=_OTHERS,
    ),
    Row(
        id="DT-02",
        meaning="new validation request",
        intent=Intent.NEW,
        source="Core and Application 4; X-58",
        event=REQUEST,
        reason=_NEW,
        category=_VALIDATION,
        use_case=_VALIDATIONS,
        sr_status=_ACTIVE,
        encounter_status=_set("triaged in-progress"),
        careplan_status=_ACTIVE,
        definition=REQUEST_VALIDATION,
        conditions=_OTHERS,
    ),
    _cad_to_cad("DT-05", "a6t1", "new out of area referral", intent=Intent.NEW),
    _cad_to_cad("DT-06", "a6t2", "new call assist request", intent=Intent.NEW),
    _cad_to_cad("DT-07", "a6t3", "new mutual aid request", intent=Intent.NEW),
    Row(
        id="DT-03",
        meaning="update of referral to CAS",
        intent=Intent.UPDATE,
        source="Application 3: scope; X-09",
        event=REQUEST,
        reason=_UPDATE,
        category=_REFERRAL,
        use_case=_set("a3t1"),
        sr_status=_ACTIVE,
        encounter_status=_set("triaged finished"),
        careplan_status=_set("completed"),
        definition=REQUEST_REFERRAL,
        conditions=_OTHERS,
        strict_fault=INVARIANT,
    ),
    Row(
        id="DT-04",
        meaning="update of validation request",
        intent=Intent.UPDATE,
        source="Core and Application 4; X-59",
        event=REQUEST,
        reason=_UPDATE,
        category=_VALIDATION,
        use_case=_VALIDATIONS,
        sr_status=_set("active on-hold"),
        encounter_status=_set(f"triaged in-progress {ABSENT}"),
        careplan_status=_set(f"active {ABSENT}"),
        definition=REQUEST_VALIDATION,
        conditions=_OTHERS,
    ),
    _cad_to_cad("DT-10a", "a6t1", "update of out of area referral", intent=Intent.UPDATE),
    _cad_to_cad("DT-10b", "a6t2", "update of call assist request", intent=Intent.UPDATE),
    _cad_to_cad("DT-10c", "a6t3", "update of mutual aid request", intent=Intent.UPDATE),
    Row(
        id="DT-22",
        meaning="error: new request not active",
        intent=Intent.NONE,
        source="Core and Applications 3, 4, 6: else branch",
        event=REQUEST,
        reason=_NEW,
        use_case=_REFERRALS | _VALIDATIONS,
        sr_status=_set("draft on-hold revoked completed entered-in-error unknown"),
        fault=INVARIANT,
    ),
)

_VALIDATION_RESPONSES = (
    Row(
        id="DT-12",
        meaning="validation request rejected",
        intent=Intent.REJECTION,
        source="Application 4: payloads for responders; X-01, X-02, X-06, X-08",
        event=RESPONSE,
        reason=_NEW,
        category=_VALIDATION,
        use_case=_VALIDATIONS,
        sr_status=_ACTIVE,
        encounter_status=_set("cancelled"),
        careplan_status=frozenset({ABSENT}),
        definition=RESPONSE_INTERIM,
        conditions=(*_OTHERS, Condition.REJECTED_REASON),
    ),
    Row(
        id="DT-12b",
        meaning="validation request rejected (legacy form)",
        intent=Intent.REJECTION,
        source="Core and Application 4: pseudo code; X-02",
        event=RESPONSE,
        reason=_NEW_OR_UPDATE,
        category=_VALIDATION,
        use_case=_VALIDATIONS,
        sr_status=_set("revoked"),
        encounter_status=_set("triaged cancelled"),
        definition=RESPONSE_INTERIM,
        conditions=_OTHERS,
        warning="A rejection leaves ServiceRequest.status active; revoked was understood as a rejection.",
    ),
    Row(
        id="DT-11",
        meaning="interim: validation started",
        intent=Intent.INTERIM,
        source="Core and Application 4; X-01, X-06, X-07, X-08",
        event=RESPONSE,
        reason=_NEW,
        category=_VALIDATION,
        use_case=_VALIDATIONS,
        sr_status=_ACTIVE,
        encounter_status=_set("in-progress"),
        careplan_status=_set(f"active {ABSENT}"),
        definition=RESPONSE_INTERIM,
        conditions=_OTHERS,
    ),
    _final("DT-13", _UPDATE, "final validation response (after interim)"),
    _final("DT-14", _NEW, "final validation response (no interim sent)"),
)

_REFERRAL_RESPONSES = (
    _status("DT-15", "planned", "status update: case accepted and waiting, or resource cancelled"),
    _status("DT-16", "in-progress", "status update: resource allocated"),
    _status("DT-17", "finished", "status update: resource cleared scene"),
    _refusal("DT-18", "a6t2", "call assist request rejected"),
    _refusal("DT-19", "a6t3", "mutual aid request rejected"),
    Row(
        id="DT-20",
        meaning="error: out of area cannot be rejected",
        intent=Intent.NONE,
        source="Application 6: default branch",
        event=RESPONSE,
        reason=_NEW_OR_UPDATE,
        category=_REFERRAL,
        use_case=_set("a6t1"),
        encounter_status=_set("cancelled"),
        fault=INVARIANT,
    ),
    Row(
        id="DT-21",
        meaning="safeguarding DNA (no-show) feedback",
        intent=Intent.FEEDBACK,
        source="Core, Applications 3 and 4: pseudo code; no workflow uses it",
        event=RESPONSE,
        reason=_NEW,
        category=_REFERRAL,
        use_case=_set("a3t1"),
        sr_status=_set("revoked"),
        definition=RESPONSE_REFERRAL,
    ),
)

ROWS: tuple[Row, ...] = (
    *_CANCELLATIONS,
    *_REQUESTS,
    *_VALIDATION_RESPONSES,
    *_REFERRAL_RESPONSES,
    Row(
        id="DT-99",
        meaning="error: unknown or non-standard workflow",
        intent=Intent.NONE,
        source="Core and Applications 3, 4, 6: default branch",
        fault=INVARIANT,
    ),
)
"""Top down, the first row that fits decides. The last one fits everything."""
