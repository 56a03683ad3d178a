"""Between table rows and the values outside: the only place that knows both shapes of a case."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any

from cad_bridge.store.rows import Conversation, StoredCase
from cad_bridge.workflow.case import Case, StatusChange
from cad_bridge.workflow.vocabulary import Duty, Priority, Side, UseCase

_CONVERSATION = (
    "local_service",
    "remote_service",
    "case_number",
    "journey_id",
    "correlation_id",
    "request_bundle_id",
    "service_request_full_url",
    "service_request_id",
    "encounter_full_url",
    "encounter_id",
    "remote_ods_code",
    "remote_name",
    "issued_ids",
)
_CASE = (
    "id",
    "side",
    "use_case",
    "state",
    "version",
    "epoch",
    "arp",
    "clock_start",
    "breach_at",
    "dispatch_by",
    "remote_case_number",
    "delivered",
    "interim_sent",
    "pending_breach_at",
    "unread_update",
    "corrected",
    "pending_final",
    "claimed_by",
    "duplicate_of",
    "cancel_on_breach",
    "dispatch_duty",
    "status_history",
    "needed_by",
    "answer_by",
    "triage",
)
_BESIDE = ("content", "outcome", "discovery", "created_at", "updated_at")
_case_of, _conversation_of, _beside = attrgetter(*_CASE), attrgetter(*_CONVERSATION), attrgetter(*_BESIDE)


def case_values(stored: StoredCase) -> dict[str, Any]:
    """Column values of a case."""
    values: dict[str, Any] = dict(zip(_CASE, _case_of(stored.case), strict=True))
    values.update(zip(_CONVERSATION, _conversation_of(stored.conversation), strict=True))
    values.update(zip(_BESIDE, _beside(stored), strict=True))
    values["warnings"] = list(stored.warnings)
    values["corrected"] = list(stored.case.corrected)
    values["triage"] = dict(stored.case.triage)
    values["status_history"] = [
        {"status": change.status, "at": change.at.isoformat()} for change in stored.case.status_history
    ]
    return values


def changed_values(before: StoredCase, after: StoredCase) -> dict[str, Any]:
    """Column values in which a case differs from what it was; its id and the time it was made never do."""
    old, new = case_values(before), case_values(after)
    return {name: value for name, value in new.items() if value is not old[name] and value != old[name]}


def stored_case(row: Any) -> StoredCase:
    """The case that a row of `cases` holds."""
    values: dict[str, Any] = dict(row._mapping)
    facts: dict[str, Any] = {name: values[name] for name in _CASE}
    facts["side"] = Side(facts["side"])
    facts["use_case"] = UseCase(facts["use_case"])
    facts["arp"] = Priority.parse(facts["arp"])
    facts["dispatch_duty"] = Duty(facts["dispatch_duty"])
    facts["corrected"] = tuple(facts["corrected"] or ())
    facts["status_history"] = tuple(
        StatusChange(change["status"], datetime.fromisoformat(change["at"])) for change in facts["status_history"]
    )
    return StoredCase(
        case=Case(**facts),
        conversation=Conversation(**{name: values[name] for name in _CONVERSATION}),
        warnings=tuple(values["warnings"]),
        **{name: values[name] for name in _BESIDE},
    )


def snapshot(stored: StoredCase) -> dict[str, Any]:
    """The `case` object of an event (contracts/events.md)."""
    return {
        "id": str(stored.id),
        "case_number": stored.conversation.case_number,
        "remote_case_number": stored.case.remote_case_number,
        "use_case": stored.case.use_case.value,
        "side": stored.case.side.value,
        "state": stored.case.state,
        "version": stored.case.version,
        "dispatch_duty": stored.case.dispatch_duty.value,
    }
