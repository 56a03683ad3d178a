"""Service discovery: endpoint catalogue with history, health of endpoints, decisions about receivers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand the schema."""
    op.create_table(
        "catalogue_versions",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("resource", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint(
            "kind IN ('HealthcareService', 'Endpoint', 'Template', 'Organization')",
            name=op.f("ck_catalogue_versions_kind"),
        ),
        sa.CheckConstraint("action IN ('create', 'update', 'delete')", name=op.f("ck_catalogue_versions_action")),
        sa.CheckConstraint("(action = 'delete') = (resource IS NULL)", name=op.f("ck_catalogue_versions_tombstone")),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_catalogue_versions")),
    )
    op.create_index(
        "uq_catalogue_versions_kind_id_version", "catalogue_versions", ["kind", "id", "version"], unique=True
    )
    op.create_table(
        "endpoint_health",
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("last_success_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_failure_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures_since_success", sa.Integer(), nullable=False),
        sa.Column("last_failure", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("service_id", name=op.f("pk_endpoint_health")),
    )
    op.create_table(
        "receiver_decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("use_case", sa.Text(), nullable=False),
        sa.Column("ods_code", sa.Text(), nullable=True),
        sa.Column("service_id", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("boundary_version", sa.Text(), nullable=False),
        sa.Column("answer", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("alternatives", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("doubts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "how IN ('automatic', 'named', 'confirmed', 'manual')", name=op.f("ck_receiver_decisions_how")
        ),
        sa.CheckConstraint("how <> 'manual' OR reason IS NOT NULL", name=op.f("ck_receiver_decisions_reason")),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["cases.id"],
            name=op.f("fk_receiver_decisions_case_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receiver_decisions")),
    )
    op.create_index("ix_receiver_decisions_case_id", "receiver_decisions", ["case_id"], unique=False)


def downgrade() -> None:
    """Migrations only expand; going back is done by restoring (DESIGN decision 1)."""
    raise NotImplementedError("migrations only go forward")
