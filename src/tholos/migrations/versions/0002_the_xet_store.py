"""the Xet store

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from tholos.kit.database import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not as a batch: on SQLite that would copy the table, which others refer to.
    op.add_column("blobs", sa.Column("xet_hash", sa.String(length=64), nullable=True))
    op.create_index("ix_blobs_xet_hash", "blobs", ["xet_hash"], unique=False)
    op.create_table(
        "xet_xorbs",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("raw_bytes", sa.BigInteger(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("acknowledged_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_xet_xorbs")),
    )
    op.create_table(
        "blob_xorbs",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("xorb_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_blob_xorbs_sha256_blobs")),
        sa.ForeignKeyConstraint(["xorb_hash"], ["xet_xorbs.hash"], name=op.f("fk_blob_xorbs_xorb_hash_xet_xorbs")),
        sa.PrimaryKeyConstraint("sha256", "xorb_hash", name=op.f("pk_blob_xorbs")),
    )
    op.create_index("ix_blob_xorbs_xorb_hash", "blob_xorbs", ["xorb_hash"], unique=False)
    op.create_table(
        "xet_uploads",
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("xorb_hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_xet_uploads_account_id_accounts")),
        sa.ForeignKeyConstraint(
            ["xorb_hash"], ["xet_xorbs.hash"], name=op.f("fk_xet_uploads_xorb_hash_xet_xorbs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "xorb_hash", name=op.f("pk_xet_uploads")),
    )
    op.create_index("ix_xet_uploads_xorb_hash", "xet_uploads", ["xorb_hash"], unique=False)
    op.create_table(
        "repo_xet_files",
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.Column("xet_hash", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("recipe", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_xet_files_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_repo_xet_files_sha256_blobs")),
        sa.PrimaryKeyConstraint("repo_id", "xet_hash", name=op.f("pk_repo_xet_files")),
    )
    op.create_index("ix_repo_xet_files_sha256", "repo_xet_files", ["sha256", "repo_id"], unique=False)
    op.create_table(
        "repo_xorbs",
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.Column("xorb_hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_xorbs_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["xorb_hash"], ["xet_xorbs.hash"], name=op.f("fk_repo_xorbs_xorb_hash_xet_xorbs")),
        sa.PrimaryKeyConstraint("repo_id", "xorb_hash", name=op.f("pk_repo_xorbs")),
    )
    op.create_index("ix_repo_xorbs_xorb_hash", "repo_xorbs", ["xorb_hash", "repo_id"], unique=False)
