"""Pages of repos: lists, and one repo's card, files, history and lineage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tholos.accounts.authorization import Action, Actor, may
from tholos.accounts.dependencies import Cursor, OptionalActor, Read
from tholos.data.repository import view_of
from tholos.hub import service as hub
from tholos.hub.errors import RevisionNotFound
from tholos.hub.gateforms import form_of
from tholos.hub.licences import licence_report
from tholos.hub.mirror.promises import is_promised
from tholos.hub.mirror.service import mirror_of
from tholos.hub.rendering import render
from tholos.imports.service import describe_revision
from tholos.kit.database import ReadSession
from tholos.kit.http import ServicesDep
from tholos.scanning import service as scanning
from tholos.scanning.service import RevisionVerdict
from tholos.web.rendering import page
from tholos.web.usage import usage_of

DATASET = "/datasets/{namespace}/{name}"
ALGORITHM = "/algorithms/{namespace}/{name}"
MODEL = "/{namespace}/{name}"
datasets = APIRouter(prefix=DATASET, include_in_schema=False)
algorithms = APIRouter(prefix=ALGORITHM, include_in_schema=False)
models = APIRouter(prefix=MODEL, include_in_schema=False)
_PAGE = 30
_SHOWN_BYTES = 64 * 1024
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")


@dataclass(frozen=True)
class RepoPage:
    """A repo as its pages know it: which, at which revision, and under which addresses."""

    repo: hub.Repo
    revision: hub.Revision
    ref: str
    verdict: RevisionVerdict

    @property
    def values(self) -> dict[str, Any]:
        """What every template of a repo needs."""
        return {
            "repo": self.repo,
            "revision": self.revision,
            "ref": self.ref,
            "verdict": self.verdict,
            "base": address(self.repo),
            "raw": f"/api/v1/{self.repo.kind}s/{self.repo.full_name}/files",
        }


def address(repo: hub.Repo) -> str:
    """Where a repo's pages are: models at the root, other kinds below their name, as on Hugging Face's hub."""
    prefix = "" if repo.kind is hub.RepoKind.MODEL else f"/{repo.kind.plural}"
    return f"{prefix}/{repo.full_name}"


@dataclass(frozen=True)
class RepoAt:
    """The repo that an address names."""

    kind: hub.RepoKind
    name: str

    def open(self, read: ReadSession, actor: Actor, ref: str = hub.MAIN) -> RepoPage:
        """The repo at a revision, for its page. Raises RepoNotFound, RevisionNotFound."""
        repo, revision = hub.resolve(read, actor, self.kind, self.name, ref)
        return RepoPage(repo, revision, ref, scanning.revision_verdict(read, actor, repo, revision))


def _repo_at(request: Request, namespace: str, name: str) -> RepoAt:
    # No account can be called "datasets" or "algorithms", so the address says which kind it is.
    first = request.url.path.split("/", 2)[1]
    kind = next((kind for kind in hub.RepoKind if kind.plural == first), hub.RepoKind.MODEL)
    return RepoAt(kind, f"{namespace}/{name}")


At = Annotated[RepoAt, Depends(_repo_at)]


def gate_form_values(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What the form for access needs: texts and questions, the prompt as safe HTML without links into the repo."""
    form = form_of(metadata)
    prompt = render(form.prompt, link=lambda _path: "", image=lambda _path: "") if form.prompt else ""
    return {"heading": form.heading, "prompt": prompt, "button": form.button, "questions": form.questions}


@algorithms.get("")
@datasets.get("")
@models.get("")
def show_card(request: Request, at: At, actor: OptionalActor, read: Read, services: ServicesDep) -> Response:
    """A repo's card, with what its model is."""
    try:
        found = at.open(read, actor)
    except RevisionNotFound:
        return _headless(request, at, actor, read)
    card = hub.card_of(read, services.blobs, found.revision.tree_id)
    values = found.values
    shown = {
        "metadata": card.metadata,
        "warnings": card.warnings,
        "html": render(
            card.body,
            link=lambda path: f"{values['base']}/blob/{found.ref}/{quote(path)}",
            image=lambda path: f"{values['raw']}/{found.revision.commit_id}/{quote(path)}",
        ),
    }
    access = hub.access_of(read, actor, found.repo)
    shows_model = access.allowed and at.kind is hub.RepoKind.MODEL
    told = describe_revision(services, read, found.repo, found.revision) if shows_model else None
    model = told.model if told else None
    shows_data = access.allowed and at.kind is hub.RepoKind.DATASET
    unread = view_of(read, found.repo.id, found.revision.commit_id) if shows_data else None
    if unread is not None and unread.state == "failed" and unread.error is not None:
        shown["warnings"] = (*card.warnings, f"{unread.error['message']} {unread.error['next']}")
    values |= {
        "access": access,
        "gate": None if access.allowed else gate_form_values(card.metadata),
        "licence": licence_report(read, services.blobs, actor, at.kind, at.name, found.revision.commit_id),
        "may_change": may(actor, Action.WRITE, found.repo),
        "may_share": may(actor, Action.ADMIN, found.repo),
        "mirror": mirror_of(read, found.repo),
        "told": told,
        "used": usage_of(read, found.repo),
    }
    return page(request, "card.html", actor, tab="card", card=shown, model=model, **values)


