"""Tables of the hub.

Git objects are content-addressed and shared by all repos; who may read them follows from the revisions of a repo, never
from knowing an id. `repo_blobs` says which repo has proven to possess which content, by uploading every byte of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Enum, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tholos.accounts.authorization import Role, Visibility
from tholos.hub.errors import RepoNotFound
from tholos.hub.names import RepoKind
from tholos.kit.database import Base, Json, UtcDateTime
from tholos.kit.errors import NotFound

OID = String(40)
SHA256 = String(64)
ID = String(40)


class Repo(Base):
    """A named line of revisions. It is a Resource: `authorize` reads owner, visibility, grants and label."""

    __tablename__ = "repos"
    __table_args__ = (
        # Names are unique whatever their case: "Ada/Penguins" must not pass itself off as "ada/penguins".
        Index("uq_repos_kind_namespace_name", "kind", "namespace_key", "name_key", unique=True),
        # Lists are newest first, by kind or over all.
        Index("ix_repos_kind_updated_at", "kind", "updated_at", "id"),
        Index("ix_repos_updated_at", "updated_at", "id"),
        Index("ix_repos_owner_id", "owner_id"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    kind: Mapped[RepoKind] = mapped_column(
        Enum(RepoKind, native_enum=False, length=16, values_callable=lambda kinds: [kind.value for kind in kinds])
    )
    owner_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    namespace: Mapped[str] = mapped_column(String(96))
    namespace_key: Mapped[str] = mapped_column(String(96))
    name: Mapped[str] = mapped_column(String(96))
    name_key: Mapped[str] = mapped_column(String(96))
    visibility: Mapped[Visibility] = mapped_column(String(16))
    description: Mapped[str] = mapped_column(Text)
    search_text: Mapped[str] = mapped_column(Text)
    """Name and description, case-folded: what a substring search looks at on either database."""
    card: Mapped[dict[str, Any]] = mapped_column(Json)
    """Metadata of the README.md at the head of main, as last read; empty when there is none or it is broken."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def label(self) -> str:
        """How errors and the audit log call it."""
        return f"{self.kind} {self.full_name}"

    @property
    def grants(self) -> Mapping[str, Role]:
        """Roles of other accounts in this repo: none until there are collaborators."""
        return {}

    @property
    def not_found(self) -> type[NotFound]:
        return RepoNotFound


class RepoTag(Base):
    """One tag of a repo's card, so that lists can be filtered by it."""

    __tablename__ = "repo_tags"
    __table_args__ = (Index("ix_repo_tags_tag", "tag", "repo_id"),)

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(200), primary_key=True)


class StoredBlob(Base):
    """Content that the blob store holds, whole and verified."""

    __tablename__ = "blobs"

    sha256: Mapped[str] = mapped_column(SHA256, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RepoBlob(Base):
    """Possession: this repo was given every byte of this blob."""

    __tablename__ = "repo_blobs"
    __table_args__ = (Index("ix_repo_blobs_sha256", "sha256"),)  # "does any repo still hold it?"

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class GitTree(Base):
    """The payload of a tree object."""

    __tablename__ = "git_trees"

    oid: Mapped[str] = mapped_column(OID, primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class GitBlob(Base):
    """What a blob id inside a tree stands for: the content itself, or for LFS files the content behind the pointer."""

    __tablename__ = "git_blobs"

    oid: Mapped[str] = mapped_column(OID, primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"))
    size: Mapped[int] = mapped_column(BigInteger)
    """Size of the content, not of the pointer."""
    lfs: Mapped[bool]


class Revision(Base):
    """An immutable commit of a repo; its id is the SHA-1 of ``raw`` as a git commit object."""

    __tablename__ = "revisions"
    __table_args__ = (
        # A retried commit is recognised by parent and tree.
        Index("ix_revisions_repo_id_parent_id", "repo_id", "parent_id"),
    )

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    commit_id: Mapped[str] = mapped_column(OID, primary_key=True)
    tree_id: Mapped[str] = mapped_column(OID)
    parent_id: Mapped[str | None] = mapped_column(OID)
    """The first parent, which history follows."""
    parents: Mapped[list[str]] = mapped_column(Json)
    author: Mapped[str] = mapped_column(String(200))
    message: Mapped[str] = mapped_column(Text)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    job_id: Mapped[str | None] = mapped_column(ID)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def urn(self) -> str:
        """How jobs and lineage name it."""
        return f"rev:{self.repo_id}@{self.commit_id}"


class Ref(Base):
    """A branch (`refs/heads/…`) or tag (`refs/tags/…`) that points at a revision."""

    __tablename__ = "refs"
    __table_args__ = (ForeignKeyConstraint(["repo_id", "commit_id"], ["revisions.repo_id", "revisions.commit_id"]),)

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    commit_id: Mapped[str] = mapped_column(OID)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Fact(Base):
    """A measurement: one metric of one revision on one data revision, on one hardware, by one job."""

    __tablename__ = "facts"
    __table_args__ = (Index("ix_facts_repo_id_revision", "repo_id", "revision", "metric"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"))
    revision: Mapped[str] = mapped_column(OID)
    metric: Mapped[str] = mapped_column(String(100))
    value: Mapped[float]
    low: Mapped[float | None]
    """Lower end of the confidence interval, where one was computed."""
    high: Mapped[float | None]
    unit: Mapped[str] = mapped_column(String(32))
    data_repo_id: Mapped[str | None] = mapped_column(ID)
    data_revision: Mapped[str | None] = mapped_column(OID)
    split: Mapped[str | None] = mapped_column(String(100))
    hardware: Mapped[str] = mapped_column(String(200))
    job_id: Mapped[str | None] = mapped_column(ID)
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
