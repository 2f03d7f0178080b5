"""whole files beside their recipes

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

from tholos.kit.database import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("blobs", sa.Column("packed_at", UtcDateTime(), nullable=True))
    op.create_index(
        "ix_blobs_packed_at",
        "blobs",
        ["packed_at"],
        sqlite_where=sa.text("packed_at IS NOT NULL"),
        postgresql_where=sa.text("packed_at IS NOT NULL"),
    )
