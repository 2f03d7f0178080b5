"""mirrors of repos elsewhere, and content that is promised but not here yet

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

from tholos.kit.database import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("git_blobs") as batch:
        batch.drop_constraint(batch.f("fk_git_blobs_sha256_blobs"), type_="foreignkey")
    op.create_table(
        "reserved_names",
        sa.Column("name_key", sa.String(length=96), nullable=False),
        sa.PrimaryKeyConstraint("name_key", name=op.f("pk_reserved_names")),
    )
    op.create_table(
        "mirrors",
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.Column("base", sa.String(length=500), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("checked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["repo_id"], ["repos.id"], name=op.f("fk_mirrors_repo_id_repos"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("repo_id", name=op.f("pk_mirrors")),
    )
    op.create_table(
        "mirror_refs",
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("oid", sa.String(length=40), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["mirrors.repo_id"], name=op.f("fk_mirror_refs_repo_id_mirrors"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "name", name=op.f("pk_mirror_refs")),
    )
    op.create_table(
        "repo_promises",
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_promises_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "sha256", name=op.f("pk_repo_promises")),
    )
    op.create_index("ix_repo_promises_sha256", "repo_promises", ["sha256"])
