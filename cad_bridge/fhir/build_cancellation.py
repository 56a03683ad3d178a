"""Cancellation of a request: the small bundle of the standard pattern (CORE-CAN-04, X-32)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_elements import Entry, Json, organisation_fields, resource
from cad_bridge.fhir.build_message import header, message, moment
from cad_bridge.fhir.build_response import requesters_system
from cad_bridge.fhir.build_triage import cdss_extension
from cad_bridge.fhir.content_types import Organisation
from cad_bridge.fhir.echo import (
    has_reference,
    parse_verbatim,
    verbatim_entries,
    with_ids,
    with_last_updated,
    without_dangling,
)
from cad_bridge.fhir.envelope import Envelope, Party, resource_full_url


def cancellation_bundle(
    request: bytes,
    *,
    issued_ids: Mapping[str, str],
    status: Literal["revoked", "entered-in-error"],
    reason_text: str,
    envelope: Envelope,
    current: bytes | None = None,
) -> bytes:
    """Cancel what `request`, the last message sent about the case, asks for.

    `status` is ``revoked`` where the request was meant, ``entered-in-error`` where it should not have been sent
    (CORE-CAN-05). `current` is the ServiceRequest just read back, alone or in a Bundle: its content goes back as it is
    but for the cancellation (CORE-UPD-11). The caller repeats the Bundle.id of the request (X-11). Raises ValueError
    if `request` holds no ServiceRequest or no Patient.
    """
    received = list(with_ids(verbatim_entries(parse_verbatim(request)), issued_ids))
    order = _entry(received, "ServiceRequest")
    read_back = {name: value for name, value in _service_request(current).items() if not has_reference(value)}
    asked = Entry(order.full_url, {**order.resource, **read_back})  # references stay those that this bundle resolves
    held = dict(received)
    parties = [_party(envelope, role, held) for role in ("sender", "receiver")]
    carried = [_cancelled(asked, status, reason_text, envelope), _entry(received, "Patient"), *parties]
    urls = frozenset(entry.full_url for entry in carried)
    system = requesters_system(received)
    head = header(
        envelope,
        event=codes.EVENT_REQUEST,
        reason="update",
        definition=codes.DEFINITION_REQUEST_CANCELLED,
        focus_url=order.full_url,
        sender_url=parties[0].full_url,
        receiver_url=parties[1].full_url,
        cdss=cdss_extension(system) if system else None,
    )
    return message(
        envelope, [head, *(Entry(entry.full_url, without_dangling(entry.resource, urls)) for entry in carried)]
    )


def _cancelled(entry: Entry, status: str, reason_text: str, envelope: Envelope) -> Entry:
    changed = {**entry.resource, "status": status, "reasonCode": [{"text": reason_text}]}
    return Entry(entry.full_url, with_last_updated(changed, moment(envelope)))


def _entry(entries: list[Entry], resource_type: str) -> Entry:
    for entry in entries:
        if entry.resource.get("resourceType") == resource_type:
            return entry
    raise ValueError(f"the request holds no {resource_type}")


def _service_request(current: bytes | None) -> Json:
    """The ServiceRequest in the answer to a read; nothing if there is none in it."""
    if current is None:
        return {}
    answer = parse_verbatim(current)
    if answer.get("resourceType") == "ServiceRequest":
        return answer
    found = [entry.resource for entry in verbatim_entries(answer)]
    return next((one for one in found if one.get("resourceType") == "ServiceRequest"), {})


def _party(envelope: Envelope, role: str, held: Mapping[str, Json]) -> Entry:
    """The organisation as the request had it, with the id issued for it."""
    full_url = resource_full_url(envelope.bundle_id, f"Organization/{role}")
    if full_url in held:
        return Entry(full_url, held[full_url])
    party: Party = getattr(envelope, role)
    fields = organisation_fields(Organisation(ods_code=party.ods_code, name=party.name), codes.ODS_CODE)
    return Entry(full_url, resource("Organization", fields, last_updated=moment(envelope)))
