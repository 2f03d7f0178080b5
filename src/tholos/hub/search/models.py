"""Tables of the search index. All of it is made from other tables and from cards: it can be thrown away and rebuilt."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, Date, ForeignKey, Index, Integer, String, Text, false, text
from sqlalchemy.dialects.postgresql import VARCHAR
from sqlalchemy.orm import Mapped, mapped_column

from tholos.kit.database import Base, Json, UtcDateTime

_ID = String(40)
# Ranges of words ("all that begin with peng") need the order of code points, whatever the database's language.
_WORD = String(64).with_variant(VARCHAR(64, collation="C"), "postgresql")
_DOC = BigInteger().with_variant(Integer(), "sqlite")  # so that it is SQLite's own row id


class SearchDocument(Base):
    """A repo as search sees it.

    Its terms are indexed by the database's own inverted index: on SQLite an FTS5 table beside it that triggers keep, on
    PostgreSQL a GIN index over an expression (both made in the migration).
    """

    __tablename__ = "search_documents"
    __table_args__ = (
        # A common term is answered by walking one of these until the page is full.
        Index("ix_search_documents_trending", "trending", "updated_at", "doc"),
        Index("ix_search_documents_downloads", "downloads", "updated_at", "doc"),
        Index("ix_search_documents_likes", "likes", "updated_at", "doc"),
        Index("ix_search_documents_updated_at", "updated_at", "doc"),
        Index("ix_search_documents_created_at", "created_at", "doc"),
        Index("uq_search_documents_repo_id", "repo_id", unique=True),
        # What the agent has still to read.
        Index("ix_search_documents_stale", "doc", sqlite_where=text("stale"), postgresql_where=text("stale")),
    )

    doc: Mapped[int] = mapped_column(_DOC, primary_key=True, autoincrement=False)
    """A random number: a range of numbers is a fair sample of the repos."""
    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    scope: Mapped[str] = mapped_column(_ID)
    """Empty for a public repo, the owner's id for a private one."""
    stale: Mapped[bool] = mapped_column(server_default=false())
    """The files of main have changed since they were last read."""
    downloads: Mapped[int] = mapped_column(BigInteger)
    """In the last 30 days."""
    downloads_all: Mapped[int] = mapped_column(BigInteger)
    likes: Mapped[int]
    trending: Mapped[float]
    parameters: Mapped[int | None] = mapped_column(BigInteger)
    """Numbers that the model is made of."""
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    facets: Mapped[str] = mapped_column(Text)
    """What facets count: a line "name=value" for each."""
    facts: Mapped[str] = mapped_column(Text)
    """Terms from names, tags, description and filters, each with a blank in front."""
    words: Mapped[str] = mapped_column(Text)
    """Terms from the text of the card, each with a blank in front."""
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    """What was read from the files at the head of main (`hub.artifacts.describe`)."""


class SearchWord(Base):
    """A word of names, tags and descriptions: what a mistyped or unfinished word may have meant.

    Words of public repos are in the scope "", those of private ones in the scope of their owner alone.
    """

    __tablename__ = "search_words"
    __table_args__ = (Index("ix_search_words_reversed", "scope", "reversed"),)

    scope: Mapped[str] = mapped_column(_ID, primary_key=True)
    word: Mapped[str] = mapped_column(_WORD, primary_key=True)
    reversed: Mapped[str] = mapped_column(_WORD)
    uses: Mapped[int]
    """Repos that use it."""


class RepoDownload(Base):
    """Downloads of a repo on one day (UTC)."""

    __tablename__ = "repo_downloads"
    __table_args__ = (Index("ix_repo_downloads_day", "day"),)

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
