"""What the server answers with, as frozen dataclasses. Every one keeps the JSON it was read from in ``raw``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tholos.sdk.decoding import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging(Result):
    """An organization that an account belongs to, with its role there."""

    name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Result):
    """The account behind the token; ``limits`` is all that the token reaches, None where nothing is left out."""

    name: str
    is_admin: bool = False
    scopes: tuple[str, ...] = ()
    limits: tuple[str, ...] | None = None
    organizations: tuple[Belonging, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Result):
    """An account. ``secret`` is set in the answer that created it, and nowhere else."""

    name: str
    is_admin: bool = False
    state: str = "active"
    created_at: datetime | None = None
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Result):
    """An API key. ``secret`` is set in the answer that created it, and nowhere else."""

    id: str
    name: str
    prefix: str = ""
    scopes: tuple[str, ...] = ()
    limits: tuple[str, ...] | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization(Result):
    """An organization; ``role`` is yours in it, ``members`` how many there are, where you may know."""

    name: str
    full_name: str = ""
    role: str | None = None
    members: int | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(Result):
    """A user with a role: a member of an organization, or a collaborator of a repo."""

    name: str
    role: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo(Result):
    """A repo of kind "model", "dataset" or "algorithm"; ``head`` is the newest revision of main, None while empty."""

    id: str
    kind: str
    name: str
    visibility: str = "private"
    gated: str | bool = False
    description: str = ""
    head: str | None = None
    tags: tuple[str, ...] = ()
    card: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access(Result):
    """How you stand to the files of a repo; ``state`` and ``reason`` are of your own request, ``form`` what it asks."""

    gated: str | bool = False
    allowed: bool = False
    state: str | None = None
    reason: str = ""
    form: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest(Result):
    """A request for the files of a gated repo: "pending", "accepted" or "rejected" (and why)."""

    id: str
    account: str
    state: str = "pending"
    fields: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    created_at: datetime | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage(Result):
    """Bytes: every content once per repo, and what that takes when shared pieces are kept once and compressed."""

    logical_bytes: int = 0
    stored_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoUsage(Usage):
    """What a repo stores, in all its revisions."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUsage(Usage):
    """What an account stores and may store; a quota of 0 is without limit."""

    account: str
    repos: int = 0
    max_bytes: int = 0
    max_repos: int = 0
    largest: tuple[RepoUsage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceFinding(Result):
    """Something about a licence to look at: "conflict" does not fit, "caution" may not, "unknown" cannot be told."""

    level: str
    message: str
    parent: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence(Result):
    """The licences that a card names, and how they fit those of what the repo was made from."""

    licences: tuple[str, ...] = ()
    findings: tuple[LicenceFinding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LfsFile(Result):
    """A large file of some revision; ``ref`` is a branch or tag whose head has it."""

    sha256: str
    size: int
    path: str
    ref: str | None = None
    pushed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Author(Result):
    """Who made a revision."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision(Result):
    """An immutable commit; ``id`` is the SHA-1 of the git commit object, 40 hexadecimal digits."""

    id: str
    repo: str = ""
    kind: str = ""
    parents: tuple[str, ...] = ()
    message: str = ""
    author: Author | None = None
    created_at: datetime | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Result):
    """A file or directory of a revision; ``size`` in bytes."""

    path: str
    type: str = "file"
    size: int = 0
    sha256: str | None = None
    git_oid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Result):
    """Something that the scan of a file found: ``severity`` is "note", "suspicious" or "unsafe"."""

    kind: str
    severity: str
    message: str = ""
    next: str = ""
    where: str = ""
    private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleImport(Result):
    """Something that a pickle imports: ``safety`` is "innocuous", "suspicious" or "dangerous"."""

    module: str
    name: str
    safety: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileScan(Result):
    """The verdict on a file: "queued", "safe", "suspicious", "unsafe" or "error" (it could not be scanned)."""

    path: str
    status: str
    sha256: str = ""
    findings: tuple[Finding, ...] = ()
    imports: tuple[PickleImport, ...] = ()
    read_share: float = 1.0
    error: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan(Result):
    """The verdict on a revision; ``items`` are its files that are not safe, or those that were asked for."""

    repo: str
    kind: str
    revision: str
    status: str
    done: bool = False
    files: int = 0
    issues: int = 0
    version: str = ""
    scanner_version: str = ""
    job_id: str | None = None
    error: str = ""
    finished_at: datetime | None = None
    items: tuple[FileScan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref(Result):
    """A branch or tag."""

    kind: str
    name: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(Result):
    """A repo's README.md: sanitized HTML and the metadata of its front matter."""

    html: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    revision: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Result):
    """How far a job is: ``fraction`` between 0 and 1, and what it is doing."""

    fraction: float = 0.0
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Result):
    """Why a job or a deployment failed."""

    code: str = ""
    message: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge(Result):
    """Something that a job read or wrote."""

    urn: str
    role: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord(Result):
    """A job as the server last told it. ``state``: queued, running, succeeded, failed or cancelled."""

    id: str
    kind: str
    state: str
    title: str = ""
    owner: str = ""
    progress: Progress = field(default_factory=Progress)
    attempt: int = 0
    max_attempts: int = 1
    payload: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    error: Failure | None = None
    inputs: tuple[Edge, ...] = ()
    outputs: tuple[Edge, ...] = ()
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened to a job: ``type`` is progress, log or end."""

    type: str
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment(Result):
    """A named, served choice of a model's revision. ``state``: starting, ready, failed or stopped."""

    name: str
    model: str
    state: str
    revision: str | None = None
    serving_revision: str | None = None
    previous_revision: str | None = None
    home: str = "auto"
    error: str = ""
    place: str = ""
    visibility: str = "private"
    version: int = 0
    url: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def settled(self) -> bool:
        """Whether the wanted revision serves everywhere, or nothing more will happen."""
        return self.state in ("ready", "failed", "stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction(Result):
    """An answer. For one input ``output`` is one value and ``probabilities`` one mapping; for many, lists of them.

    ``finish_reason`` of a generated text: ``stop``, or ``length`` where it was cut off.
    """

    output: Any
    probabilities: Any = None
    finish_reason: Any = None
    model: str = ""
    revision: str = ""
    deployment: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Result):
    """A column of a dataset. ``type``: number, integer, string, boolean, datetime, text or image."""

    name: str
    type: str
    arrow: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Result):
    """Some rows of a dataset revision, as objects by column name; ``total`` counts all of the subset.

    Missing values are None, times ISO 8601 strings, infinities "Infinity" and "-Infinity", images ``{"url": …}``.
    """

    revision: str = ""
    columns: tuple[Column, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    offset: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Split(Result):
    """A split of a dataset revision; ``counts`` are rows by subset."""

    name: str
    counts: Mapping[str, int] = field(default_factory=dict)
    method: str | None = None
    column: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Result):
    """What a dataset revision contains, column by column. ``state``: pending, ready, failed or empty."""

    state: str
    dataset: str = ""
    revision: str = ""
    error: Failure | None = None
    rows: int | None = None
    duplicate_rows: int | None = None
    columns: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[Mapping[str, Any], ...] = ()
    splits: tuple[Split, ...] = ()
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Result):
    """One thing that is known of a model; ``how``: read, guessed or given."""

    name: str
    value: Any = None
    how: str = "read"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description(Result):
    """What the model of a revision is. ``state``: ready, pending, failed or none."""

    state: str
    model: str = ""
    revision: str = ""
    deployable: bool = False
    importable: bool = False
    format: str | None = None
    file: str | None = None
    library: str | None = None
    task: str | None = None
    runtime: str | None = None
    guessed: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    signature: Mapping[str, Any] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    obstacle: Failure | None = None
    lacks: Failure | None = None
    """What the server has to be given before it can serve the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Result):
    """A data set that a Python package carries, installed beside the server or not."""

    source: str
    title: str = ""
    rows: int | None = None
    columns: int | None = None
    package: str = ""
    installed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm(Result):
    """An algorithm of the catalogue, or of a repo at one revision, with its hyper-parameters."""

    name: str
    title: str = ""
    summary: str = ""
    citation: str = ""
    tasks: tuple[str, ...] = ()
    parameters: tuple[Mapping[str, Any], ...] = ()
    repo: str | None = None
    revision: str | None = None
    entry: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Result):
    """A recorded figure of a revision."""

    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    revision: str = ""
    data: Mapping[str, Any] | None = None
    hardware: str = ""
    job_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Result):
    """A figure with its 95 % interval; ``value`` is None, with the ``reason``, where the data leaves it undefined."""

    title: str = ""
    unit: str = ""
    better: str = "higher"
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(Result):
    """Metrics of one model revision on one subset of one dataset revision (None where you may not read it)."""

    id: str
    model: str
    revision: str
    dataset: str | None = None
    dataset_revision: str | None = None
    split: str | None = None
    task: str = ""
    target: str = ""
    rows: int = 0
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    latency: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    hardware: str = ""
    plots: tuple[str, ...] = ()
    job_id: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMetric(Result):
    """A figure of both sides: ``difference`` is b minus a on the same rows, ``low`` and ``high`` its 95 % interval."""

    name: str
    title: str = ""
    unit: str = ""
    a: Mapping[str, Any] = field(default_factory=dict)
    b: Mapping[str, Any] = field(default_factory=dict)
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    winner: str | None = None
    significant: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Result):
    """Two model revisions on the data that both were evaluated on."""

    a: Mapping[str, Any] = field(default_factory=dict)
    b: Mapping[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    split: str | None = None
    rows: int = 0
    same_data: bool = True
    metrics: tuple[ComparedMetric, ...] = ()
    ratio: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage(Result):
    """What something (``root``, a URN) was made from, and what was made from it.

    ``nodes`` have urn, kind, label and revision; ``edges`` go from what was read to what was written by a job.
    """

    root: str = ""
    nodes: tuple[Mapping[str, Any], ...] = ()
    edges: tuple[Mapping[str, Any], ...] = ()
    truncated: bool = False
