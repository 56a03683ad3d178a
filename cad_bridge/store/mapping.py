"""Between table rows and the values outside: the only place that knows both shapes of a case."""

from __future__ import annotations

from datetime import datetime
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


def case_values(stored: StoredCase) -> dict[str, Any]:
    """Column values of a case."""
    values: dict[str, Any] = {name: getattr(stored.case, name) for name in _CASE}
    values |= {name: getattr(stored.conversation, name) for name in _CONVERSATION}
    values |= {name: getattr(stored, name) for name in _BESIDE}
    values["warnings"] = list(stored.warnings)
    values["triage"] = dict(stored.case.triage)
    values["status_history"] = [
        {"status": change.status, "at": change.at.isoformat()} for change in stored.case.status_history
    ]
    return values


def stored_case(row: Any) -> StoredCase:
    """The case that a row of `cases` holds."""
    values: dict[str, Any] = dict(row._mapping)
    facts: dict[str, Any] = {name: values[name] for name in _CASE}
    facts["side"] = Side(facts["side"])
    facts["use_case"] = UseCase(facts["use_case"])
    facts["arp"] = Priority.parse(facts["arp"])
    facts["dispatch_duty"] = Duty(facts["dispatch_duty"])
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
