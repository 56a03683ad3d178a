"""What a remote system reads back of a request that we hold: the ServiceRequest as it came, with its status now."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from cad_bridge.fhir.facts import read_facts
from cad_bridge.fhir.json_text import read_json
from cad_bridge.fhir.readback import service_request_now
from cad_bridge.protocol.queries import RequestSearch
from cad_bridge.store import queries
from cad_bridge.store.rows import StoredCase

_STATUS = {
    "received": "active",
    "accepted": "active",
    "in_progress": "active",
    # Nothing more can be done with these by the requester: it must not cancel or update them.
    "finished": "completed",
    "rejected": "completed",
    "cancelled": "revoked",
}


async def current_request(database: AsyncEngine, service_request_id: str) -> dict[str, Any] | None:
    """The ServiceRequest with an id that we issued; None where we hold none."""
    stored = await queries.case_of_service_request(database, service_request_id)
    return None if stored is None else await _now(database, stored)


async def requests_of_patient(
    database: AsyncEngine, wanted: RequestSearch, *, service: str | None
) -> list[dict[str, Any]]:
    """Every request held for a patient, or with an identifier, newest first."""
    found = await queries.responder_cases_of(database, patient=wanted.patient, request=wanted.request, service=service)
    return [one for stored in found if (one := await _now(database, stored)) is not None]


async def _now(database: AsyncEngine, stored: StoredCase) -> dict[str, Any] | None:
    async with database.connect() as connection:
        request = await queries.held_request(connection, stored.id)
        cancellation = await queries.message_body(connection, case_id=stored.id, kind="cancellation")
    if request is None:
        return None
    return service_request_now(request, issued_ids=stored.conversation.issued_ids, status=_status(stored, cancellation))


def _status(stored: StoredCase, cancellation: bytes | None) -> str:
    """The status, and for a cancelled request the very one that the requester gave it."""
    if stored.case.state == "cancelled" and cancellation is not None:
        said = read_json(cancellation).value
        given = read_facts(said).sr_status if said is not None else None
        return given or _STATUS["cancelled"]
    return _STATUS[stored.case.state]
