"""Wire shapes of the hub."""

from __future__ import annotations

import base64
import binascii
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from tholos.accounts.authorization import Visibility
from tholos.hub.access_models import Gate
from tholos.hub.cards import Card
from tholos.hub.errors import InvalidCommit
from tholos.hub.facts import Measurement
from tholos.hub.licences import Level, LicenceReport
from tholos.hub.lineage import Graph
from tholos.hub.models import Repo, Revision
from tholos.hub.names import MAIN, RepoKind
from tholos.hub.operations import AddBlob, AddBytes, Delete, Operation
from tholos.hub.repos import RepoView
from tholos.hub.revisions import NamedRef, RefKind
from tholos.hub.search.documents import library_of, task_of
from tholos.hub.search.models import SearchDocument
from tholos.hub.trees import TreeEntry
from tholos.kit.blobs import Blob
from tholos.kit.clock import isoformat

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RepoOut(BaseModel):
    """A repo."""

    id: str
    kind: RepoKind
    name: str = Field(examples=["ada/penguins"])
    namespace: str
    visibility: Visibility
    gated: Gate | Literal[False] = Field(description="Whether its files have to be asked for, and who answers.")
    description: str
    head: str | None = Field(description="Commit at the head of main.")
    tags: list[str]
    card: dict[str, Any] = Field(description="Metadata of the README.md at the head of main.")
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, view: RepoView) -> RepoOut:
        repo = view.repo
        return cls(
            id=repo.id,
            kind=repo.kind,
            name=repo.full_name,
            namespace=repo.namespace,
            visibility=repo.visibility,
            gated=repo.gated or False,
            description=repo.description,
            head=view.head,
            tags=view.tags,
            card=repo.card,
            created_at=isoformat(repo.created_at),
            updated_at=isoformat(repo.updated_at),
        )


class RepoPage(BaseModel):
    items: list[RepoOut]
    next_cursor: str | None


class HitOut(RepoOut):
    """A repo that a search found, with how much it is used."""

    task: str | None
    library: str | None
    parameters: int | None = Field(description="Numbers that a model is made of, where its files tell.")
    downloads: int = Field(description="In the last 30 days.")
    downloads_all_time: int
    likes: int
    trending: float

    @classmethod
    def of_document(cls, view: RepoView, document: SearchDocument | None) -> HitOut:
        details = document.details if document else {}
        return cls(
            **RepoOut.of(view).model_dump(),
            task=task_of(view.repo, details),
            library=library_of(view.repo, details),
            parameters=document.parameters if document else None,
            downloads=document.downloads if document else 0,
            downloads_all_time=document.downloads_all if document else 0,
            likes=document.likes if document else 0,
            trending=document.trending if document else 0.0,
        )


class FacetValue(BaseModel):
    value: str
    count: int


class SearchPage(BaseModel):
    """One page of hits, and how many there are."""

    items: list[HitOut]
    next_cursor: str | None
    total: int
    estimated: bool = Field(description="There are more than 10,000 hits: `total` and `facets` come from a sample.")
    facets: dict[str, list[FacetValue]] = Field(description="The most frequent values among the hits.")
    corrections: dict[str, list[str]] = Field(
        description="Words by which nothing is found, and the spellings that were searched for in their place."
    )


class Suggestions(BaseModel):
    items: list[str]


class DayOut(BaseModel):
    day: date
    count: int


class DownloadsOut(BaseModel):
    """How often a repo was downloaded."""

    days: list[DayOut] = Field(description="The last 30 days (UTC), today last.")
    total: int = Field(description="In the last 30 days.")
    all_time: int


class Rebuild(BaseModel):
    repos: int = Field(description="Repos that are read anew.")


class CreateRepo(BaseModel, extra="forbid"):
    """A new repo; a name without a namespace lies in your own."""

    kind: RepoKind
    name: Annotated[str, Field(max_length=200, examples=["ada/penguins", "penguins"])]
    visibility: Visibility = "private"
    description: Annotated[str, Field(max_length=2000)] = ""


