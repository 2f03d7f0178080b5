from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tholos.accounts.authorization import Actor
from tholos.accounts.models import AuditEntry
from tholos.hub import errors
from tholos.hub import service as hub
from tholos.hub.gitobjects import Pointer, blob_id
from tholos.hub.models import GitBlob, Repo, Revision
from tholos.hub.operations import AddBlob, AddBytes, AddFile, CommitLimits, Delete
from tholos.kit.blobs import Blob
from tholos.kit.errors import Forbidden
from tholos.kit.outbox import OutboxRow
from tholos.kit.services import Services

Commit = Callable[..., Revision]
Files = Callable[..., dict[str, bytes]]


def head(services: Services, repo: Repo, branch: str = "main") -> str:
    with services.database.read() as read:
        return hub.revision_of(read, repo, branch).commit_id


def entry(services: Services, repo: Repo, path: str, rev: str = "main") -> hub.TreeEntry:
    with services.database.read() as read:
        return hub.file(read, repo, rev, path)


def upload(services: Services, repo: Repo, data: bytes) -> Blob:
    blob = services.blobs.put_bytes(data)
    with services.database.write() as write:
        hub.record_upload(write, repo, blob)
    return blob


def test_a_new_repo_has_a_head_with_gitattributes(services: Services, repo: Repo):
    with services.database.read() as read:
        first = hub.revision_of(read, repo, "main")
        listed = hub.tree(read, repo, "main")
    assert first.parents == []
    assert [item.path for item in listed] == [".gitattributes"]
    assert not listed[0].lfs


def test_adds_replaces_and_deletes(services: Services, repo: Repo, commit: Commit, files: Files):
    first = commit(AddBytes("a/b/c.txt", b"one"), AddBytes("d.txt", b"two"))
    second = commit(AddBytes("d.txt", b"three"), Delete("a"), parent=first.commit_id)
    assert files(first.commit_id) == {"a/b/c.txt": b"one", "d.txt": b"two"}
    assert files() == {"d.txt": b"three"}
    assert second.parents == [first.commit_id]
    assert head(services, repo) == second.commit_id


def test_a_file_can_take_a_deleted_folders_name_and_back(commit: Commit, files: Files):
    commit(AddBytes("x/a", b"1"), AddBytes("x/b", b"2"))
    commit(Delete("x"), AddBytes("x", b"3"))
    assert files() == {"x": b"3"}
    commit(Delete("x"), AddBytes("x/c", b"4"))
    assert files() == {"x/c": b"4"}


def test_everything_can_be_deleted(commit: Commit, files: Files, services: Services, repo: Repo):
    commit(AddBytes("x/a", b"1"))
    commit(Delete("x/a"), Delete(".gitattributes"))
    with services.database.read() as read:
        assert hub.tree(read, repo, "main", recursive=True) == []
    commit(AddBytes("again", b"2"))
    assert files() == {"again": b"2"}


KEPT_THROUGH_LFS = [
    ("weights.safetensors", b"text by content, large by rule", True),
    ("deep/in/folder/weights.onnx", b"x", True),
    ("saved_model/1/variables.data", b"x", True),
    ("notes.txt", "café ☃".encode(), False),
    ("notes.txt", b"a\0b", True),
    ("notes.txt", b"\xff\xfe", True),
    ("notes.txt", ("a" * 7999 + "é").encode(), False),
    ("empty.bin", b"", False),
    ("big.txt", b"a" * 101, True),
    ("fits.txt", b"a" * 100, False),
]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_large_and_binary_files_are_kept_through_lfs(
    services: Services, repo: Repo, commit: Commit, subtests: pytest.Subtests
):
    for path, data, lfs in KEPT_THROUGH_LFS:
        with subtests.test(case=ascii((path, data, lfs))[:80]):
            threshold = 100 if len(data) in (100, 101) else 10_000_000
            commit(AddBytes(path, data), limits=CommitLimits(lfs_threshold_bytes=threshold))
            found = entry(services, repo, path)
            sha256 = hashlib.sha256(data).hexdigest()
            assert (found.lfs, found.size, found.sha256) == (lfs, len(data), sha256)
            assert found.git_oid == (Pointer(sha256, len(data)).oid if lfs else blob_id(data))


