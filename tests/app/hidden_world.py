"""Private repos with all that goes with them, and those who must not learn of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi.testclient import TestClient

from tholos.accounts import organizations
from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor, OrganizationRole, Role, Scope
from tholos.community import service as community
from tholos.community import webhooks
from tholos.evaluation.models import Evaluation
from tholos.hub import service as hub
from tholos.hub.collaborators import remove_collaborator, remove_member, set_collaborator
from tholos.hub.mirror.models import Mirror
from tholos.hub.names import RepoKind
from tholos.imports.models import ModelReport
from tholos.jobs import service as jobs
from tholos.jobs.lineage import Edge
from tholos.jobs.models import Direction, JobEdge
from tholos.kit.clock import utcnow
from tholos.kit.services import Services
from tholos.scanning.kinds import SCAN
from tholos.scanning.models import FileScan
from tholos.scanning.scanner import VERSION, lens_of
from tholos.serving.models import Deployment, DeploymentVersion

NAME: Final = "Hidden-Vault"
FORMER: Final = "Hidden-Cells"
"""What it was called before."""
OTHER: Final = "Hidden-Vanes"
"""There is none of this name; it is as long."""
WORD: Final = "quokkafish"
"""Stands in everything that must not show."""
SHA256: Final = "5" * 64
ORDINARY: Final = frozenset({Scope.READ, Scope.WRITE, Scope.PREDICT})
CONTENT: Final = f"one\n{WORD}\ntwo\n".encode()
CONTENT_SHA256: Final = hashlib.sha256(CONTENT).hexdigest()


@dataclass(frozen=True)
class Asker:
    """Somebody at the application's door."""

    client: TestClient
    headers: dict[str, str]

    def request(self, method: str, path: str, **rest: Any) -> Any:
        """Asks as this one alone: no cookie of an earlier answer counts."""
        self.client.cookies.clear()
        headers = self.headers | rest.pop("headers", {})
        return self.client.request(method, path, headers=headers, follow_redirects=False, **rest)


@dataclass
class Place:
    """A repo of each kind under one name, with what belongs to them, and who asks about them in vain."""

    namespace: str
    askers: dict[str, Asker]
    secrets: set[str] = field(default_factory=set)
    """Ids and hashes that nobody who asks may be told."""
    ids: dict[str, str] = field(default_factory=dict)
    """Of what is there, by the field that names it."""


@dataclass
class World:
    """The people, and (once `hide` was called) the places that are hidden from some of them."""

    services: Services
    client: TestClient
    admin: Actor
    tokens: dict[str, str] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)

    def actor(self, who: str) -> Actor:
        with self.services.database.read() as read:
            return accounts.authenticate(read, self.tokens[who])

    def asker(self, who: str) -> Asker:
        """By name; "nobody" is not signed in."""
        token = self.tokens.get(who)
        return Asker(self.client, {"authorization": f"Bearer {token}"} if token else {})

    @property
    def strangers(self) -> dict[str, Asker]:
        """All to whom something is hidden."""
        return {who: asker for place in self.places for who, asker in place.askers.items()}


def limited(services: Services, actor: Actor, limit: str) -> str:
    """A token for these repos alone."""
    with services.database.write() as write:
        return accounts.create_key(write, actor, "limited", ORDINARY, None, [limit]).secret


