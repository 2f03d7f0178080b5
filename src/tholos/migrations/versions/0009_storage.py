"""freshness of content and git objects, and the state of garbage collection

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_LONG_AGO = "1970-01-01 00:00:00.000000"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    for table in ("blobs", "repo_blobs", "git_trees", "git_blobs", "git_tags"):
        op.add_column(table, sa.Column("fresh_at", moment, nullable=False, server_default=_LONG_AGO))
        # what is there may belong to a commit that is just being made
        op.execute(sa.update(sa.table(table, sa.column("fresh_at"))).values(fresh_at=sa.func.current_timestamp()))
    op.create_table(
        "collection_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("generation_at", moment, nullable=False),
        sa.Column("horizon", moment, nullable=False),
        sa.Column("holder", sa.String(length=40), nullable=True),
        sa.Column("held_until", moment, nullable=False),
        sa.Column("finished_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection_state")),
    )
    names = ("id", "generation", "generation_at", "horizon", "held_until")
    long_ago: sa.ColumnClause[str] = sa.literal_column(f"'{_LONG_AGO}'")
    columns = sa.table("collection_state", *(sa.column(name) for name in names))
    op.execute(
        sa.insert(columns).values(id=1, generation=1, generation_at=long_ago, horizon=long_ago, held_until=long_ago)
    )
    op.create_table(
        "collected_objects",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("removed_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_collected_objects")),
    )