def test_new_rules_in_gitattributes_count_at_once(services: Services, repo: Repo, commit: Commit):
    commit(AddBytes(".gitattributes", b"*.csv filter=lfs\nsmall.csv -filter\n"), AddBytes("a.csv", b"1"))
    commit(AddBytes("small.csv", b"1"), AddBytes("w.safetensors", b"text"))
    assert entry(services, repo, "a.csv").lfs
    assert not entry(services, repo, "small.csv").lfs
    assert not entry(services, repo, "w.safetensors").lfs


BAD_GITATTRIBUTES = [b"*.x filter=lfs\0", b"\xff", b"#" * 3000, b"# comment\n" * 20_000]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_bad_gitattributes_are_refused(commit: Commit, subtests: pytest.Subtests):
    for data in BAD_GITATTRIBUTES:
        with subtests.test(case=ascii(data)[:80]), pytest.raises(errors.InvalidAttributes):
            commit(AddBytes(".gitattributes", data))


def test_a_local_file_is_committed_without_being_read_into_memory(commit: Commit, files: Files, tmp_path: Path):
    source = tmp_path / "model.onnx"
    source.write_bytes(b"\0" * 5000)
    commit(AddFile("model.onnx", source))
    assert files() == {"model.onnx": b"\0" * 5000}


def test_an_uploaded_blob_is_committed(services: Services, repo: Repo, commit: Commit, files: Files):
    blob = upload(services, repo, b"uploaded\0")
    commit(AddBlob("a.bin", blob.sha256, blob.size))
    assert files() == {"a.bin": b"uploaded\0"}


def test_content_that_another_repo_uploaded_cannot_be_named(services: Services, repo: Repo, commit: Commit, bob: Actor):
    theirs = hub.create_repo(services.database, services.blobs, bob, hub.RepoKind.MODEL, "secret")
    blob = upload(services, theirs, b"a secret of bob's")
    with pytest.raises(errors.BlobNotUploaded):
        commit(AddBlob("stolen", blob.sha256, blob.size))
    with pytest.raises(errors.PointerToNothing):
        commit(AddBytes("stolen", Pointer(blob.sha256, blob.size).encode()))


def test_a_wrong_size_or_unknown_content_is_refused(services: Services, repo: Repo, commit: Commit):
    blob = upload(services, repo, b"12345")
    before = head(services, repo)
    with pytest.raises(errors.BlobNotUploaded):
        commit(AddBlob("a", blob.sha256, 4))
    with pytest.raises(errors.BlobNotUploaded):
        commit(AddBlob("a", "0" * 64, 4), AddBytes("b", b"would be fine"))
    assert head(services, repo) == before


def test_an_lfs_pointer_stands_for_the_content_that_the_repo_has(services: Services, repo: Repo, commit: Commit):
    blob = upload(services, repo, b"real content\0")
    commit(AddBytes("file.bin", Pointer(blob.sha256, blob.size).encode()))
    found = entry(services, repo, "file.bin")
    assert (found.sha256, found.size, found.lfs) == (blob.sha256, blob.size, True)


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(
    "pointer", [Pointer("0" * 64, 3), Pointer(hashlib.sha256(b"mine\0").hexdigest(), 4_000_000)], ids=["gone", "size"]
)
def test_an_lfs_pointer_to_nothing_is_refused(services: Services, repo: Repo, commit: Commit, pointer: Pointer):
    upload(services, repo, b"mine\0")
    with pytest.raises(errors.PointerToNothing):
        commit(AddBytes("weights.bin", pointer.encode()))


BAD_OPERATIONS = [
    ([AddBytes("a", b"1"), AddBytes("a", b"2")], errors.InvalidCommit),
    ([Delete("README.md"), Delete("README.md")], errors.InvalidCommit),
    ([Delete("missing")], errors.EntryNotFound),
    ([AddBytes("README.md/x", b"1")], errors.PathConflict),
    ([AddBytes("folder", b"1")], errors.PathConflict),
    ([AddBytes("b", b"1"), AddBytes("b/c", b"1")], errors.PathConflict),
    ([AddBytes("readme.md", b"1")], errors.PathConflict),
    ([AddBytes("Folder/other", b"1")], errors.PathConflict),
    ([AddBytes("new/A", b"1"), AddBytes("new/a", b"1")], errors.PathConflict),
    ([AddBytes("../x", b"1")], errors.InvalidPath),
    ([Delete("a/../README.md")], errors.InvalidPath),
    ([AddBytes(f"f{number}", b"") for number in range(6)], errors.TooManyOperations),
]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_bad_operations_change_nothing(services: Services, repo: Repo, commit: Commit, subtests: pytest.Subtests):
    for operations, error in BAD_OPERATIONS:
        with subtests.test(case=ascii((operations, error))[:80]):
            before = commit(AddBytes("README.md", b"# Hi"), AddBytes("folder/file", b"1")).commit_id
            with pytest.raises(error) as caught:
                commit(*operations, limits=CommitLimits(max_operations=5))
            assert caught.value.next
            assert head(services, repo) == before


