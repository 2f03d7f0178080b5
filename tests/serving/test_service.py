from __future__ import annotations

from datetime import timedelta

import pytest
from model_samples import description, onnx_files, publish
from sqlalchemy import select, update

from tholos.accounts.authorization import ANONYMOUS
from tholos.accounts.errors import InvalidName, NameReserved
from tholos.accounts.service import read_audit
from tholos.hub import service as hub
from tholos.hub.errors import RepoNotFound
from tholos.kit.errors import Forbidden, InvalidInput
from tholos.kit.outbox import OutboxRow
from tholos.runtimes.errors import BrokenModel, PickleRefused
from tholos.serving import repository, service
from tholos.serving.admission import Policy
from tholos.serving.errors import DeploymentNotFound, NothingToRollBackTo, NotInlineable, NotServable
from tholos.serving.models import AGENT, GatewayRow
from tholos.serving.repository import Report

PICKLE = b"\x80\x04\x95\x1b\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix"


@pytest.fixture
def deploy(services):
    def deploy(actor, **choice):
        return service.deploy(
            services.database, services.blobs, actor, **{"model": "ada/penguins", "policy": Policy("allow"), **choice}
        )

    return deploy


def get(services, actor, name="ada/penguins"):
    with services.database.read() as read:
        return service.get(read, services.database, actor, name)


def report(services, holder, **by_version):
    """Lets a gateway (or the agent) report on the one deployment there is."""
    with services.database.write() as write:
        deployment = repository.by_name(write, "ada", "penguins")
        now = services.database.now(write)
        if holder != AGENT:
            repository.beat(write, holder, 1, now)
        reports = {(deployment.id, int(number[1:])): found for number, found in by_version.items()}
        repository.publish(write, holder, reports, now)


def test_a_deployment_takes_the_models_name_is_private_and_starts(services, ada, deploy):
    commit = publish(services, ada, onnx_files())
    view = deploy(ada)
    assert view.deployment.full_name == "ada/penguins"
    assert view.deployment.visibility == "private"
    assert view.current.revision == commit
    assert view.current.place == "inline"
    assert (view.status.state, view.serving, view.previous) == ("starting", None, None)
    assert [item["path"] for item in view.current.files] == [".gitattributes", "model.json", "model.onnx"]


def test_a_name_that_no_database_could_hold_is_simply_not_there(services, ada):
    for name in ("ada/pen\0guins", "ada\0/penguins", ""):
        with pytest.raises(DeploymentNotFound):
            get(services, ada, name)


