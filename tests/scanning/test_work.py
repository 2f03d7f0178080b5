"""Scans as jobs: from a push to the verdict, on both databases, in child processes."""

from __future__ import annotations

import pytest
from bad_files import BAD, evil_pickle
from delivery import deliver
from sqlalchemy import select

from tholos.hub import service as hub
from tholos.jobs.models import Job
from tholos.scanning import repository
from tholos.scanning import service as scanning
from tholos.scanning.models import FileScan

both = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])


def described(services, actor, *paths, kind="model", name="ada/penguins", rev="main"):
    with services.database.read() as read:
        return scanning.describe(read, actor, hub.RepoKind(kind), name, rev, paths)


def statuses(services, actor, *paths, **where):
    return {verdict.path: verdict.status.value for verdict in described(services, actor, *paths, **where)[1]}


def jobs(services):
    with services.database.read() as read:
        return list(read.scalars(select(Job).where(Job.kind == "scan.repo").order_by(Job.id)))


@both
def test_every_file_of_a_push_gets_its_verdict(services, ada, push, scan_in_jobs):
    push({**BAD, "README.md": b"# Penguins\n"})
    assert statuses(services, ada, "evil.pkl", "README.md") == {"evil.pkl": "queued", "README.md": "queued"}
    scan_in_jobs()
    found, _ = described(services, ada)
    assert (found.status.value, found.is_done, found.scan.files) == ("unsafe", True, len(BAD) + 2)
    assert statuses(services, ada, *BAD, "README.md") == {
        **dict.fromkeys(BAD, "unsafe"),
        "people.csv": "safe",  # in a model nobody looks for personal data
        "notes.ipynb": "suspicious",
        "tensors.safetensors": "safe",
        "README.md": "safe",
    }
    assert found.issues[0][1].value == "unsafe"


@both
def test_pushes_that_follow_each_other_share_a_job_and_what_was_scanned_is_not_scanned_again(services, ada, push, scan):
    first = push({"a.pkl": evil_pickle()})
    second = push({"b.txt": b"b"})
    scan()
    assert len(jobs(services)) == 1
    assert jobs(services)[0].result == {"repo": "ada/penguins", "revisions": 2, "files": 3, "more": False}
    assert statuses(services, ada, "a.pkl", rev=first.commit_id) == {"a.pkl": "unsafe"}
    assert statuses(services, ada, "a.pkl", rev=second.commit_id) == {"a.pkl": "unsafe"}
    push({"c.txt": b"c"})
    scan()
    assert jobs(services)[1].result["files"] == 1


def test_a_verdict_passes_between_repos_of_one_owner_and_from_public_ones_but_never_out_of_a_strangers(
    services, ada, bob, push, scan
):
    push({"a.pkl": evil_pickle()})
    scan()
    push({"a.pkl": evil_pickle()}, name="ada/twin")
    push({"a.pkl": evil_pickle()}, name="bob/copy", actor=bob)
    scan()
    files = {job.result["repo"]: job.result["files"] for job in jobs(services)}
    assert files["ada/twin"] == 0  # .gitattributes too
    assert files["bob/copy"] == 2
    assert statuses(services, bob, "a.pkl", name="bob/copy") == {"a.pkl": "unsafe"}
    with services.database.write() as write:
        hub.update_repo(write, ada, hub.RepoKind.MODEL, "ada/penguins", visibility="public", description=None)
    push({"b.pkl": evil_pickle() + b"\n"}, name="ada/penguins")
    scan()
    push({"b.pkl": evil_pickle() + b"\n"}, name="bob/copy", actor=bob)
    scan()
    assert jobs(services)[-1].result["files"] == 0


def test_a_new_version_of_the_scanner_asks_again_for_what_the_old_one_saw(services, admin, ada, push, scan):
    push({"a.pkl": evil_pickle()})
    scan()
    with services.database.write() as write:
        for row in write.scalars(select(FileScan)):
            row.version, row.status, row.public_status, row.findings = "0", "safe", "safe", []
        repo = hub.get_repo(write, ada, hub.RepoKind.MODEL, "ada/penguins")
        head = hub.revision_of(write, repo, "main")
        repository.revision(write, repo.id, head.commit_id).version = "0"
    assert statuses(services, ada, "a.pkl") == {"a.pkl": "safe"}
    scanning.scan_all(services, admin, force=False)
    scan()
    assert statuses(services, ada, "a.pkl") == {"a.pkl": "unsafe"}
    before = len(jobs(services))
    scanning.scan_all(services, admin, force=False)
    scan()
    assert len(jobs(services)) == before  # everything is by this version now


def test_a_repo_deleted_before_its_scan_leaves_nothing_behind(services, ada, push, scan):
    push({"a.pkl": evil_pickle()})
    with services.database.write() as write:
        hub.delete_repo(write, ada, hub.RepoKind.MODEL, "ada/penguins")
    scan()
    with services.database.read() as read:
        assert list(read.scalars(select(FileScan))) == []


def test_a_scan_that_fails_says_so(services, ada, push, scan):
    revision = push({"a.txt": b"a"})
    deliver(services)
    with services.database.write() as write:
        job = write.scalars(select(Job).where(Job.kind == "scan.repo")).one()
        from tholos.jobs import service as job_service

        job_service.cancel(write, ada, job.id)
    deliver(services)
    found, _ = described(services, ada, rev=revision.commit_id)
    assert (found.status.value, found.is_done) == ("error", True)
    assert "cancelled" in found.scan.error
