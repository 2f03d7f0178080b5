"""verdicts of scans, and the gate in front of deployments

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

from tholos.kit.database import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "file_scans",
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("lens", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("public_status", sa.String(length=16), nullable=False),
        sa.Column("findings", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("details", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("scanned_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_file_scans_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "sha256", "lens", name=op.f("pk_file_scans")),
    )
    op.create_index("ix_file_scans_sha256", "file_scans", ["sha256", "lens"])
    op.create_table(
        "revision_scans",
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("public_status", sa.String(length=16), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("issues", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_revision_scans_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "revision", name=op.f("pk_revision_scans")),
    )
    op.create_index("ix_revision_scans_repo_id_state", "revision_scans", ["repo_id", "state"])
    # What was deployed before there were scans goes on serving.
    with op.batch_alter_table("deployment_versions") as batch:
        batch.add_column(sa.Column("gate", sa.String(length=16), nullable=False, server_default="open"))
        batch.add_column(sa.Column("gate_reason", sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_deployment_versions_gate", "deployment_versions", ["gate", "repo_id"])