def test_switching_rolling_back_and_forth_each_make_a_version(services, ada, deploy):
    first = publish(services, ada, onnx_files("old", "older"))
    deploy(ada)
    second = publish(services, ada, onnx_files("new", "newer"))
    switched = deploy(ada)
    assert (switched.deployment.version, switched.current.revision) == (2, second)
    assert switched.previous.revision == first
    back = service.rollback(services.database, services.blobs, ada, "ada/penguins")
    assert (back.deployment.version, back.current.revision, back.previous.revision) == (3, first, second)
    forth = service.rollback(services.database, services.blobs, ada, "penguins")
    assert (forth.deployment.version, forth.current.revision) == (4, second)
    pinned = deploy(ada, revision=first)
    assert (pinned.deployment.version, pinned.current.revision) == (5, first)


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_same_choice_again_changes_nothing_and_starts_what_was_stopped(services, ada, deploy):
    publish(services, ada, onnx_files())
    deploy(ada)
    service.set_wanted(services.database, ada, "ada/penguins", "stopped")
    assert get(services, ada).status.state == "stopped"
    again = deploy(ada)
    assert (again.deployment.version, again.deployment.wanted) == (1, "running")
    assert deploy(ada, home="process").deployment.version == 2  # another place is another version


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_names_and_namespaces(services, ada, bob, admin, deploy):
    publish(services, ada, onnx_files())
    assert deploy(ada, name="Sea.Birds").deployment.full_name == "ada/Sea.Birds"
    assert deploy(ada, name="ada/sea.birds").deployment.full_name == "ada/Sea.Birds"  # one name, whatever its case
    with pytest.raises(InvalidName):
        deploy(ada, name="no spaces")
    with pytest.raises(InvalidName):
        deploy(ada, name="ada/a/b")
    with pytest.raises(NameReserved):
        deploy(ada, name="metrics")
    with pytest.raises(Forbidden):
        deploy(ada, name="bob/penguins")
    with pytest.raises(RepoNotFound):
        deploy(bob)
    assert deploy(admin).deployment.full_name == "ada/penguins"


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_public_model_can_be_deployed_in_ones_own_namespace(services, ada, bob, deploy):
    publish(services, ada, onnx_files())
    with services.database.write() as write:
        hub.update_repo(write, ada, hub.RepoKind.MODEL, "ada/penguins", visibility="public")
    with pytest.raises(Forbidden):
        deploy(bob)
    view = deploy(bob, name="penguins")
    assert view.deployment.full_name == "bob/penguins"
    assert view.current.model == "ada/penguins"


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_others_see_nothing_of_a_private_deployment_and_may_only_look_at_a_public_one(services, ada, bob, deploy):
    publish(services, ada, onnx_files())
    deploy(ada)
    for name in ("ada/penguins", "ada/absent", "nobody/at-all"):
        with pytest.raises(DeploymentNotFound) as hidden:
            get(services, bob, name)
        assert hidden.value.message == f"There is no deployment {name}, or you may not see it."
    with pytest.raises(DeploymentNotFound):
        service.set_wanted(services.database, bob, "ada/penguins", "stopped")
    deploy(ada, visibility="public")
    assert get(services, bob).deployment.visibility == "public"
    for refused in (
        lambda: service.set_wanted(services.database, bob, "ada/penguins", "stopped"),
        lambda: service.rollback(services.database, services.blobs, bob, "ada/penguins"),
        lambda: service.delete(services.database, bob, "ada/penguins"),
    ):
        with pytest.raises(Forbidden):
            refused()
    with services.database.read() as read:
        assert [
            view.deployment.full_name for view in service.list_deployments(read, services.database, bob, None, 10).items
        ] == ["ada/penguins"]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_lists_are_paged_and_show_only_what_may_be_seen(services, ada, bob, admin, deploy):
    publish(services, ada, onnx_files())
    for number in range(5):
        deploy(ada, name=f"d{number}")
    with services.database.read() as read:
        first = service.list_deployments(read, services.database, ada, None, 3)
        second = service.list_deployments(read, services.database, ada, first.next_cursor, 3)
        names = [view.deployment.name for view in (*first.items, *second.items)]
        assert names == ["d4", "d3", "d2", "d1", "d0"]
        assert second.next_cursor is None
        assert service.list_deployments(read, services.database, bob, None, 3).items == []
        assert len(service.list_deployments(read, services.database, admin, None, 9).items) == 5
        with pytest.raises(InvalidInput):
            service.list_deployments(read, services.database, ada, "nonsense", 3)


