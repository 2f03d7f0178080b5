"""Tables of the hub.

Git objects are content-addressed and shared by all repos; who may read them follows from the revisions of a repo, never
from knowing an id. `repo_blobs` says which repo has proven to possess which content, by uploading every byte of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Enum, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tholos.accounts.authorization import Role, Visibility
from tholos.hub.access_models import Gate
from tholos.hub.errors import RepoNotFound
from tholos.hub.names import RepoKind
from tholos.kit.clock import utcnow
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
        # "What is private and this account's?" is answered from the index alone.
        Index("ix_repos_owner_id", "owner_id", "visibility", "id"),
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
    gated: Mapped[Gate | None] = mapped_column(String(8))
    """Whether readers of its files have to ask first, and who answers; `hub.access` decides."""
    description: Mapped[str] = mapped_column(Text)
    search_text: Mapped[str] = mapped_column(Text)
    """Name and description, case-folded: what a substring search looks at on either database."""
    card: Mapped[dict[str, Any]] = mapped_column(Json)
    """Metadata of the README.md at the head of main, as last read; empty when there is none or it is broken."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    collaborators: Mapped[list[RepoCollaborator]] = relationship(lazy="selectin", passive_deletes="all")
    """Read with the repo (for any number of repos in one query): `authorize` needs them."""

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def label(self) -> str:
        """How errors and the audit log call it."""
        return f"{self.kind} {self.full_name}"

    @property
    def grants(self) -> Mapping[str, Role]:
        """Roles of other accounts in this repo."""
        return {each.account_id: each.role for each in self.collaborators}

    @property
    def not_found(self) -> type[NotFound]:
        return RepoNotFound

    @property
    def covered_by(self) -> tuple[str, ...]:
        return f"{self.namespace_key}/{self.name_key}", f"{self.namespace_key}/*"


class RepoCollaborator(Base):
    """An account that is not the owner has a role in a repo."""

    __tablename__ = "repo_collaborators"
    __table_args__ = (
        Index("ix_repo_collaborators_account_id", "account_id", "repo_id"),
    )  # lists ask "which may I see?"

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    role: Mapped[Role] = mapped_column(
        Enum(Role, native_enum=False, length=16, values_callable=lambda roles: [role.value for role in roles])
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RepoAlias(Base):
    """A name that a repo had before it was moved, and that leads to it as long as no other repo takes it."""

    __tablename__ = "repo_aliases"
    __table_args__ = (Index("ix_repo_aliases_repo_id", "repo_id"),)  # a deleted repo takes these with it

    kind: Mapped[RepoKind] = mapped_column(
        Enum(RepoKind, native_enum=False, length=16, values_callable=lambda kinds: [kind.value for kind in kinds]),
        primary_key=True,
    )
    namespace_key: Mapped[str] = mapped_column(String(96), primary_key=True)
    name_key: Mapped[str] = mapped_column(String(96), primary_key=True)
    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"))


class RepoLike(Base):
    """An account likes a repo."""

    __tablename__ = "repo_likes"
    __table_args__ = (Index("ix_repo_likes_account_id", "account_id", "created_at"),)  # "what does this user like?"

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RepoTag(Base):
    """One tag of a repo's card, so that lists can be filtered by it."""

    __tablename__ = "repo_tags"
    __table_args__ = (Index("ix_repo_tags_tag", "tag", "repo_id"),)

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(200), primary_key=True)


