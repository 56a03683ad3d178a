"""Cases are found by what messages name them by through an index: every message asks, whatever the number of cases."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand the schema."""
    op.create_index("ix_cases_service_request_id", "cases", ["service_request_id"])
    op.create_index("ix_cases_service_request_full_url", "cases", ["service_request_full_url"])
    op.create_index("ix_cases_request_bundle_id", "cases", ["request_bundle_id"])


def downgrade() -> None:
    """Migrations only expand; going back is done by restoring (DESIGN decision 1)."""
    raise NotImplementedError("migrations only go forward")
