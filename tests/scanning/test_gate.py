"""What deployments do about verdicts."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from bad_files import evil_pickle
from delivery import deliver
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from model_samples import onnx_files, publish

from tholos.accounts.models import AuditEntry
from tholos.kit.errors import Forbidden
from tholos.runtimes.model import AlgorithmUse, Artifact, ModelDescription
from tholos.scanning import service as scanning
from tholos.scanning.errors import ScanPending, UnsafeRevision
from tholos.scanning.models import FileScan
from tholos.serving import repository, service
from tholos.serving.admission import Policy
from tholos.tasks.signature import Field, Output, Signature

WAIT, REFUSE, ALLOW = Policy("wait"), Policy("refuse"), Policy("allow")


@pytest.fixture
def deploy(services):
    def run(actor, policy=WAIT, **choice):
        return service.deploy(
            services.database, services.blobs, actor, **{"model": "ada/penguins", "policy": policy, **choice}
        )

    return run


def look(services, actor):
    with services.database.read() as read:
        return service.get(read, services.database, actor, "ada/penguins")


def wanted(services):
    with services.database.read() as read:
        return [version.version for _, version in repository.wanted_versions(read)]


def condemn(services, path="model.onnx", status="unsafe"):
    """Has the scan of the repo say that its artifact is unsafe, or could not be scanned."""
    finding = {"kind": "x", "severity": "unsafe", "message": "It runs code.", "next": "", "where": "", "private": False}
    with services.database.write() as write:
        for row in write.scalars(select(FileScan).where(FileScan.lens == "model:.onnx")):
            row.status = row.public_status = status
            row.findings = [finding] if status == "unsafe" else []
            row.details = {**row.details, "error": "" if status == "unsafe" else "Too large."}


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
def test_a_deployment_waits_for_its_scan_and_then_serves(services, ada, deploy, scan):
    publish(services, ada, onnx_files())
    view = deploy(ada)
    assert (view.status.state, view.status.error) == ("starting", "It waits for the scan of model.json.")
    assert wanted(services) == []
    scan()
    assert wanted(services) == [1]
    assert look(services, ada).status.error == ""


def test_the_version_before_goes_on_while_the_next_one_waits(services, ada, deploy, scan):
    publish(services, ada, onnx_files("old", "older"))
    deploy(ada, ALLOW)
    publish(services, ada, onnx_files("new", "newer"))
    assert deploy(ada).deployment.version == 2
    assert wanted(services) == [1]
    scan()
    assert wanted(services) == [2]


def test_a_revision_with_unsafe_files_that_it_would_load_is_refused(services, ada, admin, deploy, scan):
    publish(services, ada, onnx_files())
    scan()
    condemn(services)
    with pytest.raises(UnsafeRevision) as refused:
        deploy(ada)
    assert refused.value.details["files"] == ["model.onnx"]
    assert "model.onnx is unsafe: It runs code." in refused.value.message
    with pytest.raises(UnsafeRevision):
        deploy(ada, ALLOW)
    with pytest.raises(Forbidden):
        deploy(ada, Policy("wait", allow_unsafe=True))
    assert wanted(services) == []
    deploy(admin, Policy("wait", allow_unsafe=True), name="ada/penguins")
    assert wanted(services) == [1]
    with services.database.read() as read:
        entry = read.scalars(select(AuditEntry).where(AuditEntry.action == "deployment.allow_unsafe")).one()
    assert (entry.actor_name, entry.details["files"]) == ("admin", ["model.onnx"])


def test_all_that_transformers_opens_is_looked_at(services, ada, deploy, scan):
    """A chat template is a program, in a file that model.json does not name."""
    signature = Signature(
        task="text-generation",
        inputs=(Field(name="text", dtype="text"),),
        output=Output(name="generated_text", kind="text"),
        example="one",
    )
    model = ModelDescription(
        task=signature.task,
        signature=signature,
        algorithm=AlgorithmUse(name="imported", title="words"),
        artifacts=(Artifact(format="transformers", file="config.json"),),
        serve="transformers",
    )
    evil = b"{{ ''.__class__.__mro__[1].__subclasses__() }}"
    files = {"config.json": b"{}", "model.json": model.to_bytes(), "unread/chat_template.jinja": evil}
    publish(services, ada, files)
    scan()
    deploy(ada)
    publish(services, ada, {**files, "chat_template.jinja": evil})
    scan()
    with pytest.raises(UnsafeRevision) as refused:
        deploy(ada)
    assert refused.value.details["files"] == ["chat_template.jinja"]


def test_what_could_not_be_scanned_is_refused(services, ada, deploy, scan):
    publish(services, ada, onnx_files())
    scan()
    condemn(services, status="error")
    with pytest.raises(UnsafeRevision, match=r"model.onnx could not be scanned: Too large"):
        deploy(ada)


def test_an_unsafe_file_that_is_not_loaded_is_no_obstacle(services, ada, deploy, scan):
    publish(services, ada, {**onnx_files(), "old/evil.pkl": evil_pickle()})
    scan()
    deploy(ada)
    assert wanted(services) == [1]


def test_a_waiting_deployment_whose_scan_finds_something_fails_and_says_why(services, ada, deploy, scan):
    publish(services, ada, onnx_files())
    deploy(ada)
    scan()
    condemn(services)
    with services.database.write() as write:
        version = repository.version(write, look(services, ada).deployment.id, 1)
        version.gate = "waiting"
        write.flush()
        from tholos.serving.admission import on_scanned

        on_scanned(write, {"repo_id": version.repo_id, "revision": version.revision})
    view = look(services, ada)
    assert (view.status.state, view.status.error) == ("failed", "model.onnx is unsafe: It runs code.")
    assert wanted(services) == []


def test_a_deployment_may_be_refused_instead_of_waiting(services, ada, deploy, scan):
    publish(services, ada, onnx_files())
    with pytest.raises(ScanPending):
        deploy(ada, REFUSE)
    scan()
    deploy(ada, REFUSE)
    assert wanted(services) == [1]


def test_a_rollback_waits_for_nobody_and_refuses_what_was_found_meanwhile(services, ada, deploy, scan):
    publish(services, ada, onnx_files("old", "older"))
    deploy(ada, ALLOW)
    publish(services, ada, onnx_files("new", "newer"))
    deploy(ada, ALLOW)
    service.rollback(services.database, services.blobs, ada, "ada/penguins")
    assert wanted(services) == [3]
    scan()
    condemn(services)
    with pytest.raises(UnsafeRevision):
        service.rollback(services.database, services.blobs, ada, "ada/penguins")
    assert wanted(services) == [3]


def test_weights_that_the_graph_names_count_as_loaded(services, ada, deploy, scan):
    publish(services, ada, {**onnx_files(), "weights.bin": evil_pickle()})
    scan()
    with services.database.write() as write:
        for row in write.scalars(select(FileScan).where(FileScan.lens == "model:.onnx")):
            row.details = {**row.details, "loads": ["weights.bin", "absent.bin"]}
    with pytest.raises(UnsafeRevision, match=r"weights.bin is unsafe"):
        deploy(ada)


def test_a_scan_whose_job_failed_refuses_the_deployment_that_waits(services, ada, deploy):
    publish(services, ada, onnx_files())
    deploy(ada)
    with services.database.read() as read:
        from tholos.jobs.models import Job

        job = read.scalars(select(Job).where(Job.kind == "scan.repo")).one()
    with services.database.write() as write:
        from tholos.jobs import service as jobs

        jobs.cancel(write, ada, job.id)
    deliver(services)
    deliver(services)
    view = look(services, ada)
    assert view.status.state == "failed"
    assert "The scan of this revision failed" in view.status.error


def test_over_rest_the_operators_choice_counts(services, ada, app, signed_in, ada_token):
    publish(services, ada, onnx_files())
    for choice, status in (("refuse", 409), ("wait", 200)):
        app.state.services = replace(
            services, settings=services.settings.model_copy(update={"deploy_unscanned": choice})
        )
        answer = signed_in(ada_token).post("/api/v1/deployments", json={"model": "ada/penguins"})
        assert answer.status_code == status, answer.text
    assert answer.json()["state"] == "starting"
    off = services.settings.model_copy(update={"deploy_unscanned": "wait", "scan_pushes": False})
    app.state.services = replace(services, settings=off)
    answer = signed_in(ada_token).post("/api/v1/deployments", json={"model": "ada/penguins", "name": "second"})
    assert answer.json()["error"] == ""
    refused = signed_in(ada_token).post("/api/v1/deployments", json={"model": "ada/penguins", "allow_unsafe": True})
    assert refused.status_code == 403
    assert scanning.handlers(off) == {}
