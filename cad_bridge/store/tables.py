"""The tables. `table=True` does not validate, so nothing outside `store` ever holds one of these classes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, Integer, LargeBinary, Sequence, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

# Constraint names are fixed, so that migrations can name them and models can be compared with them.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

OUTBOX_SEQ = Sequence("outbox_seq", metadata=SQLModel.metadata)
"""The order in which messages were queued; within a case they leave in this order."""

CASE_NUMBER_SEQ = Sequence("case_number_seq", metadata=SQLModel.metadata)
"""Makes the human-readable case numbers of what we receive unique."""


def _time(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=nullable))


def _json(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(JSONB(none_as_null=True), nullable=nullable))


def _key() -> Any:
    return Field(sa_column=Column(Text, primary_key=True))


def _text(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(Text, nullable=nullable))


class CaseRow(SQLModel, table=True):
    """One local case: one side of one conversation."""

    __tablename__ = "cases"
    __table_args__ = (
        Index("ix_cases_local_service_state", "local_service", "state"),
        Index("ix_cases_breach_at", "breach_at"),
        Index("ix_cases_correlation_id", "correlation_id"),
        Index("ix_cases_case_number", "case_number"),
        Index("ix_cases_journey_id", "journey_id"),
        Index("ix_cases_service_request_id", "service_request_id"),
        Index("ix_cases_service_request_full_url", "service_request_full_url"),
        Index("ix_cases_request_bundle_id", "request_bundle_id"),
    )

    id: UUID = Field(primary_key=True)
    side: str = _text()
    use_case: str = _text()
    state: str = _text()
    version: int
    epoch: int
    local_service: str = _text()
    remote_service: str = _text()
    remote_ods_code: str | None = _text(nullable=True)
    remote_name: str | None = _text(nullable=True)
    case_number: str = _text()
    remote_case_number: str | None = _text(nullable=True)
    journey_id: str | None = _text(nullable=True)
    correlation_id: str = _text()
    request_bundle_id: str = _text()
    service_request_full_url: str | None = _text(nullable=True)
    service_request_id: str | None = _text(nullable=True)
    encounter_full_url: str = _text()
    encounter_id: str | None = _text(nullable=True)
    arp: str | None = _text(nullable=True)
    clock_start: datetime | None = _time(nullable=True)
    breach_at: datetime | None = _time(nullable=True)
    dispatch_by: datetime | None = _time(nullable=True)
    delivered: bool
    interim_sent: bool
    pending_breach_at: datetime | None = _time(nullable=True)
    unread_update: bool
    corrected: list[str] | None = _json(nullable=True)
    """None where a node of an earlier release opened the case."""
    pending_final: dict[str, Any] | None = _json(nullable=True)
    cancel_on_breach: bool
    dispatch_duty: str = _text()
    status_history: list[dict[str, Any]] = _json()
    needed_by: datetime | None = _time(nullable=True)
    answer_by: datetime | None = _time(nullable=True)
    triage: dict[str, Any] = _json()
    content: dict[str, Any] = _json()
    issued_ids: dict[str, str] = _json()
    outcome: dict[str, Any] | None = _json(nullable=True)
    warnings: list[dict[str, Any]] = _json()
    discovery: dict[str, Any] | None = _json(nullable=True)
    """Why the referral went where it went, or where its receiver plots the incident."""
    claimed_by: str | None = _text(nullable=True)
    duplicate_of: str | None = _text(nullable=True)
    created_at: datetime = _time()
    updated_at: datetime = _time()


class MessageRow(SQLModel, table=True):
    """The exact bytes of every message in and out, refused ones included, with what became of it."""

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("direction IN ('in', 'out')", name="direction"),
        Index("ix_messages_case_id", "case_id"),
        Index("ix_messages_bundle_id", "bundle_id"),
        Index("ix_messages_request_id", "request_id"),
        Index("ix_messages_at", "at"),
    )

    id: UUID = Field(primary_key=True)
    direction: str = _text()
    at: datetime = _time()
    kind: str | None = _text(nullable=True)
    case_id: UUID | None = Field(default=None, foreign_key="cases.id")
    request_id: str | None = _text(nullable=True)
    correlation_id: str | None = _text(nullable=True)
    bundle_id: str | None = _text(nullable=True)
    local_service: str | None = _text(nullable=True)
    remote_service: str | None = _text(nullable=True)
    headers: dict[str, Any] = _json()
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sha256: str = _text()
    status: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    answer: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    issues: list[dict[str, Any]] = _json()


class HeldRequestRow(SQLModel, table=True):
    """The request of a case as it stands: the merge of all that came, or the last message that we sent of it.

    Every version before it is among the messages of the case (CORE-UPD-09).
    """

    __tablename__ = "held_requests"

    case_id: UUID = Field(primary_key=True, foreign_key="cases.id")
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    versions: int
    updated_at: datetime = _time()


class ReceiptRow(SQLModel, table=True):
    """The verdict on an X-Request-Id, written in the commit of the work itself (decision 12)."""

    __tablename__ = "receipts"

    request_id: str = _key()
    correlation_id: str = _text()
    message_id: UUID = Field(foreign_key="messages.id")
    at: datetime = _time()
    status: int
    answer: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    inherited: bool
    """Whether a 408 went out before this verdict was reached, so that a repeat gets the verdict itself."""


class DeadlineRow(SQLModel, table=True):
    """One armed promise. A disarmed one is deleted; a fired one stays with its time, for the story of the case."""

    __tablename__ = "deadlines"
    __table_args__ = (
        Index("uq_deadlines_case_id_kind_subject", "case_id", "kind", "subject", unique=True),
        Index("ix_deadlines_due_at_armed", "due_at", postgresql_where=text("fired_at IS NULL")),
    )

    id: UUID = Field(primary_key=True)
    case_id: UUID = Field(foreign_key="cases.id")
    kind: str = _text()
    subject: str = _text()
    """The escalation that an acknowledgement deadline is about; empty for all others."""
    due_at: datetime = _time()
    armed_at: datetime = _time()
    fired_at: datetime | None = _time(nullable=True)


class EscalationRow(SQLModel, table=True):
    """Something that a named person must acknowledge. The unique key makes it happen once, whatever crashes."""

    __tablename__ = "escalations"
    __table_args__ = (
        Index("uq_escalations_case_id_key", "case_id", "key", unique=True),
        Index("ix_escalations_open", "raised_at", postgresql_where=text("acknowledged_at IS NULL")),
    )

    id: UUID = Field(primary_key=True)
    case_id: UUID = Field(foreign_key="cases.id")
    key: str = _text()
    reason: str = _text()
    level: int
    due_at: datetime | None = _time(nullable=True)
    raised_at: datetime = _time()
    data: dict[str, Any] = _json()
    acknowledged_at: datetime | None = _time(nullable=True)
    acknowledged_by: str | None = _text(nullable=True)


class EventRow(SQLModel, table=True):
    """The event log. The cursor is taken from `event_cursor` under its lock, so that it follows commit order."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_case_id", "case_id"),
        Index("ix_events_local_service_cursor", "local_service", "cursor"),
    )

    cursor: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    id: UUID
    type: str = _text()
    at: datetime = _time()
    case_id: UUID = Field(foreign_key="cases.id")
    local_service: str = _text()
    case: dict[str, Any] = _json()
    data: dict[str, Any] = _json()
    rule: str = _text()
    by: str = _text()