class StoredBlob(Base):
    """Content that the blob store holds, whole and verified."""

    __tablename__ = "blobs"
    __table_args__ = (
        Index("ix_blobs_xet_hash", "xet_hash"),  # a Xet client names content by this hash
        Index(
            "ix_blobs_packed_at",
            "packed_at",
            sqlite_where=text("packed_at IS NOT NULL"),
            postgresql_where=text("packed_at IS NOT NULL"),
        ),
    )

    sha256: Mapped[str] = mapped_column(SHA256, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    xet_hash: Mapped[str | None] = mapped_column(SHA256)
    """The Xet file hash of the recipe that the store keeps for it; None for a whole file."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    fresh_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    """When someone last sent it: what is fresh is not collected, whether or not anything names it."""
    packed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since when there is a recipe beside the whole file, which still has to go; None: there is not both."""


class StoredXorb(Base):
    """A run of chunks that the blob store holds, whole and verified."""

    __tablename__ = "xet_xorbs"

    hash: Mapped[str] = mapped_column(SHA256, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes as stored, compressed."""
    raw_bytes: Mapped[int] = mapped_column(BigInteger)
    chunks: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    acknowledged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When a client was last told that it is here: that client may name it without sending it again."""


class XorbUpload(Base):
    """An account has sent every byte of a xorb, and may name it from then on."""

    __tablename__ = "xet_uploads"
    __table_args__ = (Index("ix_xet_uploads_xorb_hash", "xorb_hash"),)  # a collected xorb takes these with it

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    xorb_hash: Mapped[str] = mapped_column(ForeignKey("xet_xorbs.hash", ondelete="CASCADE"), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    """Serialized bytes as this account sent them: the copy that is kept may be another's, compressed otherwise."""


class XorbKeyUpload(Base):
    """As XorbUpload, by a limited token: it may name what it sent itself, not all that its account did."""

    __tablename__ = "xet_key_uploads"
    __table_args__ = (Index("ix_xet_key_uploads_xorb_hash", "xorb_hash"),)  # a collected xorb takes these with it

    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    xorb_hash: Mapped[str] = mapped_column(ForeignKey("xet_xorbs.hash", ondelete="CASCADE"), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)


class BlobXorb(Base):
    """The recipe of a blob uses chunks of a xorb."""

    __tablename__ = "blob_xorbs"
    __table_args__ = (Index("ix_blob_xorbs_xorb_hash", "xorb_hash"),)  # "does any blob still need it?"

    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"), primary_key=True)
    xorb_hash: Mapped[str] = mapped_column(ForeignKey("xet_xorbs.hash"), primary_key=True)


class RepoXetFile(Base):
    """The recipe by which this repo was given a file through Xet.

    The store keeps one recipe for all repos, which may be another's: what a repo's readers are told comes from here.
    """

    __tablename__ = "repo_xet_files"
    __table_args__ = (Index("ix_repo_xet_files_sha256", "sha256", "repo_id"),)

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    xet_hash: Mapped[str] = mapped_column(SHA256, primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"))
    recipe: Mapped[bytes] = mapped_column(LargeBinary)


class RepoXorb(Base):
    """A recipe of this repo's own uses chunks of a xorb: its readers may name that xorb."""

    __tablename__ = "repo_xorbs"
    __table_args__ = (Index("ix_repo_xorbs_xorb_hash", "xorb_hash", "repo_id"),)

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    xorb_hash: Mapped[str] = mapped_column(ForeignKey("xet_xorbs.hash"), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    """Serialized bytes as whoever gave the repo the recipe knows them."""


class RepoBlob(Base):
    """Possession: this repo was given every byte of this blob."""

    __tablename__ = "repo_blobs"
    __table_args__ = (Index("ix_repo_blobs_sha256", "sha256"),)  # "does any repo still hold it?"

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    fresh_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    """When someone last gave it to the repo, or was told that the repo has it; as above."""


class GitTree(Base):
    """The payload of a tree object."""

    __tablename__ = "git_trees"

    oid: Mapped[str] = mapped_column(OID, primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    fresh_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    """When someone last staged a commit with it; as above."""


class GitBlob(Base):
    """What a blob id inside a tree stands for: the content itself, or for LFS files the content behind the pointer."""

    __tablename__ = "git_blobs"

    oid: Mapped[str] = mapped_column(OID, primary_key=True)
    sha256: Mapped[str] = mapped_column(SHA256)
    """A blob's, unless that was deleted for good, or is still with a mirror's upstream (`repo_promises`)."""
    size: Mapped[int] = mapped_column(BigInteger)
    """Size of the content, not of the pointer."""
    lfs: Mapped[bool]
    fresh_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    """When someone last staged a commit with it; as above."""


class GitTag(Base):
    """The payload of an annotated tag, which points at a commit or at another tag."""

    __tablename__ = "git_tags"

    oid: Mapped[str] = mapped_column(OID, primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    fresh_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    """When someone last pushed it: what is fresh is not collected, whether or not anything names it."""


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
    """A branch (`refs/heads/…`), tag (`refs/tags/…`) or proposal (`refs/pr/…`) that points at a revision."""

    __tablename__ = "refs"
    __table_args__ = (ForeignKeyConstraint(["repo_id", "commit_id"], ["revisions.repo_id", "revisions.commit_id"]),)

    repo_id: Mapped[str] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    commit_id: Mapped[str] = mapped_column(OID)
    tag_id: Mapped[str | None] = mapped_column(ForeignKey("git_tags.oid"))
    """The annotated tag through which it points at the commit, when git made it one."""
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def oid(self) -> str:
        """What git says that it points at."""
        return self.tag_id or self.commit_id


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


class CollectionState(Base):
    """How far garbage collection has come: one row, made by the migration."""

    __tablename__ = "collection_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    generation: Mapped[int]
    """Of the Xet store: part of its address, so that clients forget what they have learnt of it before."""
    generation_at: Mapped[datetime] = mapped_column(UtcDateTime)
    horizon: Mapped[datetime] = mapped_column(UtcDateTime)
    """What was staged before may have been collected: a commit that began to stage earlier does not land."""
    holder: Mapped[str | None] = mapped_column(String(40))
    """Who collects now, until ``held_until``; another may begin when that has passed."""
    held_until: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class CollectedObject(Base):
    """What collection has taken out of the record and removes, or has just removed, from the store.

    An upload of the same content that began before ``removed_at`` may have found it there: it is refused.
    """

    __tablename__ = "collected_objects"

    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    """``blob`` (a whole file, a recipe or both) or ``xorb``."""
    name: Mapped[str] = mapped_column(SHA256, primary_key=True)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None: the store may still have it."""