def make_people(services: Services, client: TestClient) -> World:
    """Ada, who has things to hide; acme, hers, which carol has left; bob, a stranger; dora of another organization, who
    once worked in a repo of ada's and whom its gate then refused; and a token of ada's for other repos.
    """
    with services.database.write() as write:
        token = accounts.create_administrator(write)
    assert token is not None
    with services.database.read() as read:
        admin = accounts.authenticate(read, token)
    world = World(services, client, admin, {"admin": token})
    with services.database.write() as write:
        for who in ("ada", "bob", "carol", "dora"):
            world.tokens[who] = accounts.create_user(write, admin, who)[1].secret
    with services.database.write() as write:
        organizations.create(write, world.actor("ada"), "acme", max_memberships=9)
        organizations.create(write, world.actor("dora"), "umbrella", max_memberships=9)
    ada, role = world.actor("ada"), OrganizationRole.WRITE
    with services.database.write() as write:
        organizations.set_member(write, ada, "acme", "carol", role, max_members=9, max_memberships=9)
        remove_member(write, ada, "acme", "carol")
    world.tokens["token"] = limited(services, ada, "ada/elsewhere:write")
    world.places = [
        Place("ada", {who: world.asker(who) for who in ("nobody", "bob", "token", "dora")}),
        Place("acme", {"carol": world.asker("carol")}),
    ]
    return world


def make_open(world: World) -> None:
    """What everybody may see: public repos, a model trained on data, a deployment; and a data set of bob's."""
    services, ada = world.services, world.actor("ada")
    heads = {}
    for kind in RepoKind:
        made = hub.create_repo(services.database, services.blobs, ada, kind, "ada/open", visibility="public")
        files = [
            hub.AddBytes("secret.txt", b"nothing\n"),
            hub.AddBytes("README.md", b"---\nlicense: mit\n---\nOpen.\n"),
        ]
        heads[kind] = hub.commit(services.database, services.blobs, ada, made, files, "Fill it")
    own = hub.create_repo(services.database, services.blobs, world.actor("bob"), RepoKind.DATASET, "bob/own")
    hub.commit(services.database, services.blobs, world.actor("bob"), own, [hub.AddBytes("x.txt", b"x")], "Fill it")
    with services.database.write() as write:
        made_from(write, ada, heads[RepoKind.DATASET].urn, heads[RepoKind.MODEL].urn)
        deploy(write, ada.account_id, "ada", "open", heads[RepoKind.MODEL], "ada/open", "public")


def made_from(write: Any, owner: Actor, source: str, target: str, label: str = "") -> Any:
    """A job that read one revision and wrote another. Returns it."""
    job = jobs.enqueue(write, owner, SCAN, {"repo_id": "x"}, title=label, inputs=[Edge(source, "data", label)])
    write.flush()
    write.add(JobEdge(job_id=job.id, direction=Direction.OUTPUT, urn=target, role="model", label=label, position=0))
    return job


def deploy(
    write: Any, account_id: str, namespace: str, name: str, revision: hub.Revision, model: str, visibility: str
) -> Deployment:
    """A deployment that is stopped."""
    now = utcnow()
    deployment = Deployment(
        id=f"dep_{namespace}_{name.lower()}", account_id=account_id, namespace=namespace, namespace_key=namespace,
        name=name, name_key=name.lower(), visibility=visibility, home="auto", wanted="stopped", version=1,
        previous_version=None, created_at=now, updated_at=now,
    )  # fmt: skip
    write.add(deployment)
    write.flush()
    write.add(
        DeploymentVersion(
            deployment_id=deployment.id, version=1, repo_id=revision.repo_id, model=model,
            revision=revision.commit_id, place="inline", files=[], actor_id=account_id, created_at=now,
        )
    )  # fmt: skip
    return deployment