REFUSED = {
    "README only": ({"README.md": b"# Nothing"}, {}, NotServable, "model.json"),
    "a pickle": ({"model.pkl": PICKLE}, {}, PickleRefused, "model.pkl"),
    "a pickle in a folder": ({"old/clf.joblib": PICKLE}, {}, PickleRefused, "old/clf.joblib"),
    "a pickle by another name": ({**onnx_files(), "model.onnx": PICKLE}, {}, PickleRefused, "model.onnx"),
    "no artifact": ({"model.json": description(("a", "b"), "onnx")}, {}, NotServable, "model.onnx"),
    "unknown format": (
        {"model.json": description(("a", "b"), "keras"), "model.keras": b"x"},
        {},
        NotServable,
        "keras",
    ),
    "broken description": ({"model.json": b"{"}, {}, BrokenModel, "model.json"),
    "skops inline": (
        {"model.json": description(("a", "b"), "skops"), "model.skops": b"x"},
        {"home": "inline"},
        NotInlineable,
        "skops",
    ),
}


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(("files", "choice", "error", "named"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_served_is_refused_by_name_with_a_next_step(services, ada, deploy, files, choice, error, named):
    publish(services, ada, files)
    with pytest.raises(error) as refused:
        deploy(ada, **choice)
    assert named in refused.value.message
    assert refused.value.next
    with pytest.raises(DeploymentNotFound):
        get(services, ada)


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_homes(services, ada, deploy):
    publish(services, ada, onnx_files())
    assert deploy(ada, home="auto").current.place == "inline"
    assert deploy(ada, home="process").current.place == "process"
    publish(services, ada, {"model.json": description(("a", "b"), "skops"), "model.skops": b"never loaded here"})
    assert deploy(ada, home="auto").current.place == "process"


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_first_version_cannot_be_rolled_back(services, ada, deploy):
    publish(services, ada, onnx_files())
    deploy(ada)
    with pytest.raises(NothingToRollBackTo):
        service.rollback(services.database, services.blobs, ada, "ada/penguins")


def test_ready_means_that_every_gateway_alive_serves_what_is_wanted(services, ada, deploy):
    first = publish(services, ada, onnx_files("old", "older"))
    deploy(ada)
    report(services, "gw_a", v1=Report("ready"))
    assert get(services, ada).status.state == "ready"
    report(services, "gw_b", v1=Report("loading"))
    assert get(services, ada).status.state == "starting"
    report(services, "gw_b", v1=Report("ready"))
    assert get(services, ada).status.state == "ready"

    publish(services, ada, onnx_files("new", "newer"))
    deploy(ada)
    report(services, "gw_a", v1=Report("ready"), v2=Report("ready"))
    report(services, "gw_b", v1=Report("ready"), v2=Report("failed", "no memory"))
    view = get(services, ada)
    assert (view.status.state, view.status.error, view.serving.revision) == ("failed", "no memory", first)

    with services.database.write() as write:  # gateway b dies: what it said counts no more
        long_ago = services.database.now(write) - timedelta(seconds=20)
        write.execute(update(GatewayRow).where(GatewayRow.id == "gw_b").values(heartbeat_at=long_ago))
    view = get(services, ada)
    assert (view.status.state, view.serving.version) == ("ready", 2)


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_process_that_is_down_makes_its_deployment_not_ready(services, ada, deploy):
    publish(services, ada, onnx_files())
    deploy(ada, home="process")
    report(services, "gw_a", v1=Report("ready"))
    report(services, AGENT, v1=Report("ready", pid=1))
    assert get(services, ada).status.state == "ready"
    report(services, AGENT, v1=Report("loading", "ended by SIGKILL"))
    status = get(services, ada).status
    assert (status.state, status.error) == ("starting", "ended by SIGKILL")


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_long_dead_are_forgotten_with_all_they_said(services, ada, deploy):
    publish(services, ada, onnx_files())
    view = deploy(ada)
    report(services, "gw_dead", v1=Report("ready"))
    with services.database.write() as write:
        now = services.database.now(write)
        write.execute(update(GatewayRow).values(heartbeat_at=now - timedelta(minutes=5)))
        repository.beat(write, "gw_alive", 1, now)
    with services.database.read() as read:
        assert repository.replicas_of(read, [view.deployment.id]) == []
        assert repository.gateways_alive(read, services.database.now(read)) == {"gw_alive"}


def test_changes_are_audited_told_and_linked_to_the_revision(services, ada, bob, deploy):
    commit = publish(services, ada, onnx_files())
    view = deploy(ada)
    service.set_wanted(services.database, ada, "ada/penguins", "stopped")
    service.set_wanted(services.database, ada, "ada/penguins", "stopped")  # nothing changes, nothing is told
    urn = f"rev:{view.current.repo_id}@{commit}"
    with services.database.read() as read:
        actions = [entry.action for entry in read_audit(read, ada, None, 3).items]
        told = [
            row.payload["change"]
            for row in read.scalars(select(OutboxRow).where(OutboxRow.topic == service.CHANGED).order_by(OutboxRow.id))
        ]
        graph = hub.lineage(read, ada, urn)
    assert actions[:2] == ["deployment.stop", "deployment.deploy"]
    assert told == ["deploy", "stop"]
    assert [(arc.source, arc.target, arc.kind, arc.job_id) for arc in graph.arcs] == [
        (urn, f"dep:{view.deployment.id}", "serving.deploy", None)
    ]
    assert {node.label for node in graph.nodes if node.kind == "deployment"} == {"deployment ada/penguins"}

    service.delete(services.database, ada, "ada/penguins")
    with pytest.raises(DeploymentNotFound):
        get(services, ada)
    with services.database.read() as read:
        assert hub.lineage(read, ada, urn).arcs == []
        with pytest.raises(DeploymentNotFound):
            service.get(read, services.database, ANONYMOUS, "ada/penguins")
