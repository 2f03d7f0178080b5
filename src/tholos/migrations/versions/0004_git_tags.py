"""annotated tags, as git pushes them

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "git_tags",
        sa.Column("oid", sa.String(length=40), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("oid", name=op.f("pk_git_tags")),
    )
    with op.batch_alter_table("refs") as batch:
        batch.add_column(sa.Column("tag_id", sa.String(length=40), nullable=True))
        batch.create_foreign_key(batch.f("fk_refs_tag_id_git_tags"), "git_tags", ["tag_id"], ["oid"])
