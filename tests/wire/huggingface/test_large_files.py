"""Large files and histories with the stock client: listed, deleted for good, copied on the server, squashed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, HfApi, HfFileSystem
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.kit.services import Services

REPO = "ada/penguins"
FIRST, SECOND = b"\0first" * 2000, b"\0second" * 3000
MODEL = hub.RepoKind.MODEL


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def api(endpoint: str, ada_token: str) -> HfApi:
    """Ada's client; her repo has three revisions, the last two with large files."""
    api = HfApi(endpoint, token=ada_token)
    api.create_repo(REPO)
    for path, data in (("weights/first.bin", FIRST), ("second.bin", SECOND), ("notes.txt", b"notes")):
        api.upload_file(path_or_fileobj=data, path_in_repo=path, repo_id=REPO)
    return api


@pytest.fixture
def download(api: HfApi, tmp_path: Path) -> Callable[..., bytes]:
    def run(path: str, revision: str = "main", repo: str = REPO) -> bytes:
        folder = tmp_path / os.urandom(4).hex()
        return Path(api.hf_hub_download(repo, path, revision=revision, local_dir=folder)).read_bytes()

    return run


def test_files_are_listed_with_where_they_are(api: HfApi, bob_token: str):
    api.delete_file("second.bin", REPO)
    listed = {item.filename: item for item in api.list_lfs_files(REPO)}
    assert listed.keys() == {"weights/first.bin", "second.bin"}
    assert (listed["weights/first.bin"].file_oid, listed["weights/first.bin"].size) == (sha256(FIRST), len(FIRST))
    assert (listed["weights/first.bin"].ref, listed["second.bin"].ref) == ("refs/heads/main", None)
    with pytest.raises(HfHubHTTPError):
        list(api.list_lfs_files(REPO, token=bob_token))
    with pytest.raises(HfHubHTTPError):
        api.permanently_delete_lfs_files(REPO, listed.values(), token=bob_token)


@pytest.mark.parametrize("rewrite", [True, False])
def test_a_deleted_file_is_gone_from_every_revision(
    api: HfApi, download: Callable[..., bytes], as_ada: TestClient, rewrite: bool
):
    api.create_tag(REPO, tag="v1")
    old = api.model_info(REPO).sha
    assert old is not None
    doomed = [item for item in api.list_lfs_files(REPO) if item.filename == "weights/first.bin"]
    before = api.model_info(REPO).used_storage
    api.permanently_delete_lfs_files(REPO, doomed, rewrite_history=rewrite)
    assert [item.filename for item in api.list_lfs_files(REPO)] == ["second.bin"]
    assert (before or 0) - (api.model_info(REPO).used_storage or 0) == len(FIRST)
    assert download("second.bin") == download("second.bin", "v1") == download("second.bin", old) == SECOND
    head = api.model_info(REPO).sha
    assert (head != old) is rewrite
    assert ("weights/first.bin" in api.list_repo_files(REPO)) is not rewrite
    assert ("weights/first.bin" in api.list_repo_files(REPO, revision="v1")) is not rewrite
    with pytest.raises(EntryNotFoundError):
        download("weights/first.bin", old)
    answer = as_ada.get(f"/api/v1/models/{REPO}/files/{old}/weights/first.bin")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "content_deleted")
    lfs = {"operation": "download", "transfers": ["basic"], "objects": [{"oid": sha256(FIRST), "size": len(FIRST)}]}
    batch = as_ada.post(f"/{REPO}.git/info/lfs/objects/batch", json=lfs).json()
    assert batch["objects"][0]["error"]["code"] == 404
    assert api.list_repo_commits(REPO, revision=old)[0].title.startswith("Upload notes")
    assert len(api.list_repo_commits(REPO)) == 4
    # what was deleted may come again
    api.upload_file(path_or_fileobj=FIRST, path_in_repo="again.bin", repo_id=REPO)
    assert download("again.bin") == FIRST


def test_a_rewritten_history_is_sound(api: HfApi, services: Services, ada: Actor):
    doomed = [item for item in api.list_lfs_files(REPO) if item.filename == "weights/first.bin"]
    old = api.model_info(REPO).sha
    api.permanently_delete_lfs_files(REPO, doomed)
    with services.database.read() as read:
        repo, head = hub.resolve(read, ada, MODEL, REPO)
        _, history = hub.list_revisions(read, ada, MODEL, REPO, "main", cursor=None, limit=10)
        for revision in history.items:
            payload = revision.raw
            assert hashlib.sha1(b"commit %d\0" % len(payload) + payload).hexdigest() == revision.commit_id
            assert {entry.path for entry in hub.tree(read, repo, revision.commit_id, recursive=True)} <= {
                ".gitattributes",
                "second.bin",
                "notes.txt",
            }
        graph = hub.lineage(read, ada, head.urn)
        assert {node.revision for node in graph.nodes} == {old, head.commit_id}


