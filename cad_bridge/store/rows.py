"""The plain values that cross the border of `store`: frozen, typed, with aware UTC times."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from cad_bridge.workflow.case import Case, EscalationFacts
from cad_bridge.workflow.vocabulary import DeadlineKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Who talks to whom about what, in the identifiers that the messages carry."""

    local_service: str
    """``system|value`` of the service of ours."""
    remote_service: str
    case_number: str
    """Our own human-readable case number."""
    journey_id: str | None
    correlation_id: str
    request_bundle_id: str
    """Bundle.id of the original request, whoever sent it; responses name it (X-12)."""
    service_request_full_url: str | None
    service_request_id: str | None = None
    """The id that the receiver of the request issued."""
    encounter_full_url: str
    """The Encounter of our own side."""
    encounter_id: str | None = None
    remote_ods_code: str | None = None
    """Organisation of the remote service, as its message named it or as it is configured."""
    remote_name: str | None = None
    issued_ids: dict[str, str] = field(default_factory=dict)
    """fullUrl to resource id, as issued by the receiver of the request (CORE-SYNC-04)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCase:
    """A case with everything that is kept beside the facts that decide."""

    case: Case
    conversation: Conversation
    content: dict[str, Any]
    """The clinical content, in the words of the local API."""
    created_at: datetime
    updated_at: datetime
    outcome: dict[str, Any] | None = None
    warnings: tuple[dict[str, Any], ...] = ()
    discovery: dict[str, Any] | None = None
    """Why the referral went where it went, or where its receiver plots the incident (docs/referrals.md)."""

    @property
    def id(self) -> UUID:
        """The id of the case, in the local API and on the board."""
        return self.case.id

    def evolve(self, **changes: Any) -> StoredCase:
        """A copy with the given fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """An armed deadline."""

    id: UUID
    case_id: UUID
    kind: DeadlineKind
    subject: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A locked case with its armed deadlines and what has been escalated of it."""

    stored: StoredCase
    deadlines: tuple[Deadline, ...]
    escalation_keys: frozenset[str]
    escalations: tuple[EscalationFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message to keep: exact bytes and the headers they travelled with."""

    id: UUID
    direction: str
    at: datetime
    body: bytes
    headers: dict[str, Any]
    kind: str | None = None
    case_id: UUID | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    bundle_id: str | None = None
    local_service: str | None = None
    remote_service: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A kept message as it is read back."""

    id: UUID
    direction: str
    at: datetime
    kind: str | None
    case_id: UUID | None
    request_id: str | None
    correlation_id: str | None
    bundle_id: str | None
    headers: dict[str, Any]
    body: bytes
    sha256: str
    status: int | None
    answer: bytes | None
    issues: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The verdict that an X-Request-Id got."""

    request_id: str
    status: int
    answer: bytes
    inherited: bool

    @property
    def succeeded(self) -> bool:
        """Whether the message was processed, so that a repeat is a duplicate."""
        return self.status < 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of the log, as contracts/events.md shapes it."""

    cursor: int
    id: UUID
    type: str
    at: datetime
    case_id: UUID
    case: dict[str, Any]
    data: dict[str, Any]
    rule: str
    by: str

    def as_contract(self) -> dict[str, Any]:
        """The object that the API, the stream and the webhooks carry."""
        return {
            "cursor": str(self.cursor),
            "id": str(self.id),
            "type": self.type,
            "at": self.at.isoformat(),
            "case": self.case,
            "data": self.data,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """An escalation as the board and the API show it."""

    id: UUID
    case_id: UUID
    reason: str
    level: int
    due_at: datetime | None
    raised_at: datetime
    data: dict[str, Any]
    acknowledged_at: datetime | None
    acknowledged_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A claimed outbox row: one message to be tried once."""

    id: UUID
    case_id: UUID
    message_id: UUID
    kind: str
    attempts: int
    """Tries before this one."""
    lease_until: datetime
    created_at: datetime
    body: bytes
    headers: dict[str, Any]
    request_id: str
    correlation_id: str
    local_service: str
    remote_service: str
    service_request_id: str | None
    use_case: str
    checked: bool
    """Whether the other side was read before it was first sent."""

    @property
    def definition(self) -> str | None:
        """The MessageDefinition that the message cites; it may have been written by the CAD, spaces and all."""
        resources = (entry.get("resource", {}) for entry in orjson.loads(self.body)["entry"])
        header: dict[str, Any] = next((item for item in resources if item.get("resourceType") == "MessageHeader"), {})
        cited: str | None = header.get("definition")
        return cited.partition("|")[0] if cited is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A webhook of a client."""

    id: UUID
    client: str
    url: str
    secret: str
    tier: int
    services: tuple[str, ...]
    cursor: int
    failures: int
    last_error: str | None
    last_success_at: datetime | None