class MoveRepo(BaseModel, extra="forbid"):
    """The name that a repo is to have."""

    to: str = Field(max_length=200, description='"namespace/name", or a bare name in your own namespace.')


class UpdateRepo(BaseModel, extra="forbid"):
    """What to change; what is left out stays."""

    visibility: Visibility | None = None
    gated: Gate | Literal[False] | None = None
    description: Annotated[str, Field(max_length=2000)] | None = None


class Author(BaseModel):
    name: str


class RevisionOut(BaseModel):
    """An immutable commit of a repo."""

    id: str = Field(description="SHA-1 of the git commit object, 40 hexadecimal digits.")
    repo: str
    kind: RepoKind
    parents: list[str]
    message: str
    author: Author
    created_at: str
    job_id: str | None

    @classmethod
    def of(cls, repo: Repo, revision: Revision) -> RevisionOut:
        return cls(
            id=revision.commit_id,
            repo=repo.full_name,
            kind=repo.kind,
            parents=revision.parents,
            message=revision.message,
            author=Author(name=revision.author),
            created_at=isoformat(revision.created_at),
            job_id=revision.job_id,
        )


class LicenceFinding(BaseModel):
    """Something about a licence to look at: `conflict` does not fit, `caution` may not, `unknown` cannot be told."""

    level: Level
    message: str
    parent: str | None
    source: str = Field(description="Where the parent's licence says so; may be empty.")


class LicenceOut(BaseModel):
    """The licences that a card names, and what was found about them, the gravest first. No legal advice."""

    licences: list[str]
    findings: list[LicenceFinding]

    @classmethod
    def of(cls, report: LicenceReport) -> LicenceOut:
        findings = [
            LicenceFinding(level=it.level, message=it.message, parent=it.parent, source=it.source)
            for it in report.findings
        ]
        return cls(licences=list(report.licences), findings=findings)


class RevisionPage(BaseModel):
    items: list[RevisionOut]
    next_cursor: str | None


class EntryOut(BaseModel):
    """A file or directory of a revision."""

    path: str
    type: Literal["file", "directory"]
    size: int | None
    git_oid: str
    sha256: str | None
    lfs: bool

    @classmethod
    def of(cls, entry: TreeEntry) -> EntryOut:
        return cls(
            path=entry.path,
            type=entry.type,
            size=entry.size,
            git_oid=entry.git_oid,
            sha256=entry.sha256,
            lfs=entry.lfs,
        )


class TreePage(BaseModel):
    """Entries in git's order; `revision` says of which commit."""

    revision: str
    items: list[EntryOut]
    next_cursor: str | None


class BlobOut(BaseModel):
    """Content that is stored and that the repo may name in commits."""

    sha256: str
    size: int

    @classmethod
    def of(cls, blob: Blob) -> BlobOut:
        return cls(sha256=blob.sha256, size=blob.size)


class AddOperation(BaseModel, extra="forbid"):
    """Puts a file: content uploaded before (`sha256` and `size`) or given here (`content_base64`)."""

    op: Literal["add"]
    path: str
    sha256: Sha256 | None = None
    size: Annotated[int, Field(ge=0, le=1 << 62)] | None = None
    content_base64: str | None = None

    @model_validator(mode="after")
    def _one_content(self) -> AddOperation:
        uploaded = self.sha256 is not None and self.size is not None
        if uploaded == (self.content_base64 is not None):
            raise ValueError('give either "sha256" and "size" or "content_base64"')
        return self

    def operation(self) -> Operation:
        if self.sha256 is not None and self.size is not None:
            return AddBlob(self.path, self.sha256, self.size)
        try:
            return AddBytes(self.path, base64.b64decode(self.content_base64 or "", validate=True))
        except (binascii.Error, ValueError) as error:
            raise InvalidCommit(
                f"The content of {self.path[:100]!r} is not base64: {error}.", next="Encode it with standard base64."
            ) from error