def test_a_name_may_change_its_case_in_one_commit(commit: Commit, files: Files):
    commit(AddBytes("Readme.md", b"1"))
    commit(Delete("Readme.md"), AddBytes("README.md", b"2"))
    assert files() == {"README.md": b"2"}


BAD_MESSAGES = ["", " \n ", "x" * 10_001, "a\0b", "\ud800"]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_bad_messages_are_refused(commit: Commit, subtests: pytest.Subtests):
    for message in BAD_MESSAGES:
        with subtests.test(case=ascii(message)[:80]), pytest.raises(errors.InvalidCommit):
            commit(AddBytes("a", b"1"), message=message)


def test_a_commit_that_changes_nothing_returns_the_head(services: Services, ada: Actor, repo: Repo, commit: Commit):
    first = commit(AddBytes("a", b"1"))
    assert commit(AddBytes("a", b"1")).commit_id == first.commit_id
    assert commit().commit_id == first.commit_id
    with services.database.read() as read:
        _, found = hub.list_revisions(read, ada, repo.kind, repo.full_name, "main", cursor=None, limit=9)
    assert len(found.items) == 2


def test_a_retried_commit_returns_the_existing_one_even_behind_others(commit: Commit):
    parent = commit(AddBytes("a", b"1")).commit_id
    landed = commit(AddBytes("b", b"2"), parent=parent)
    assert commit(AddBytes("b", b"2"), parent=parent).commit_id == landed.commit_id
    commit(AddBytes("c", b"3"))
    assert commit(AddBytes("b", b"2"), parent=parent).commit_id == landed.commit_id


def test_a_stale_parent_loses_and_is_told_the_head(services: Services, repo: Repo, commit: Commit):
    parent = head(services, repo)
    winner = commit(AddBytes("a", b"1"), parent=parent)
    with pytest.raises(errors.CommitRace) as caught:
        commit(AddBytes("a", b"2"), parent=parent)
    assert caught.value.details["head"] == winner.commit_id
    assert winner.commit_id in caught.value.message
    assert "new head" in caught.value.next


def test_an_unknown_parent_or_branch_is_refused(commit: Commit):
    with pytest.raises(errors.RevisionNotFound):
        commit(AddBytes("a", b"1"), parent="0" * 40)
    with pytest.raises(errors.RevisionNotFound):
        commit(AddBytes("a", b"1"), branch="nowhere")


def test_of_many_commits_on_one_parent_exactly_one_wins(services: Services, repo: Repo, commit: Commit, files: Files):
    parent = head(services, repo)
    outcomes = _at_once(8, lambda number: commit(AddBytes("a", str(number).encode()), parent=parent))
    won = [outcome for outcome in outcomes if isinstance(outcome, Revision)]
    assert len(won) == 1
    assert sum(isinstance(outcome, errors.CommitRace) for outcome in outcomes) == 7
    assert head(services, repo) == won[0].commit_id


def test_commits_without_a_parent_all_land(services: Services, repo: Repo, commit: Commit, files: Files):
    outcomes = _at_once(4, lambda number: commit(AddBytes(f"{number}.txt", b"x")))
    assert all(isinstance(outcome, Revision) for outcome in outcomes), outcomes
    assert set(files()) == {"0.txt", "1.txt", "2.txt", "3.txt"}


def _at_once(count: int, action: Callable[[int], object]) -> list[object]:
    outcomes: list[object] = []
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        try:
            outcomes.append(action(number))
        except Exception as error:  # the outcome is what the test looks at
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_a_prepared_commit_shows_only_once_it_lands(services: Services, repo: Repo, ada: Actor, files: Files):
    prepared = hub.prepare_commit(
        services.database, services.blobs, ada, repo, [AddBytes("a", b"1")], "Later", job_id="job_x", author="Ada L."
    )
    with services.database.read() as read, pytest.raises(errors.RevisionNotFound):
        hub.revision_of(read, repo, prepared.commit_id)
    with services.database.write() as write:
        landed = hub.land(write, prepared)
    assert landed.commit_id == prepared.commit_id == head(services, repo)
    assert (landed.job_id, landed.author) == ("job_x", "Ada L.")
    assert files() == {"a": b"1"}