def _headless(request: Request, at: RepoAt, actor: Actor, read: ReadSession) -> Response:
    """The page of a repo that has no branch "main"."""
    repo = hub.get_repo(read, actor, at.kind, at.name)
    return page(
        request,
        "headless.html",
        actor,
        repo=repo,
        base=address(repo),
        refs=hub.list_refs(read, actor, at.kind, at.name),
        mirror=mirror_of(read, repo),
        may_change=may(actor, Action.WRITE, repo),
    )


@algorithms.get("/tree/{rev}")
@datasets.get("/tree/{rev}")
@algorithms.get("/tree/{rev}/{path:path}")
@datasets.get("/tree/{rev}/{path:path}")
@models.get("/tree/{rev}")
@models.get("/tree/{rev}/{path:path}")
def show_tree(request: Request, at: At, actor: OptionalActor, read: Read, rev: str, path: str = "") -> Response:
    """A folder of a revision."""
    found = at.open(read, actor, rev)
    entries = hub.tree(read, found.repo, found.revision.commit_id, path.strip("/"))
    entries.sort(key=lambda entry: (entry.type == "file", entry.path))
    values = {**found.values, "verdicts": scanning.verdicts(read, actor, found.repo, entries)}
    crumbs = _crumbs(found, path, "tree")
    return page(request, "files.html", actor, tab="files", entries=entries, crumbs=crumbs, **values)


@algorithms.get("/blob/{rev}/{path:path}")
@datasets.get("/blob/{rev}/{path:path}")
@models.get("/blob/{rev}/{path:path}")
def show_file(
    request: Request, at: At, actor: OptionalActor, read: Read, services: ServicesDep, rev: str, path: str
) -> Response:
    """A file of a revision: its text or picture where it has one."""
    found = at.open(read, actor, rev)
    hub.require_content(read, actor, found.repo)
    entry = hub.file(read, found.repo, found.revision.commit_id, path)
    hub.require_kept(read, found.repo, entry)
    assert entry.sha256 is not None
    text = None
    if not is_promised(read, found.repo.id, entry):
        with services.blobs.open(entry.sha256) as file:
            text = _as_text(file.read(_SHOWN_BYTES))
    return page(
        request,
        "file.html",
        actor,
        tab="files",
        entry=entry,
        text=text,
        cut=(entry.size or 0) > _SHOWN_BYTES,
        image=path.lower().endswith(_IMAGES),
        crumbs=_crumbs(found, path, "blob"),
        file_verdict=scanning.verdicts(read, actor, found.repo, [entry])[entry.path],
        **found.values,
    )


@algorithms.get("/commits/{rev}")
@datasets.get("/commits/{rev}")
@models.get("/commits/{rev}")
def show_history(
    request: Request, at: At, actor: OptionalActor, read: Read, rev: str, cursor: Cursor = None
) -> Response:
    """The revisions that led to ``rev``."""
    found = at.open(read, actor, rev)
    _, revisions = hub.list_revisions(read, actor, at.kind, at.name, rev=rev, cursor=cursor, limit=_PAGE)
    values = {**found.values, "revisions": revisions.items, "next_cursor": revisions.next_cursor}
    return page(request, "history.html", actor, tab="history", **values)


@algorithms.get("/lineage")
@datasets.get("/lineage")
@models.get("/lineage")
def show_lineage(request: Request, at: At, actor: OptionalActor, read: Read) -> Response:
    """What the newest revision was made from, and what was made from it."""
    found = at.open(read, actor)
    graph = hub.lineage(read, actor, found.revision.urn)
    labels = {node.urn: node.label or node.kind for node in graph.nodes}
    edges = [
        {"source": labels[arc.source], "target": labels[arc.target], "kind": arc.kind, "job_id": arc.job_id}
        for arc in graph.arcs
    ]
    return page(request, "lineage.html", actor, tab="lineage", edges=edges, **found.values)


def _crumbs(found: RepoPage, path: str, leaf: Literal["tree", "blob"]) -> list[tuple[str, str]]:
    """Each folder of a path with its address; the last part is shown as what it is."""
    parts = [part for part in path.split("/") if part]
    base = found.values["base"]
    return [
        (part, f"{base}/{leaf if i == len(parts) else 'tree'}/{found.ref}/{quote('/'.join(parts[:i]))}")
        for i, part in enumerate(parts, start=1)
    ]


def _as_text(data: bytes) -> str | None:
    """The beginning of a file as text, or None where it is not text (a character cut at the end is forgiven)."""
    for end in range(len(data), max(len(data) - 4, -1), -1):
        try:
            text = data[:end].decode()
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text
    return None