class DeleteOperation(BaseModel, extra="forbid"):
    """Removes a file or a folder."""

    op: Literal["delete"]
    path: str

    def operation(self) -> Operation:
        return Delete(self.path)


class CommitIn(BaseModel, extra="forbid"):
    """A commit: all of it lands or none."""

    message: str
    branch: str = MAIN
    parent: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = Field(
        None, description="The head you looked at: another head by then is a lost race. Null: whatever is the head."
    )
    operations: list[Annotated[AddOperation | DeleteOperation, Field(discriminator="op")]]


class RefOut(BaseModel):
    """A branch or tag."""

    kind: RefKind
    name: str
    revision: str

    @classmethod
    def of(cls, ref: NamedRef) -> RefOut:
        return cls(kind=ref.kind, name=ref.name, revision=ref.commit_id)


class Refs(BaseModel):
    branches: list[RefOut]
    tags: list[RefOut]


class SetRef(BaseModel, extra="forbid"):
    """Where a branch or tag shall point."""

    revision: str = Field(description="A commit id, branch or tag.", examples=[MAIN])
    force: bool = Field(False, description="Move a ref that points elsewhere.")


class CardOut(BaseModel):
    """A card: README.md taken apart and rendered; `html` is safe to show."""

    revision: str
    metadata: dict[str, Any]
    html: str
    warnings: list[str]

    @classmethod
    def of(cls, commit_id: str, card: Card, html: str) -> CardOut:
        return cls(revision=commit_id, metadata=dict(card.metadata), html=html, warnings=list(card.warnings))


class DataOut(BaseModel):
    """On what was measured; nulls where that is private to another account."""

    repo: str | None
    revision: str | None
    split: str | None


class MeasurementOut(BaseModel):
    """A figure measured of a revision."""

    revision: str
    metric: str
    value: float
    low: float | None
    high: float | None
    unit: str
    data: DataOut | None
    hardware: str
    job_id: str | None
    details: dict[str, Any]
    created_at: str

    @classmethod
    def of(cls, seen: Measurement) -> MeasurementOut:
        fact = seen.fact
        data = None
        if seen.data_repo is not None:
            data = DataOut(repo=seen.data_repo.full_name, revision=fact.data_revision, split=fact.split)
        elif seen.data_hidden:
            data = DataOut(repo=None, revision=None, split=None)
        return cls(
            revision=fact.revision,
            metric=fact.metric,
            value=fact.value,
            low=fact.low,
            high=fact.high,
            unit=fact.unit,
            data=data,
            hardware=fact.hardware,
            job_id=None if seen.data_hidden else fact.job_id,
            details={} if seen.data_hidden else fact.details,
            created_at=isoformat(fact.created_at),
        )


class MeasurementPage(BaseModel):
    items: list[MeasurementOut]
    next_cursor: None = None


class NodeOut(BaseModel):
    """A thing that jobs read or wrote; one that you may not see has kind "private" and no name."""

    urn: str
    kind: str
    label: str
    revision: str | None


class ArcOut(BaseModel):
    """`to` was made from `from` by a job."""

    source: str = Field(serialization_alias="from")
    target: str = Field(serialization_alias="to")
    kind: str
    job_id: str | None


class LineageOut(BaseModel):
    """What a revision was made from and what was made from it."""

    root: str
    nodes: list[NodeOut]
    edges: list[ArcOut]
    truncated: bool

    @classmethod
    def of(cls, graph: Graph) -> LineageOut:
        return cls(
            root=graph.root,
            nodes=[
                NodeOut(urn=node.urn, kind=node.kind, label=node.label, revision=node.revision) for node in graph.nodes
            ],
            edges=[
                ArcOut(source=arc.source, target=arc.target, kind=arc.kind, job_id=arc.job_id) for arc in graph.arcs
            ],
            truncated=graph.truncated,
        )
