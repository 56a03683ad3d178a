"""The frame of a message: MessageHeader and Bundle, as bytes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_elements import Entry, Json, coding, concept, filled, reference, resource
from cad_bridge.fhir.envelope import Envelope


def header(
    envelope: Envelope,
    *,
    event: str,
    reason: str,
    definition: str,
    focus_url: str,
    sender_url: str,
    receiver_url: str,
    cdss: Json | None,
    response_to: str | None = None,
) -> Entry:
    """The MessageHeader (CORE-MH-02, CORE-MH-03, CORE-MH-12); `response_to` is the original request's Bundle.id."""
    is_response = event == codes.EVENT_RESPONSE
    fields = {
        "extension": [cdss] if cdss else None,
        "eventCoding": coding(codes.EVENTS, event),
        "destination": [{"endpoint": envelope.receiver.service_id, "receiver": reference(receiver_url)}],
        "sender": reference(sender_url),
        "source": _source(envelope),
        "reason": concept(coding(codes.REASONS, reason, codes.REASON_DISPLAYS[reason])),
        "response": {"identifier": response_to, "code": "ok"} if response_to else None,
        "focus": [reference(focus_url)],
        "definition": definition,
    }
    profile = codes.HEADER_RESPONSE_PROFILE if is_response else codes.HEADER_REQUEST_PROFILE
    body = resource("MessageHeader", fields, last_updated=moment(envelope), profiles=[profile])
    return Entry(f"urn:uuid:{envelope.message_id}", body)


def message(envelope: Envelope, entries: Iterable[Entry]) -> bytes:
    """The Bundle as bytes: UTC with offset +00:00 (CORE-BND-05, CORE-BND-06); echoed numbers digit for digit."""
    created = moment(envelope)
    bundle = {
        "resourceType": "Bundle",
        "id": envelope.bundle_id,
        "meta": {"versionId": envelope.version_id, "lastUpdated": created, "profile": [codes.BUNDLE_PROFILE]},
        "type": "message",
        "timestamp": created,
        "entry": [{"fullUrl": entry.full_url, "resource": entry.resource} for entry in entries],
    }
    return orjson.dumps(bundle)


def moment(envelope: Envelope) -> datetime:
    """When the message is made, in UTC."""
    return envelope.created_at.astimezone(UTC)


def category(use_case: str, kind: str, *, text: str | None = None) -> list[Json]:
    """ServiceRequest.category: type of message and use case, and what is asked for in words."""
    return [
        concept(
            coding(codes.MESSAGE_CATEGORIES, kind, codes.MESSAGE_CATEGORY_DISPLAYS[kind]),
            coding(codes.USE_CASES, use_case, codes.USE_CASE_DISPLAYS[use_case]),
            text=text,
        )
    ]


def emergency_class() -> Json:
    """Encounter.class of every Encounter here."""
    return coding(codes.ACT_CODE, "EMER", "emergency")


def _source(envelope: Envelope) -> dict[str, Any]:
    return filled(
        {
            "name": envelope.sender.name,
            "software": envelope.software_name,
            "version": envelope.software_version,
            "contact": {"system": "phone", "value": envelope.contact_phone} if envelope.contact_phone else None,
            "endpoint": envelope.sender.service_id,
        }
    )