class EventCursorRow(SQLModel, table=True):
    """A single row: the last cursor given out. Its lock is held until commit (decision 13)."""

    __tablename__ = "event_cursor"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    value: int = Field(sa_column=Column(BigInteger, nullable=False))


class OutboxRow(SQLModel, table=True):
    """A message that has to reach a remote service. Rows of one case leave in the order of `seq`."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'delivered', 'refused', 'withdrawn')", name="state"),
        Index("ix_outbox_case_id_seq", "case_id", "seq"),
        Index("ix_outbox_next_attempt_at_pending", "next_attempt_at", postgresql_where=text("state = 'pending'")),
    )

    id: UUID = Field(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    case_id: UUID = Field(foreign_key="cases.id")
    message_id: UUID = Field(foreign_key="messages.id")
    kind: str = _text()
    state: str = _text()
    attempts: int
    created_at: datetime = _time()
    next_attempt_at: datetime = _time()
    lease_until: datetime | None = _time(nullable=True)
    leased_by: str | None = _text(nullable=True)
    settled_at: datetime | None = _time(nullable=True)
    checked_at: datetime | None = _time(nullable=True)
    """When the other side was read before this update or cancellation was first sent (CORE-CAN-01)."""


class AttemptRow(SQLModel, table=True):
    """One try at delivering one outbox row; the message and its attempts are different things."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_outbox_id", "outbox_id"),)

    id: UUID = Field(primary_key=True)
    outbox_id: UUID = Field(foreign_key="outbox.id")
    number: int
    at: datetime = _time()
    took_ms: float
    status: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    verdict: str = _text()
    error: str | None = _text(nullable=True)


class SubscriptionRow(SQLModel, table=True):
    """A webhook: events after `cursor` are posted to `url` in order; tier 1 and up get repeated escalations only."""

    __tablename__ = "subscriptions"

    id: UUID = Field(primary_key=True)
    client: str = _text()
    url: str = _text()
    secret: str = _text()
    tier: int
    services: list[str] = _json()
    cursor: int = Field(sa_column=Column(BigInteger, nullable=False))
    failures: int
    last_error: str | None = _text(nullable=True)
    last_success_at: datetime | None = _time(nullable=True)
    next_attempt_at: datetime = _time()
    lease_until: datetime | None = _time(nullable=True)
    created_at: datetime = _time()


class IdempotencyRow(SQLModel, table=True):
    """What an Idempotency-Key of a client stood for, so that its retry gets the first answer."""

    __tablename__ = "idempotency_keys"

    client: str = _key()
    key: str = _key()
    request_sha256: str = _text()
    case_id: UUID = Field(foreign_key="cases.id")
    at: datetime = _time()


class RefusedCallRow(SQLModel, table=True):
    """A local API call that was refused for its content, kept for audit (never logged)."""

    __tablename__ = "refused_calls"
    __table_args__ = (Index("ix_refused_calls_at", "at"),)

    id: UUID = Field(primary_key=True)
    at: datetime = _time()
    client: str = _text()
    path: str = _text()
    status: int
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    problems: list[dict[str, Any]] = _json()


class BoardSessionRow(SQLModel, table=True):
    """A signed-in person on the board; only the hash of the cookie is kept."""

    __tablename__ = "board_sessions"

    token_sha256: str = _key()
    username: str = _text()
    csrf: str = _text()
    created_at: datetime = _time()
    expires_at: datetime = _time()


class NegotiatedRow(SQLModel, table=True):
    """What a remote service said it takes, for a use case; forgotten when it has run out."""

    __tablename__ = "negotiated"

    service: str = _key()
    use_case: str = _key()
    version: str | None = _text(nullable=True)
    reason: str | None = _text(nullable=True)
    advice: str | None = _text(nullable=True)
    expires_at: datetime = _time()


class NodeRow(SQLModel, table=True):
    """The heartbeat of one running node: when its sweep last came through."""

    __tablename__ = "nodes"

    id: str = _key()
    started_at: datetime = _time()
    last_sweep_at: datetime = _time()
    last_lateness_ms: float
