"""Pull requests: what is proposed, by whom, and how it comes into the branch."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor
from tholos.community import service as community
from tholos.community.errors import DiscussionClosed
from tholos.hub import service as hub
from tholos.hub.errors import MergeConflict, NothingToMerge, PointerToNothing
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind
from tholos.kit.services import Services

NAME = "ada/penguins"
REST = "/api/v1/models/ada/penguins"


def at(number: int) -> community.At:
    return community.At(RepoKind.MODEL, NAME, number)


def proposes(services: Services, actor: Actor, *operations: hub.Operation, **options: Any) -> int:
    opened = community.propose(services, actor, RepoKind.MODEL, NAME, operations, "Propose", **options)
    return opened.view.discussion.number


def commits(services: Services, actor: Actor, repo: Repo, *operations: hub.Operation, **options: Any) -> hub.Revision:
    return hub.commit(services.database, services.blobs, actor, repo, operations, "Change", **options)


def files(services: Services, repo: Repo, rev: str = "main") -> dict[str, bytes]:
    with services.database.read() as read:
        found = hub.tree(read, repo, hub.revision_of(read, repo, rev).commit_id, recursive=True)
    return {
        entry.path: services.blobs.path(entry.sha256).read_bytes()
        for entry in found
        if entry.sha256 and entry.path != ".gitattributes"
    }


def view(services: Services, actor: Actor, number: int) -> community.DiscussionView:
    with services.database.read() as read:
        return community.get_discussion(read, actor, at(number))


def conflicts(services: Services, actor: Actor, number: int) -> tuple[str, ...] | None:
    with services.database.read() as read:
        return community.proposed(read, community.get_discussion(read, actor, at(number))).conflicts


def test_both_sides_changed_other_files(services: Services, ada: Actor, bob: Actor, repo: Repo) -> None:
    start = commits(services, ada, repo, hub.AddBytes("d/x", b"x"), hub.AddBytes("d/y", b"y"))
    number = proposes(
        services, bob, hub.AddBytes("a.txt", b"changed\n"), hub.AddBytes("new/deep.txt", b"new"), hub.Delete("d/x")
    )
    commits(services, ada, repo, hub.AddBytes("mine.txt", b"mine"), hub.AddBytes("README.md", b"---\ntags: [t]\n---\n"))
    assert conflicts(services, ada, number) == ()
    community.merge(services, ada, at(number))
    assert files(services, repo) == {
        "a.txt": b"changed\n",
        "d/y": b"y",
        "data/w.bin": b"\0\1" * 100,
        "mine.txt": b"mine",
        "new/deep.txt": b"new",
        "README.md": b"---\ntags: [t]\n---\n",
    }
    with services.database.read() as read:
        merged = hub.revision_of(read, repo, "main")
        assert merged.commit_id == view(services, ada, number).discussion.merge_commit
        assert len(merged.parents) == 2
        assert merged.message.startswith("Propose (#1)\n\n")
        assert start.commit_id not in merged.parents


@pytest.mark.parametrize(
    ("mine", "proposed", "path"),
    [
        ((hub.AddBytes("a.txt", b"mine"),), (hub.AddBytes("a.txt", b"yours"),), "a.txt"),
        ((hub.Delete("a.txt"),), (hub.AddBytes("a.txt", b"yours"),), "a.txt"),
        ((hub.AddBytes("a.txt", b"mine"),), (hub.Delete("a.txt"),), "a.txt"),
        ((hub.AddBytes("n", b"mine"),), (hub.AddBytes("n", b"yours"),), "n"),
        ((hub.AddBytes("n", b"mine"),), (hub.AddBytes("n/m", b"yours"),), "n"),
        ((hub.AddBytes("n/m", b"mine"),), (hub.AddBytes("n", b"yours"),), "n"),
        ((hub.AddBytes("N", b"mine"),), (hub.AddBytes("n", b"yours"),), "n"),
    ],
)
def test_both_sides_changed_the_same(
    services: Services,
    ada: Actor,
    bob: Actor,
    repo: Repo,
    mine: tuple[hub.Operation, ...],
    proposed: tuple[hub.Operation, ...],
    path: str,
) -> None:
    number = proposes(services, bob, *proposed)
    head = commits(services, ada, repo, *mine)
    assert conflicts(services, ada, number) == (path,)
    with pytest.raises(MergeConflict) as refused:
        community.merge(services, ada, at(number))
    assert refused.value.details["files"] == [path]
    with services.database.read() as read:
        assert hub.branch_head(read, repo, "main") == head.commit_id
    assert view(services, ada, number).discussion.status == "draft"


def test_the_same_change_on_both_sides_is_no_conflict(services: Services, ada: Actor, bob: Actor, repo: Repo) -> None:
    number = proposes(services, bob, hub.AddBytes("a.txt", b"same"), hub.Delete("data/w.bin"))
    commits(services, ada, repo, hub.AddBytes("a.txt", b"same"), hub.Delete("data"))
    community.merge(services, ada, at(number))
    assert files(services, repo) == {"a.txt": b"same"}
    assert view(services, ada, number).discussion.status == "merged"


def test_a_folder_gives_way_to_a_file(services: Services, ada: Actor, bob: Actor, repo: Repo) -> None:
    number = proposes(services, bob, hub.Delete("data"), hub.AddBytes("data", b"now a file"))
    commits(services, ada, repo, hub.AddBytes("mine.txt", b"mine"))
    community.merge(services, ada, at(number))
    assert files(services, repo)["data"] == b"now a file"


def test_nothing_to_merge(services: Services, ada: Actor, bob: Actor, repo: Repo) -> None:
    opened = community.open_pull(services, bob, RepoKind.MODEL, NAME, title="Empty")
    with pytest.raises(NothingToMerge):
        community.merge(services, ada, at(opened.view.discussion.number))


def test_two_merges_at_once(services: Services, ada: Actor, bob: Actor, repo: Repo) -> None:
    numbers = [proposes(services, bob, hub.AddBytes(f"f{number}.txt", b"%d" % number)) for number in range(4)]
    wanted = [number for number in numbers for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda number: community.merge(services, ada, at(number)), wanted))
    assert {view.discussion.status for view in done} == {"merged"}
    assert {f"f{number}.txt" for number in range(4)} <= files(services, repo).keys()
    with services.database.read() as read:
        merges = [
            one
            for one in hub.list_revisions(read, ada, RepoKind.MODEL, NAME, "main", cursor=None, limit=100)[1].items
            if len(one.parents) == 2
        ]
    assert len(merges) == 4
    assert {one.commit_id for one in merges} == {view.discussion.merge_commit for view in done}


def test_a_closed_pull_request_rests(services: Services, ada: Actor, bob: Actor, repo: Repo) -> None:
    number = proposes(services, bob, hub.AddBytes("b.txt", b"1"))
    community.set_status(services.database, bob, at(number), "closed")
    with pytest.raises(DiscussionClosed):
        community.merge(services, ada, at(number))
    with pytest.raises(DiscussionClosed):
        community.commit_to_pull(services, bob, at(number), [hub.AddBytes("b.txt", b"2")], "More")
    community.set_status(services.database, bob, at(number), "open")
    community.commit_to_pull(services, bob, at(number), [hub.AddBytes("b.txt", b"2")], "More")
    community.merge(services, ada, at(number))
    assert files(services, repo)["b.txt"] == b"2"


def test_a_repeated_commit_is_noted_once(services: Services, bob: Actor, repo: Repo) -> None:
    number = proposes(services, bob, hub.AddBytes("b.txt", b"1"))
    with services.database.read() as read:
        parent = hub.revision_of(read, repo, f"refs/pr/{number}").commit_id
    made = [
        community.commit_to_pull(services, bob, at(number), [hub.AddBytes("b.txt", b"2")], "More", parent=parent)[1]
        for _ in range(3)
    ]
    assert len({one.commit_id for one in made}) == 1
    with services.database.read() as read:
        events = community.events_of(read, community.get_discussion(read, bob, at(number)).discussion)
    assert [view.event.kind for view in events] == ["commit", "commit"]


def test_another_branch_and_a_diff_of_what_was_done_since(
    services: Services, ada: Actor, bob: Actor, repo: Repo
) -> None:
    hub.set_ref(
        services.database, services.blobs, ada, RepoKind.MODEL, NAME, ref_kind="branch", ref_name="dev/x", rev="main"
    )
    number = proposes(services, bob, hub.AddBytes("a.txt", b"one\ntwo\nthree\nfour"), branch="dev/x")
    commits(services, ada, repo, hub.AddBytes("other.txt", b"1\n"), branch="dev/x")
    with services.database.read() as read:
        text = community.diff_of(read, services.blobs, ada, community.get_discussion(read, bob, at(number))).text
    lines = text.splitlines()
    assert lines[0] == "diff --git a/a.txt b/a.txt"
    assert lines[2:] == [
        "--- a/a.txt",
        "+++ b/a.txt",
        "@@ -1,3 +1,4 @@",
        " one",
        " two",
        " three",
        "+four",
        "\\ No newline at end of file",
    ]
    community.merge(services, ada, at(number))
    assert "a.txt" in files(services, repo, "dev/x")
    assert files(services, repo)["a.txt"] == b"one\ntwo\nthree\n"


def test_a_proposal_moves_no_branch(services: Services, as_bob: TestClient, as_ada: TestClient, repo: Repo) -> None:
    """What bob is given for a pull request lets him send content, and nothing else."""
    wire = "/api/models/ada/penguins"
    assert as_bob.get(f"{wire}/xet-write-token/main").status_code == 403
    granted = as_bob.get(f"{wire}/xet-write-token/None?create_pr=1")
    assert granted.status_code == 200
    assert as_bob.get(f"{wire}/xet-write-token/refs%2Fpr%2F1").status_code == 404
    data = b"proposed"
    digest = hashlib.sha256(data).hexdigest()
    assert as_bob.put(f"{REST}/blobs/{digest}", content=data).status_code == 403
    assert as_bob.put(f"{REST}/blobs/{digest}?pull_request=true", content=data).status_code == 201
    add = {"op": "add", "path": "x", "sha256": digest, "size": len(data)}
    body = {"message": "x", "operations": [add]}
    assert as_bob.post(f"{REST}/commits", json=body).status_code == 403
    assert as_bob.post(f"{REST}/commits", json={**body, "branch": "refs/pr/1"}).status_code == 403
    as_ada.post(f"{REST}/discussions", json={"title": "ada's", "pull_request": True})
    as_bob.post(f"{REST}/discussions", json={"title": "bob's", "pull_request": True})
    assert as_bob.post(f"{REST}/discussions/1/commits", json=body).status_code == 403
    assert as_bob.post(f"{REST}/discussions/2/commits", json=body).status_code == 201
    assert as_ada.post(f"{REST}/discussions/2/commits", json={**body, "message": "y"}).status_code == 201
    assert as_bob.get(f"{wire}/xet-write-token/refs%2Fpr%2F1").status_code == 403
    for rev in ("main", "refs%2Fheads%2Fmain"):
        assert as_bob.post(f"{wire}/commit/{rev}", content=b"{}").status_code == 403
    for ref in ("refs/heads/main", "main"):
        lfs = {"operation": "upload", "objects": [], "ref": {"name": ref}}
        assert as_bob.post("/ada/penguins.git/info/lfs/objects/batch", json=lfs).status_code == 403
    assert "x" not in files(services, repo)


def test_a_strangers_file_has_a_limit(
    services: Services, app, as_bob: TestClient, as_ada: TestClient, repo: Repo
) -> None:
    app.state.services = services.__class__(
        services.settings.model_copy(update={"max_proposed_bytes": 5}), services.database, services.blobs
    )
    data = b"more than five"
    digest = hashlib.sha256(data).hexdigest()
    assert as_bob.put(f"{REST}/blobs/{digest}?pull_request=true", content=data).status_code == 413
    assert as_ada.put(f"{REST}/blobs/{digest}", content=data).status_code == 201


def test_a_batch_tells_strangers_what_a_part_of_the_quota_is_to_them(
    as_bob: TestClient, as_ada: TestClient, admin_token: str, repo: Repo
) -> None:
    headers = {"authorization": f"Bearer {admin_token}"}
    as_ada.put("/api/v1/users/ada/quota", json={"max_bytes": 100_000}, headers=headers).raise_for_status()
    batch = {"operation": "upload", "objects": [{"oid": "1" * 64, "size": 90_000}]}
    refused = as_bob.post("/ada/penguins.git/info/lfs/objects/batch", json=batch)
    assert (refused.status_code, refused.json()["code"]) == (403, "quota_exceeded")
    assert "80,000 bytes" in refused.json()["error"]
    assert as_ada.post("/ada/penguins.git/info/lfs/objects/batch", json=batch).status_code == 200
    batch["objects"] = [{"oid": "1" * 64, "size": 70_000}]
    assert as_bob.post("/ada/penguins.git/info/lfs/objects/batch", json=batch).status_code == 200


def test_a_failed_proposal_leaves_nothing(services: Services, as_bob: TestClient, repo: Repo) -> None:
    line = b'{"key":"header","value":{"summary":"x"}}\n{"key":"deletedFile","value":{"path":"none"}}'
    refused = as_bob.post("/api/models/ada/penguins/commit/main?create_pr=1", content=line)
    assert (refused.status_code, refused.headers["x-error-code"]) == (404, "EntryNotFound")
    assert as_bob.get(f"{REST}/discussions").json()["total"] == 0
    assert as_bob.get("/api/models/ada/penguins/refs?include_prs=1").json()["pullRequests"] == []


def test_what_another_repo_holds_is_not_to_be_had_by_its_name(
    services: Services, ada: Actor, as_bob: TestClient, repo: Repo
) -> None:
    secret = b"\0secret weights" * 1000
    private = hub.create_repo(services.database, services.blobs, ada, RepoKind.MODEL, "ada/secret")
    hub.commit(services.database, services.blobs, ada, private, [hub.AddBytes("w.bin", secret)], "Secret")
    digest = hashlib.sha256(secret).hexdigest()
    value = {"path": "w.bin", "algo": "sha256", "oid": digest, "size": len(secret)}
    lines = [
        {"key": "header", "value": {"summary": "x", "description": ""}},
        {"key": "lfsFile", "value": value},
    ]
    body = "\n".join(json.dumps(line) for line in lines)
    for target in ("main?create_pr=1", "None?create_pr=1"):
        refused = as_bob.post(f"/api/models/ada/penguins/commit/{target}", content=body)
        assert (refused.status_code, refused.headers["x-error-code"]) == (400, "BlobNotUploaded")
    lfs = {"operation": "upload", "objects": [{"oid": digest, "size": len(secret)}]}
    asked = as_bob.post("/ada/penguins.git/info/lfs/objects/batch", json=lfs).json()["objects"][0]
    assert "upload" in asked["actions"], "it is asked for as if it were nowhere"
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(secret)}\n".encode()
    with pytest.raises(PointerToNothing):
        bob = accounts_actor(services, as_bob)
        proposes(services, bob, hub.AddBytes("w.bin", pointer))


def accounts_actor(services: Services, client: TestClient) -> Actor:
    with services.database.read() as read:
        return accounts.authenticate(read, client.headers["authorization"].removeprefix("Bearer "))
