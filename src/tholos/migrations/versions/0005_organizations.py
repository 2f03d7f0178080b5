"""organizations, collaborators, limited tokens, device logins

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from tholos.kit.database import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("accounts") as batch:
        batch.add_column(sa.Column("kind", sa.String(length=16), nullable=False, server_default="user"))
        batch.add_column(sa.Column("full_name", sa.String(length=200), nullable=False, server_default=""))
    with op.batch_alter_table("api_keys") as batch:
        batch.add_column(sa.Column("limits", sa.JSON(none_as_null=True), nullable=True))
    with op.batch_alter_table("jobs") as batch:
        batch.add_column(sa.Column("actor_id", sa.String(length=40), nullable=True))
        batch.add_column(sa.Column("key_id", sa.String(length=40), nullable=True))
    op.create_table(
        "memberships",
        sa.Column("organization_id", sa.String(length=40), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["accounts.id"], name=op.f("fk_memberships_organization_id_accounts")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_memberships_account_id_accounts")),
        sa.PrimaryKeyConstraint("organization_id", "account_id", name=op.f("pk_memberships")),
    )
    op.create_index("ix_memberships_account_id", "memberships", ["account_id"], unique=False)
    op.create_table(
        "repo_collaborators",
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_collaborators_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_repo_collaborators_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("repo_id", "account_id", name=op.f("pk_repo_collaborators")),
    )
    op.create_index("ix_repo_collaborators_account_id", "repo_collaborators", ["account_id", "repo_id"], unique=False)
    op.create_table(
        "xet_key_uploads",
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("xorb_hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_xet_key_uploads_key_id_api_keys")),
        sa.ForeignKeyConstraint(
            ["xorb_hash"], ["xet_xorbs.hash"], name=op.f("fk_xet_key_uploads_xorb_hash_xet_xorbs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key_id", "xorb_hash", name=op.f("pk_xet_key_uploads")),
    )
    op.create_index("ix_xet_key_uploads_xorb_hash", "xet_key_uploads", ["xorb_hash"], unique=False)
    op.create_table(
        "device_logins",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("user_code", sa.String(length=16), nullable=False),
        sa.Column("client", sa.String(length=96), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=True),
        sa.Column("scope_names", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_device_logins_account_id_accounts")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_device_logins")),
        sa.UniqueConstraint("user_code", name=op.f("uq_device_logins_user_code")),
    )
