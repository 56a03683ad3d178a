"""The CAD case of which an original is the duplicate, whenever the responder named it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand the schema."""
    op.add_column("cases", sa.Column("duplicate_of", sa.Text(), nullable=True))


def downgrade() -> None:
    """Migrations only expand; going back is done by restoring (DESIGN decision 1)."""
    raise NotImplementedError("migrations only go forward")
