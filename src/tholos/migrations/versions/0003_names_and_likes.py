"""former names of repos, and likes

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from tholos.kit.database import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "repo_aliases",
        sa.Column("kind", sa.Enum("model", "dataset", name="repokind", native_enum=False, length=16), nullable=False),
        sa.Column("namespace_key", sa.String(length=96), nullable=False),
        sa.Column("name_key", sa.String(length=96), nullable=False),
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_aliases_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("kind", "namespace_key", "name_key", name=op.f("pk_repo_aliases")),
    )
    op.create_index("ix_repo_aliases_repo_id", "repo_aliases", ["repo_id"], unique=False)
    op.create_table(
        "repo_likes",
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_repo_likes_account_id_accounts")),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_likes_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "account_id", name=op.f("pk_repo_likes")),
    )
    op.create_index("ix_repo_likes_account_id", "repo_likes", ["account_id", "created_at"], unique=False)
