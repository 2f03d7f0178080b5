"""gated repos with requests for access, and quotas of accounts

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

from tholos.kit.database import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("repos", sa.Column("gated", sa.String(length=8), nullable=True))
    op.create_table(
        "access_requests",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("fields", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_access_requests_account_id_accounts")),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_access_requests_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_requests")),
    )
    op.create_index("uq_access_requests_repo_id_account_id", "access_requests", ["repo_id", "account_id"], unique=True)
    op.create_index("ix_access_requests_repo_id_state", "access_requests", ["repo_id", "state", "id"], unique=False)
    op.create_index("ix_access_requests_account_id", "access_requests", ["account_id", "state"], unique=False)
    op.create_table(
        "account_quotas",
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("max_bytes", sa.BigInteger(), nullable=True),
        sa.Column("max_repos", sa.Integer(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_account_quotas_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account_quotas")),
    )
