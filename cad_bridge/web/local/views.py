"""What the local API shows of cases, messages and escalations."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from cad_bridge.store.plain import as_json
from cad_bridge.store.rows import Escalation, StoredCase, StoredMessage, Subscription


def case_view(stored: StoredCase, escalations: Iterable[Escalation] = ()) -> dict[str, Any]:
    """A case as the local API gives it: all times ISO 8601 UTC, clinical content unchanged."""
    case, conversation = stored.case, stored.conversation
    requester = case.side.value == "requester"
    local, remote = conversation.local_service, conversation.remote_service
    view: dict[str, Any] = as_json(
        {
            "id": stored.id,
            "side": case.side,
            "use_case": case.use_case,
            "state": case.state,
            "version": case.version,
            "case_number": conversation.case_number,
            "remote_case_number": case.remote_case_number,
            "journey_id": conversation.journey_id,
            "sender": local if requester else remote,
            "receiver": remote if requester else local,
            "arp": case.arp,
            "clock_start": case.clock_start,
            "breach_at": case.breach_at,
            "dispatch_by": case.dispatch_by,
            "dispatch_duty": case.dispatch_duty,
            "needed_by": case.needed_by,
            "answer_by": case.answer_by,
            "status_history": [{"status": change.status, "at": change.at} for change in case.status_history],
            "delivered": case.delivered,
            "created_at": stored.created_at,
            "updated_at": stored.updated_at,
            "claimed_by": case.claimed_by,
            "unread_update": case.unread_update,
            "corrected": list(case.corrected),
            "request_bundle_id": conversation.request_bundle_id,
            "encounter_full_url": conversation.encounter_full_url,
            "encounter_id": conversation.encounter_id,
            "issued_ids": conversation.issued_ids,
            "duplicate_of": case.duplicate_of,
        }
    )
    return view | {
        "content": stored.content,
        "outcome": stored.outcome,
        "warnings": list(stored.warnings),
        "discovery": stored.discovery,
        "escalations": [escalation_view(item) for item in escalations],
    }


def escalation_view(escalation: Escalation) -> dict[str, Any]:
    """An escalation as the local API gives it."""
    view: dict[str, Any] = as_json(
        {
            "id": escalation.id,
            "case_id": escalation.case_id,
            "reason": escalation.reason,
            "level": escalation.level,
            "due_at": escalation.due_at,
            "raised_at": escalation.raised_at,
            "acknowledged_at": escalation.acknowledged_at,
            "acknowledged_by": escalation.acknowledged_by,
        }
    )
    return view | {"data": escalation.data}


def message_view(message: StoredMessage) -> dict[str, Any]:
    """A message with its exact bytes, in base64, and their SHA-256."""
    view: dict[str, Any] = as_json(
        {
            "id": message.id,
            "direction": message.direction,
            "at": message.at,
            "kind": message.kind,
            "request_id": message.request_id,
            "correlation_id": message.correlation_id,
            "bundle_id": message.bundle_id,
            "status": message.status,
            "sha256": message.sha256,
            "issues": list(message.issues),
        }
    )
    answer = None if message.answer is None else base64.b64encode(message.answer).decode()
    return view | {"body_base64": base64.b64encode(message.body).decode(), "answer_base64": answer}


def subscription_view(subscription: Subscription) -> dict[str, Any]:
    """A webhook without its secret, with its health."""
    view: dict[str, Any] = as_json(
        {
            "id": subscription.id,
            "url": subscription.url,
            "tier": subscription.tier,
            "services": subscription.services,
            "cursor": str(subscription.cursor),
            "failures": subscription.failures,
            "last_error": subscription.last_error,
            "last_success_at": subscription.last_success_at,
        }
    )
    return view