def files_of(kind: RepoKind, *, card: str = "About it.") -> list[hub.Operation]:
    """Files that hold the word, but for what everybody may see of a gated repo: the card and the names."""
    header = json.dumps({WORD: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    model = {"task": WORD, "algorithm": {"name": WORD, "title": WORD}, "signature": WORD}
    described = f"title: {WORD}\nsummary: {WORD}\ntasks: [{WORD}]\nentry: algorithm.py:{WORD}\n"
    return [
        hub.AddBytes("README.md", f"---\nlicense: mit\n---\n{card}\n".encode()),
        hub.AddBytes("secret.txt", CONTENT),
        hub.AddBytes("config.json", json.dumps({"architectures": ["X"], "quantization_config": WORD}).encode()),
        hub.AddBytes("model.safetensors", len(header).to_bytes(8, "little") + header + bytes(4)),
        hub.AddBytes("model.json", json.dumps(model).encode()),
        hub.AddBytes("data.csv", f"{WORD},b\n{WORD},1\n".encode()),
        hub.AddBytes("algorithm.yaml", described.encode()),
    ] + ([hub.AddBytes("algorithm.py", f"class {WORD}: pass\n".encode())] if kind is RepoKind.ALGORITHM else [])


def make_repo(
    world: World, kind: RepoKind, place: Place, *, name: str = NAME, former: str = FORMER, **options: Any
) -> hub.Repo:
    """A repo of ada's with files, a pull request, a tag, a branch, scans and a report."""
    services, ada = world.services, world.actor("ada")
    database, blobs = services.database, services.blobs
    made = hub.create_repo(database, blobs, ada, kind, f"{place.namespace}/{former}", **options)
    landed = hub.commit(database, blobs, ada, made, files_of(kind), "Fill it")
    with database.write() as write:
        hub.move_repo(write, ada, kind, made.full_name, f"{place.namespace}/{name}")
    change: list[hub.Operation] = [hub.AddBytes("secret.txt", f"{WORD} two\n".encode())]
    opened = community.propose(services, ada, kind, f"{place.namespace}/{name}", change, "Propose")
    with database.read() as read:
        made = hub.get_repo(read, ada, kind, f"{place.namespace}/{name}")
        entries = {entry.path: entry for entry in hub.tree(read, made, landed.commit_id) if entry.sha256}
        del entries[".gitattributes"]  # it is the same everywhere
        events = community.events_of(read, opened.view.discussion)
    place.secrets |= {made.id, landed.commit_id, opened.revision.commit_id, opened.view.discussion.id}
    place.secrets |= {text for entry in entries.values() for text in (entry.sha256, entry.git_oid) if text}
    place.secrets |= {view.event.id for view in events}
    with database.write() as write:
        record_findings(write, made, landed, entries)
    return made


def record_findings(write: Any, repo: hub.Repo, revision: hub.Revision, entries: dict[str, hub.TreeEntry]) -> None:
    """What jobs have found out about the files, told with the word."""
    finding = {"kind": "x", "severity": "unsafe", "message": WORD, "next": WORD, "where": WORD, "private": False}
    details = {
        "imports": [[WORD, WORD, "dangerous"]], "is_pickle": True, "read_share": 1.0, "error": WORD, "loads": [],
    }  # fmt: skip
    for path in ("secret.txt", "model.safetensors"):
        write.add(
            FileScan(
                repo_id=repo.id, sha256=entries[path].sha256, lens=lens_of(repo.kind.value, path), version=VERSION,
                status="unsafe", public_status="unsafe", findings=[finding], details=details, scanned_at=utcnow(),
            )
        )  # fmt: skip
    error = {"code": "x", "message": WORD, "next": WORD}
    write.add(
        ModelReport(
            repo_id=repo.id, revision=revision.commit_id, state="failed", report=None, error=error, job_id=None,
            created_at=utcnow(),
        )
    )  # fmt: skip


def hide(world: World) -> None:
    """Fills the places: from here on there is something that must not show."""
    services, ada = world.services, world.actor("ada")
    for place in world.places:
        made = {}
        for kind in RepoKind:
            gone = place.namespace == "ada" and kind is RepoKind.MODEL
            visibility = "public" if gone else "private"
            made[kind] = make_repo(world, kind, place, visibility=visibility)
            if gone:
                fall_out(world, made[kind])
            title = [hub.AddBytes("README.md", f"---\ntags: [{WORD}]\nlicense: {WORD}\n---\n{WORD}\n".encode()),
                     hub.AddBytes(f"{WORD}.txt", WORD.encode())]  # fmt: skip
            landed = hub.commit(services.database, services.blobs, ada, made[kind], title, WORD)
            place.secrets.add(landed.commit_id)
        add_belongings(world, made, place)
    with services.database.write() as write:
        set_collaborator(write, ada, RepoKind.MODEL, f"acme/{NAME}", "carol", Role.WRITER, most=9)
        remove_collaborator(write, ada, RepoKind.MODEL, f"acme/{NAME}", "carol")
    while hub.catch_up(services.database, services.blobs):
        pass


def fall_out(world: World, repo: hub.Repo) -> None:
    """Dora likes a public repo and works in it; then she may no more, its gate refuses her, and it becomes private."""
    services, ada, dora = world.services, world.actor("ada"), world.actor("dora")
    kind, name = repo.kind, repo.full_name
    with services.database.write() as write:
        set_collaborator(write, ada, kind, name, "dora", Role.WRITER, most=9)
        hub.like(write, dora, kind, name)
        hub.like(write, ada, kind, name)
    with services.database.write() as write:
        remove_collaborator(write, ada, kind, name, "dora")
        hub.update_repo(write, ada, kind, name, gated="manual")
    hub.request_access(services, dora, kind, name, {})
    with services.database.write() as write:
        hub.decide_access(write, ada, kind, name, "rejected", user="dora")
        hub.update_repo(write, ada, kind, name, visibility="private")


def add_belongings(world: World, made: dict[RepoKind, hub.Repo], place: Place) -> None:
    """A job, an evaluation, a deployment, a mirror and a webhook that go with a private model; an evaluation of a
    public model on private data, and a private model made from the public one.
    """
    services, owner, model = world.services, world.actor("ada"), made[RepoKind.MODEL]
    with services.database.read() as read:
        head = hub.revision_of(read, model, hub.MAIN)
        data = hub.revision_of(read, made[RepoKind.DATASET], hub.MAIN)
        public = hub.revision_of(read, hub.get_repo(read, owner, RepoKind.MODEL, "ada/open"), hub.MAIN)
    now = utcnow()
    with services.database.write() as write:
        edge = Edge(head.urn, "model", WORD)
        job = jobs.enqueue(write, owner, SCAN, {"repo_id": model.id}, title=WORD, inputs=[edge], about=model.owner_id)
        derived = made_from(write, owner, public.urn, head.urn, WORD)
        artifact = {"format": "x", "file": WORD, "size": 1}
        evaluations = [
            Evaluation(
                id=f"evl_{place.namespace}_{measured.commit_id[:8]}", model_repo_id=measured.repo_id,
                model_revision=measured.commit_id, data_repo_id=data.repo_id, data_revision=data.commit_id, split=None,
                task="x", target=WORD, rows=1, metrics={}, latency=None, artifact=artifact, notes=[WORD], hardware="x",
                versions={}, seconds=1.0, plots={"roc": {"title": WORD, "spec": SHA256, "svg": SHA256}},
                report_sha256=SHA256, predictions_sha256=SHA256, job_id=job.id, created_at=now,
            )
            # what ada measured of a model of hers she shows with it; what acme measured on its data is acme's
            for measured in ((head,) if place.namespace == "ada" else (head, public))
        ]  # fmt: skip
        write.add_all(evaluations)
        deployment = deploy(write, model.owner_id, place.namespace, NAME, head, model.full_name, "private")
        item = webhooks.Watched("model", model.full_name)
        hook = webhooks.create_webhook(write, services.settings, owner, url="https://example.org/", watched=[item])
        delivery = webhooks.new_delivery(hook.webhook.id, model.id, {"x": WORD})
        mirror = Mirror(
            repo_id=made[RepoKind.DATASET].id, base="http://127.0.0.1:9", source=f"x/{WORD}", automatic=False,
            error=WORD, created_at=now, checked_at=None,
        )  # fmt: skip
        write.add_all([delivery, mirror])
    place.ids = {
        "job_id": job.id, "evaluation_id": evaluations[0].id, "webhook": hook.webhook.id, "delivery": delivery.id,
    }  # fmt: skip
    place.secrets |= {*place.ids.values(), *(each.id for each in evaluations), deployment.id, derived.id}
