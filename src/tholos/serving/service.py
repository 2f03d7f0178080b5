"""Use cases of deployments: create or switch, roll back, stop, start, delete, look.

What is written here is only what is wanted. Gateways and the node agent bring it about, and what they report is read
back as a deployment's status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import IntegrityError

from tholos.accounts.authorization import Action, Actor, Scope, Visibility, authorize, permitted
from tholos.accounts.errors import MissingScope, NameReserved
from tholos.accounts.names import RESERVED, check_name
from tholos.accounts.service import namespace_for, record_audit
from tholos.hub import service as hub
from tholos.hub.service import MAIN, RepoKind
from tholos.imports.repository import report_of
from tholos.jobs.lineage import Edge, forget_links, record_link
from tholos.kit.blobs import BlobStore
from tholos.kit.clock import utcnow
from tholos.kit.database import Database, ReadSession, WriteSession
from tholos.kit.ids import new_id
from tholos.kit.outbox import emit
from tholos.kit.paging import Page
from tholos.runtimes import ModelDescription, opened_files, require
from tholos.serving import repository
from tholos.serving.admission import Policy, admit
from tholos.serving.artifacts import describe, place_for
from tholos.serving.errors import DeploymentNotFound, NothingToRollBackTo, NotServable
from tholos.serving.models import Deployment, DeploymentVersion, Home, Place, Wanted
from tholos.serving.placement import ModelFile, files_from_json
from tholos.serving.status import Status, status_of

_STRICT = Policy()

CHANGED = "deployment.changed"
"""Outbox topic; the payload is ``{deployment_id, name, change, version}``."""

_LINK = "serving.deploy"


@dataclass(frozen=True, slots=True)
class View:
    """A deployment, the versions that people ask about, and how it is."""

    deployment: Deployment
    current: DeploymentVersion
    previous: DeploymentVersion | None
    serving: DeploymentVersion | None
    status: Status
    names: Mapping[str, str]
    """The present names of the repos whose revisions these are, by id, where the reader may see them."""

    def model_of(self, version: DeploymentVersion) -> str:
        """What the model is called now; where it is gone or hidden, what it was called when it was deployed."""
        return self.names.get(version.repo_id, version.model)


@dataclass(frozen=True, slots=True)
class _Choice:
    repo_id: str
    model: str
    revision: str
    place: Place
    files: list[ModelFile]
    loaded: set[str]
    """Paths of those that the runtime opens by itself."""


def deploy(
    database: Database,
    blobs: BlobStore,
    actor: Actor,
    *,
    model: str,
    revision: str = MAIN,
    name: str | None = None,
    home: Home = "auto",
    visibility: Visibility | None = None,
    policy: Policy = _STRICT,
) -> View:
    """Creates a deployment of a model's revision, or switches the one of that name to it.

    ``name`` is "namespace/name", a bare name in the actor's own namespace, or None for the model's own name. The same
    choice again changes nothing; a stopped deployment is started. A new deployment is private unless told otherwise.
    What ``policy`` does not let in is not loaded (`admission.admit`).

    Raises RepoNotFound, RevisionNotFound, NotServable, PickleRefused, NotInlineable, InvalidName, NameReserved,
    AccountNotFound, Forbidden, UnsafeRevision, ScanPending, RuntimeNotInstalled.
    """
    choice = _choose(database, blobs, actor, model=model, revision=revision, home=home)
    namespace, short = _split(name or choice.model, actor)
    try:
        deployment = _apply(database, actor, (namespace, short), choice, policy, home=home, visibility=visibility)
    except IntegrityError:  # two created it at once: for this one it is a switch
        deployment = _apply(database, actor, (namespace, short), choice, policy, home=home, visibility=visibility)
    return _view(database, actor, deployment)


def rollback(database: Database, blobs: BlobStore, actor: Actor, name: str) -> View:
    """Goes back to the version before. Once more goes forward again.

    It has served before, so no scan is waited for; what was found unsafe meanwhile is refused, unless an administrator
    had allowed it.

    Raises DeploymentNotFound, Forbidden, NothingToRollBackTo, UnsafeRevision, NotServable when its files have gone,
    RuntimeNotInstalled, and RepoNotFound, GatedRepo or ContentDeleted when the actor may not have them any more.
    """
    with database.read() as read:
        found = _authorized(read, actor, Action.WRITE, name)
        if found.previous_version is None:
            raise NothingToRollBackTo(
                f"{found.full_name} has served one revision only.",
                next="Deploy the revision that you want: POST /api/v1/deployments with its id.",
            )
        previous = repository.version(read, found.id, found.previous_version)
        _require_had(read, actor, previous)
    require(describe(blobs, files_from_json(previous.files)).serve)
    with database.write() as write:
        deployment = _held(write, actor, name)
        choice = _Choice(
            previous.repo_id,
            previous.model,
            previous.revision,
            previous.place,
            files_from_json(previous.files),
            {file["path"] for file in previous.files if file.get("loaded")},
        )
        allowed = previous.gate_reason if previous.gate == "open" else ""
        deployment.wanted, deployment.updated_at = "running", utcnow()
        _add_version(write, actor, deployment, choice, Policy("allow"), allowed=allowed)
        _tell(write, actor, deployment, "rollback", {"model": choice.model, "revision": choice.revision})
    return _view(database, actor, deployment)


def set_wanted(database: Database, actor: Actor, name: str, wanted: Wanted) -> View:
    """Stops or starts a deployment; what is so already stays so.

    Raises DeploymentNotFound, Forbidden, and RepoNotFound, GatedRepo or ContentDeleted where the actor is to start what
    they may not have any more.
    """
    with database.write() as write:
        deployment = _held(write, actor, name)
        if deployment.wanted != wanted:
            if wanted == "running":
                _require_had(write, actor, repository.version(write, deployment.id, deployment.version))
            deployment.wanted, deployment.updated_at = wanted, utcnow()
            _tell(write, actor, deployment, "start" if wanted == "running" else "stop", {})
    return _view(database, actor, deployment)


def delete(database: Database, actor: Actor, name: str) -> None:
    """Removes a deployment with its history; requests in flight are answered. Raises DeploymentNotFound, Forbidden."""
    with database.write() as write:
        deployment = _held(write, actor, name, Action.ADMIN)
        _tell(write, actor, deployment, "delete", {})
        forget_links(write, deployment.urn)
        repository.delete_deployment(write, deployment.id)


def get(read: ReadSession, database: Database, actor: Actor, name: str) -> View:
    """One deployment. Raises DeploymentNotFound."""
    return _views(read, database, actor, [_authorized(read, actor, Action.READ, name)])[0]


def of_model(read: ReadSession, database: Database, actor: Actor, repo: hub.Repo) -> View | None:
    """The deployment that serves a model: the one called like it, or else the newest that the actor may see."""
    found = repository.visible_of(read, actor, repo.id)
    if not found:
        return None
    own = (repo.namespace_key, repo.name_key)
    chosen = next((each for each in found if (each.namespace_key, each.name_key) == own), found[0])
    return _views(read, database, actor, [chosen])[0]


def list_deployments(read: ReadSession, database: Database, actor: Actor, cursor: str | None, limit: int) -> Page[View]:
    """The deployments that the actor may see, newest first. Raises BadCursor, MissingScope."""
    if Scope.READ not in actor.scopes:
        raise MissingScope("This token has no 'read' scope.", next="Use a token with the scope.", scope="read")
    page = repository.visible(read, actor, cursor, limit)
    return Page(_views(read, database, actor, page.items), page.next_cursor)


def description(blobs: BlobStore, view: View) -> tuple[DeploymentVersion, ModelDescription]:
    """The version that answers now (or else the one that is wanted) and what it serves."""
    version = view.serving or view.current
    return version, describe(blobs, files_from_json(version.files))


def _require_had(read: ReadSession, actor: Actor, version: DeploymentVersion) -> None:
    """Whether the actor may have the files of a version still; those of a repo that was deleted are the deployment's.

    Raises RepoNotFound, GatedRepo, ContentDeleted.
    """
    if read.get(hub.Repo, version.repo_id) is None:
        return
    repo = hub.get_repo_by_id(read, actor, version.repo_id)
    hub.require_content(read, actor, repo)
    files = files_from_json(version.files)
    hub.require_all_kept(
        read, repo, [hub.TreeEntry(file.path, "file", file.size, "", file.sha256, lfs=True) for file in files]
    )


def _choose(database: Database, blobs: BlobStore, actor: Actor, *, model: str, revision: str, home: Home) -> _Choice:
    with database.read() as read:
        repo, commit = hub.resolve(read, actor, RepoKind.MODEL, model, revision)
        hub.require_content(read, actor, repo)
        entries = hub.tree(read, repo, commit.commit_id, recursive=True)
        hub.require_all_kept(read, repo, entries)
        report = report_of(read, repo.id, commit.commit_id)
    files = [
        ModelFile(entry.path, entry.sha256, entry.size)
        for entry in entries
        if entry.sha256 is not None and entry.size is not None
    ]
    try:
        described = describe(blobs, files)
    except NotServable as error:
        obstacle = ((report and report.report) or {}).get("obstacle")
        if obstacle is None:
            raise
        raise NotServable(obstacle["message"], next=obstacle["next"], reason=obstacle["code"]) from error
    require(described.serve)
    place = place_for(described, home)
    loaded = opened_files(described, (file.path for file in files))
    return _Choice(repo.id, repo.full_name, commit.commit_id, place, files, loaded)


def _apply(
    database: Database,
    actor: Actor,
    name: tuple[str, str],
    choice: _Choice,
    policy: Policy,
    *,
    home: Home,
    visibility: Visibility | None,
) -> Deployment:
    with database.write() as write:
        deployment = repository.held(write, *name)
        if deployment is None:
            deployment = _create(write, actor, *name, home)
        else:
            authorize(actor, Action.WRITE, deployment)
        if visibility is not None:
            deployment.visibility = visibility
        deployment.home, deployment.wanted, deployment.updated_at = home, "running", utcnow()
        if not _is_current(write, deployment, choice):
            _add_version(write, actor, deployment, choice, policy)
        elif (current := repository.version(write, deployment.id, deployment.version)).gate != "open":
            admit(write, actor, current, f"model {choice.model}", policy)
        _tell(write, actor, deployment, "deploy", {"model": choice.model, "revision": choice.revision})
        return deployment


def _create(write: WriteSession, actor: Actor, namespace: str, name: str, home: Home) -> Deployment:
    account = namespace_for(write, actor, namespace, Action.WRITE)
    check_name(name, "deployment")
    if name.lower() in RESERVED:
        raise NameReserved(f"The name {name!r} is reserved.", next="Choose another name.", name=name)
    now = utcnow()
    deployment = Deployment(
        id=new_id("dep"),
        account_id=account.id,
        namespace=account.name,
        namespace_key=account.name.lower(),
        name=name,
        name_key=name.lower(),
        visibility="private",
        home=home,
        wanted="running",
        version=0,
        previous_version=None,
        created_at=now,
        updated_at=now,
    )
    write.add(deployment)
    write.flush()
    return deployment


def _is_current(write: WriteSession, deployment: Deployment, choice: _Choice) -> bool:
    if deployment.version == 0:
        return False
    current = repository.version(write, deployment.id, deployment.version)
    return (current.repo_id, current.revision, current.place) == (choice.repo_id, choice.revision, choice.place)


def _add_version(
    write: WriteSession, actor: Actor, deployment: Deployment, choice: _Choice, policy: Policy, allowed: str = ""
) -> None:
    """``allowed`` is the word of the administrator who let this very version in before."""
    number = deployment.version + 1
    version = DeploymentVersion(
        deployment_id=deployment.id,
        version=number,
        repo_id=choice.repo_id,
        model=choice.model,
        revision=choice.revision,
        place=choice.place,
        files=[
            {
                "path": file.path,
                "sha256": file.sha256,
                "size": file.size,
                **({"loaded": True} if file.path in choice.loaded else {}),
            }
            for file in choice.files
        ],
        actor_id=actor.account_id,
        created_at=utcnow(),
    )
    if allowed:
        version.gate, version.gate_reason = "open", allowed
    else:
        admit(write, actor, version, f"model {choice.model}", policy)
    write.add(version)
    deployment.previous_version = deployment.version or None
    deployment.version = number
    revision_label = f"model {choice.model}@{choice.revision[:7]}"
    record_link(
        write,
        Edge(f"rev:{choice.repo_id}@{choice.revision}", "model", revision_label),
        Edge(deployment.urn, "deployment", deployment.label),
        kind=_LINK,
        owner_id=deployment.account_id,
    )


def _tell(write: WriteSession, actor: Actor, deployment: Deployment, change: str, details: dict[str, Any]) -> None:
    record_audit(write, actor, f"deployment.{change}", deployment.full_name, {**details, "version": deployment.version})
    payload = {"deployment_id": deployment.id, "name": deployment.full_name, "change": change}
    emit(write, CHANGED, {**payload, "version": deployment.version})


def _split(name: str, actor: Actor) -> tuple[str, str]:
    namespace, slash, short = name.partition("/")
    return (namespace, short) if slash else (actor.name, name)


def _authorized(read: ReadSession, actor: Actor, action: Action, name: str) -> Deployment:
    return _checked(repository.by_name(read, *_split(name, actor)), actor, action, name)


def _held(write: WriteSession, actor: Actor, name: str, action: Action = Action.WRITE) -> Deployment:
    return _checked(repository.held(write, *_split(name, actor)), actor, action, name)


def _checked(deployment: Deployment | None, actor: Actor, action: Action, name: str) -> Deployment:
    return permitted(actor, action, deployment, DeploymentNotFound, f"deployment {name[:200]}")


def _view(database: Database, actor: Actor, deployment: Deployment) -> View:
    with database.read() as read:
        return _views(read, database, actor, [deployment])[0]


def _views(read: ReadSession, database: Database, actor: Actor, deployments: Sequence[Deployment]) -> list[View]:
    ids = [deployment.id for deployment in deployments]
    alive = repository.gateways_alive(read, database.now(read))
    rows = repository.replicas_of(read, ids)
    wanted = {
        version.deployment_id: version
        for version in repository.versions(read, {(deployment.id, deployment.version) for deployment in deployments})
    }
    statuses = {
        deployment.id: status_of(
            deployment,
            [row for row in rows if row.deployment_id == deployment.id],
            alive,
            wanted.get(deployment.id),
        )
        for deployment in deployments
    }
    versions = repository.versions(
        read,
        {
            (deployment.id, number)
            for deployment in deployments
            for number in (deployment.version, deployment.previous_version, statuses[deployment.id].serving_version)
            if number is not None
        },
    )
    by_key = {(version.deployment_id, version.version): version for version in versions}
    names = hub.names_of(read, actor, {version.repo_id for version in versions})
    return [
        View(
            deployment,
            by_key[deployment.id, deployment.version],
            by_key.get((deployment.id, deployment.previous_version or 0)),
            by_key.get((deployment.id, statuses[deployment.id].serving_version or 0)),
            statuses[deployment.id],
            names,
        )
        for deployment in deployments
    ]
