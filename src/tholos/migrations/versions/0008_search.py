"""the search index, and downloads by day

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import VARCHAR

from tholos.kit.database import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WORD = sa.String(length=64).with_variant(VARCHAR(length=64, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "search_documents",
        sa.Column("doc", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("stale", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("downloads", sa.BigInteger(), nullable=False),
        sa.Column("downloads_all", sa.BigInteger(), nullable=False),
        sa.Column("likes", sa.Integer(), nullable=False),
        sa.Column("trending", sa.Double(), nullable=False),
        sa.Column("parameters", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("facets", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_search_documents_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("doc", name=op.f("pk_search_documents")),
    )
    for column in ("trending", "downloads", "likes"):
        op.create_index(f"ix_search_documents_{column}", "search_documents", [column, "updated_at", "doc"])
    for column in ("updated_at", "created_at"):
        op.create_index(f"ix_search_documents_{column}", "search_documents", [column, "doc"])
    op.create_index("uq_search_documents_repo_id", "search_documents", ["repo_id"], unique=True)
    op.create_index(
        "ix_search_documents_stale",
        "search_documents",
        ["doc"],
        sqlite_where=sa.text("stale"),
        postgresql_where=sa.text("stale"),
    )
    op.create_table(
        "search_words",
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("word", _WORD, nullable=False),
        sa.Column("reversed", _WORD, nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "word", name=op.f("pk_search_words")),
    )
    op.create_index("ix_search_words_reversed", "search_words", ["scope", "reversed"])
    op.create_table(
        "repo_downloads",
        sa.Column("repo_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_downloads_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "day", name=op.f("pk_repo_downloads")),
    )
    op.create_index("ix_repo_downloads_day", "repo_downloads", ["day"])
    op.drop_index("ix_repos_owner_id", "repos")
    op.create_index("ix_repos_owner_id", "repos", ["owner_id", "visibility", "id"])
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_terms()
    else:
        op.execute(
            "CREATE INDEX ix_search_documents_terms ON search_documents USING gin"
            " (array_to_tsvector(string_to_array(ltrim(facts || words), ' '))) WITH (fastupdate = off)"
        )


def _sqlite_terms() -> None:
    # The `ascii` tokenizer parts words at blanks and leaves every other character alone: terms come finished.
    op.execute(
        "CREATE VIRTUAL TABLE search_terms USING fts5(facts, words, content='search_documents', content_rowid='doc',"
        " tokenize='ascii', detail=none, columnsize=0)"
    )
    put = "INSERT INTO search_terms(rowid, facts, words) VALUES (new.doc, new.facts, new.words);"
    drop = (
        "INSERT INTO search_terms(search_terms, rowid, facts, words) VALUES ('delete', old.doc, old.facts, old.words);"
    )
    op.execute(f"CREATE TRIGGER search_documents_put AFTER INSERT ON search_documents BEGIN {put} END")
    op.execute(f"CREATE TRIGGER search_documents_drop AFTER DELETE ON search_documents BEGIN {drop} END")
    op.execute(
        "CREATE TRIGGER search_documents_change AFTER UPDATE OF facts, words ON search_documents"
        f" BEGIN {drop} {put} END"
    )
