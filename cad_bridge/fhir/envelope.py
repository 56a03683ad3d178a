"""Who sends a message to whom, when and under which ids: everything of a message that is not clinical."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime


def split_service_id(service_id: str) -> tuple[str, str]:
    """`system|value` at its last pipe (defects S6): it is never a URL.

    Raises ValueError where there is no pipe or an empty part.
    """
    system, pipe, value = service_id.rpartition("|")
    if not pipe or not system or not value:
        raise ValueError("a service id is written as system|value")
    return system, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One end of a message: a service and the organisation that provides it (CORE-MH-02, CORE-MH-03)."""

    service_id: str
    """`system|value`, such as ``https://fhir.nhs.uk/Id/dos-service-id|2000000011``."""
    ods_code: str | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The frame of one outgoing message.

    Raises ValueError if `created_at` is naive or a service id is not ``system|value``.
    """

    bundle_id: str
    """Bundle.id: that of the first request for updates and cancellations, a new one for responses (X-11)."""
    message_id: str
    """GUID of this one message: the fullUrl of its MessageHeader."""
    created_at: datetime
    """Aware; Bundle.timestamp and the lastUpdated of everything new in this message."""
    sender: Party
    receiver: Party
    version_id: str
    """Version of the MessageDefinition, for Bundle.meta.versionId (X-13)."""
    software_name: str
    software_version: str
    case_number_system: str | None = None
    """Identifier system of the sender's own case numbers, if it has one."""
    contact_phone: str | None = None
    """Number to call about the message itself (MessageHeader.source.contact)."""

    def __post_init__(self) -> None:
        if self.created_at.tzinfo is None:
            raise ValueError("created_at must be aware")
        split_service_id(self.sender.service_id)
        split_service_id(self.receiver.service_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """A status that a case took, and when; aware."""

    status: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEncounter:
    """The Encounter of this system for the case, as receiver of a request.

    `status` is that of the case now. The builders of validation messages set the one that their kind of
    message prescribes (planned, in-progress, cancelled, finished).
    """

    full_url: str
    """``urn:uuid:...``, the same in the acknowledgement and in every later response."""
    id: str
    case_number: str
    """Human readable; shown to the user of the other side (CORE-SYNC-02, CORE-SYNC-03)."""
    case_number_system: str | None
    status: str
    period_start: datetime
    """When the request was acknowledged (APP4-VS-32)."""
    period_end: datetime | None = None
    history: tuple[StatusChange, ...] = ()
    """Every status of the case with its time, oldest first, the present one last: CAD to CAD sends it (APP6-RSP-08)."""


def resource_full_url(bundle_id: str, role: str) -> str:
    """The fullUrl of the resource in that role: the same in every message that keeps the Bundle.id.

    `role` is unique in a message, such as ``Patient`` or ``Flag/0``.
    """
    return f"urn:uuid:{uuid.uuid5(_namespace(bundle_id), role)}"


def _namespace(bundle_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(bundle_id.removeprefix("urn:uuid:"))
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, bundle_id)