def test_a_failed_transaction_leaves_no_revision(services: Services, repo: Repo, ada: Actor):
    before = head(services, repo)
    prepared = hub.prepare_commit(services.database, services.blobs, ada, repo, [AddBytes("a", b"1")], "Later")
    with pytest.raises(RuntimeError), services.database.write() as write:
        hub.land(write, prepared)
        raise RuntimeError("the job was fenced")
    assert head(services, repo) == before


def test_the_same_commit_on_two_branches_is_one_revision(services: Services, repo: Repo, ada: Actor):
    hub.set_ref(
        services.database, services.blobs, ada, repo.kind, "ada/penguins", ref_kind="branch", ref_name="b", rev="main"
    )
    prepared = [
        hub.prepare_commit(services.database, services.blobs, ada, repo, [AddBytes("a", b"1")], "Same", branch=branch)
        for branch in ("main", "b")
    ]
    for one in prepared:
        with services.database.write() as write:
            hub.land(write, one)
    if prepared[0].created_at.replace(microsecond=0) == prepared[1].created_at.replace(microsecond=0):
        assert head(services, repo) == head(services, repo, "b")
    assert entry(services, repo, "a", "b").size == 1


def test_landing_in_a_deleted_repo_fails_cleanly(services: Services, repo: Repo, ada: Actor):
    prepared = hub.prepare_commit(services.database, services.blobs, ada, repo, [AddBytes("a", b"1")], "Later")
    with services.database.write() as write:
        hub.delete_repo(write, ada, repo.kind, "ada/penguins")
    with pytest.raises(errors.RepoNotFound), services.database.write() as write:
        hub.land(write, prepared)
    with pytest.raises(errors.RepoNotFound):
        hub.commit(services.database, services.blobs, ada, repo, [AddBytes("a", b"1")], "Later")


def test_only_writers_commit(services: Services, repo: Repo, ada: Actor, bob: Actor):
    with pytest.raises(errors.RepoNotFound):
        hub.commit(services.database, services.blobs, bob, repo, [AddBytes("a", b"1")], "Mine")
    with services.database.write() as write:
        hub.update_repo(write, ada, repo.kind, "ada/penguins", visibility="public")
    with pytest.raises(Forbidden):
        hub.commit(services.database, services.blobs, bob, repo, [AddBytes("a", b"1")], "Mine")


def test_a_commit_is_audited_and_announced_in_its_transaction(services: Services, repo: Repo, commit: Commit):
    landed = commit(AddBytes("a", b"1"))
    with services.database.read() as read:
        rows = [row for row in read.query(OutboxRow) if row.topic == "repo.committed"]
        audited = [row for row in read.query(AuditEntry) if row.action == "repo.commit"]
    payload = {"repo_id": repo.id, "kind": "model", "revision": landed.commit_id, "ref": "refs/heads/main"}
    assert [row.payload for row in rows] == [payload | {"before": landed.parent_id}]
    assert [(row.subject, row.details["revision"]) for row in audited] == [("model ada/penguins", landed.commit_id)]


def test_many_files_land_at_once(commit: Commit, files: Files, services: Services, repo: Repo):
    commit(*[AddBytes(f"{number % 7}/{number}.txt", str(number).encode()) for number in range(700)])
    with services.database.read() as read:
        assert len(hub.tree(read, repo, "main", recursive=True)) == 700 + 7 + 1
    commit(*[Delete(f"{number}") for number in range(1, 7)])
    assert len(files()) == 100


def test_a_colliding_git_id_is_refused(services: Services, repo: Repo, commit: Commit):
    # Two contents with one SHA-1 cost a fortune, so the table is told a lie instead.
    upload(services, repo, b"other content")
    with services.database.write() as write:
        write.add(
            GitBlob(oid=blob_id(b"victim"), sha256=hashlib.sha256(b"other content").hexdigest(), size=13, lfs=False)
        )
    with pytest.raises(errors.ObjectCollision):
        commit(AddBytes("a", b"victim"))
