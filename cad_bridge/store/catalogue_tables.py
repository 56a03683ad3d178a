"""The tables of service discovery: the endpoint catalogue, how its endpoints do, who chose which receiver and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from cad_bridge.store import tables

assert tables  # its naming convention names the constraints here, and `cases` is its table


def _text(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(Text, nullable=nullable))


def _time(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=nullable))


def _json(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(JSONB(none_as_null=True), nullable=nullable))


class CatalogueVersionRow(SQLModel, table=True):
    """Every version of every resource of the endpoint catalogue. Rows are added, never changed: that is the history."""

    __tablename__ = "catalogue_versions"
    __table_args__ = (
        CheckConstraint("kind IN ('HealthcareService', 'Endpoint', 'Template', 'Organization')", name="kind"),
        CheckConstraint("action IN ('create', 'update', 'delete')", name="action"),
        CheckConstraint("(action = 'delete') = (resource IS NULL)", name="tombstone"),
        Index("uq_catalogue_versions_kind_id_version", "kind", "id", "version", unique=True),
    )

    revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Counts all changes of the catalogue in the order of their commits."""
    kind: str = _text()
    id: str = _text()
    version: int
    action: str = _text()
    at: datetime = _time()
    by: str = _text()
    resource: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True), nullable=True))
    """As it was sent, with the catalogue's id and meta. JSON, not JSONB: the order of its elements is its sender's."""


class EndpointHealthRow(SQLModel, table=True):
    """What the attempts to deliver to one service came to."""

    __tablename__ = "endpoint_health"

    service_id: str = Field(sa_column=Column(Text, primary_key=True))
    last_success_at: datetime | None = _time(nullable=True)
    last_failure_at: datetime | None = _time(nullable=True)
    failures_since_success: int = Field(sa_column=Column(Integer, nullable=False))
    last_failure: str = _text()


class ReceiverDecisionRow(SQLModel, table=True):
    """Why a case went to the service it went to: by place, confirmed by a person, or chosen by one."""

    __tablename__ = "receiver_decisions"
    __table_args__ = (
        CheckConstraint("how IN ('automatic', 'named', 'confirmed', 'manual')", name="how"),
        CheckConstraint("how <> 'manual' OR reason IS NOT NULL", name="reason"),
        Index("ix_receiver_decisions_case_id", "case_id"),
    )

    id: UUID = Field(primary_key=True)
    case_id: UUID = Field(
        # Checked at commit: the unit of work writes the case itself only then.
        sa_column=Column(Uuid, ForeignKey("cases.id", deferrable=True, initially="DEFERRED"), nullable=False)
    )
    how: str = _text()
    use_case: str = _text()
    ods_code: str | None = _text(nullable=True)
    service_id: str | None = _text(nullable=True)
    decided_by: str = _text()
    decided_at: datetime = _time()
    reason: str | None = _text(nullable=True)
    boundary_version: str = _text()
    answer: dict[str, Any] = _json()
    """What discovery answered; where a person chose, the answer that was overruled or confirmed."""
    alternatives: list[dict[str, Any]] = _json()
    doubts: list[str] = _json()
    """Why a person had to look."""