def test_a_squashed_branch_is_one_revision_and_the_old_ones_still_answer(
    api: HfApi, download: Callable[..., bytes], services: Services, ada: Actor, bob_token: str
):
    old = api.model_info(REPO).sha
    with services.database.write() as write:
        repo, revision = hub.resolve(write, ada, MODEL, REPO)
        hub.record_fact(write, repo_id=repo.id, revision=revision.commit_id, metric="f1", value=0.5, hardware="cpu")
    with pytest.raises(HfHubHTTPError):
        api.super_squash_history(REPO, token=bob_token)
    api.super_squash_history(REPO, commit_message="One")
    (only,) = api.list_repo_commits(REPO)
    assert only.title == "One"
    assert download("second.bin") == download("second.bin", old or "") == SECOND
    assert len(api.list_repo_commits(REPO, revision=old)) == 4
    with services.database.read() as read:
        _, found = hub.measurements(read, ada, MODEL, REPO, "main")
        assert [(seen.fact.metric, seen.fact.revision) for seen in found] == [("f1", old)]
        graph = hub.lineage(read, ada, hub.resolve(read, ada, MODEL, REPO)[1].urn)
        assert [(arc.kind, old in arc.source) for arc in graph.arcs] == [("squash", True)]
    api.super_squash_history(REPO)  # once more changes nothing
    assert api.list_repo_commits(REPO)[0].commit_id == only.commit_id
    with pytest.raises(HfHubHTTPError):
        api.super_squash_history(REPO, branch="nowhere")


def test_files_are_copied_between_repos_on_the_server(
    api: HfApi, download: Callable[..., bytes], bob_token: str, services: Services
):
    api.create_repo("ada/copy", private=False)
    copies = [
        CommitOperationCopy("second.bin", "there.bin", src_repo_id=REPO, src_repo_type="model"),
        CommitOperationCopy("notes.txt", "notes.txt", src_repo_id=REPO, src_repo_type="model"),
        CommitOperationAdd("own.txt", b"own"),
    ]
    api.create_commit("ada/copy", copies, commit_message="Copy")
    assert download("there.bin", repo="ada/copy") == SECOND
    assert download("notes.txt", repo="ada/copy") == b"notes"
    api.create_commit(REPO, [CommitOperationCopy("second.bin", "twin.bin")], commit_message="Copy inside")
    assert download("twin.bin") == SECOND
    # the client's file system reads through Xet what it is told a Xet hash of
    assert HfFileSystem(endpoint=api.endpoint, token=api.token).cat_file(f"{REPO}/second.bin") == SECOND
    # who cannot read the source gets nothing, though the target is theirs
    bob = HfApi(api.endpoint, token=bob_token)
    bob.create_repo("bob/loot")
    stolen = CommitOperationCopy("second.bin", "second.bin", src_repo_id=REPO, src_repo_type="model")
    with pytest.raises(HfHubHTTPError):
        bob.create_commit("bob/loot", [stolen], commit_message="Steal")


def test_a_gate_and_possession_stand_before_a_copy(api: HfApi, as_ada: TestClient, as_bob: TestClient):
    api.update_repo_settings(REPO, private=False, gated="auto")
    as_bob.post("/api/repos/create", json={"name": "loot", "organization": None})
    body = {
        "target": {"type": "model", "name": "bob/loot"},
        "files": [{"xetHash": "0" * 64, "sha256": sha256(SECOND), "filename": "x"}],
    }
    path = f"/api/models/{REPO}/lfs-files/duplicate"
    refused = as_bob.post(path, json=body)
    assert (refused.status_code, refused.headers["x-error-code"]) == (403, "GatedRepo")
    as_bob.post(f"/api/v1/models/{REPO}/access", json={}).raise_for_status()
    assert as_bob.post(path, json=body).json() == {"failed": []}
    body["files"][0]["sha256"] = sha256(b"never uploaded")
    assert [item["sha256"] for item in as_bob.post(path, json=body).json()["failed"]] == [sha256(b"never uploaded")]
    body["target"] = {"type": "model", "name": "ada/penguins"}
    assert as_bob.post(path, json=body).status_code == 403  # not a repo of his to write to


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("lfs-files/batch", {"deletions": {"sha": ["../x"]}}),
        ("lfs-files/batch", {"deletions": {"sha": [7]}}),
        ("lfs-files/batch", {"deletions": []}),
        ("lfs-files/batch", {"deletions": {"sha": ["0" * 64] * 1001}}),
        ("lfs-files/duplicate", {"target": {"type": "space", "name": "a/b"}, "files": []}),
        ("lfs-files/duplicate", {"target": {"name": "ada/penguins"}, "files": [7]}),
        ("super-squash/main", {"message": "\0"}),
        ("super-squash/main", {"message": 7}),
    ],
)
def test_bad_requests_change_nothing(as_ada: TestClient, repo: str, path: str, body: dict):
    before = as_ada.get(f"/api/models/{repo}").json()["sha"]
    assert as_ada.post(f"/api/models/{repo}/{path}", json=body).status_code == 400
    assert as_ada.get(f"/api/models/{repo}").json()["sha"] == before
