"""Parts of a received request that were corrected here, so that no update overwrites them silently."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand the schema. Nullable, because nodes of the release before go on opening cases without it."""
    column = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
    op.add_column("cases", sa.Column("corrected", column, nullable=True))
