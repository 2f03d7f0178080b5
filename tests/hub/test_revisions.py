from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.hub import errors
from tholos.hub import service as hub
from tholos.hub.models import Repo, Revision
from tholos.hub.operations import AddBytes
from tholos.kit.services import Services

Commit = Callable[..., Revision]
REPO = "/api/v1/models/ada/penguins"


@pytest.fixture
def set_ref(services: Services, ada: Actor, repo: Repo) -> Callable[..., hub.NamedRef]:
    def run(kind: str, name: str, rev: str, **options) -> hub.NamedRef:
        return hub.set_ref(
            services.database, services.blobs, ada, repo.kind, repo.full_name,
            ref_kind=kind, ref_name=name, rev=rev, **options,
        )  # fmt: skip

    return run


def resolve(services: Services, ada: Actor, rev: str) -> str:
    with services.database.read() as read:
        return hub.resolve(read, ada, hub.RepoKind.MODEL, "ada/penguins", rev)[1].commit_id


def test_a_revision_has_many_names(services: Services, ada: Actor, commit: Commit, set_ref):
    landed = commit(AddBytes("a", b"1")).commit_id
    set_ref("branch", "dev/x", "main")
    set_ref("tag", "v1.0", landed[:8])
    for rev in ("main", "dev/x", "v1.0", "refs/heads/main", "refs/tags/v1.0", landed, landed[:7], landed[:39]):
        assert resolve(services, ada, rev) == landed
    commit(AddBytes("a", b"2"))
    assert resolve(services, ada, "v1.0") == resolve(services, ada, "dev/x") == landed != resolve(services, ada, "main")


NO_REVISIONS = [
    "",
    "nope",
    "0" * 40,
    "0" * 7,
    "abcdef",
    "HEAD~1",
    "main ",
    "a\0b",
    "refs/heads/nope",
    "x" * 400,
    "%",
    "é",
]


def test_what_names_no_revision(services: Services, ada: Actor, repo: Repo, subtests: pytest.Subtests):
    for rev in NO_REVISIONS:
        with subtests.test(case=ascii(rev)[:80]):
            with pytest.raises(errors.RevisionNotFound) as caught:
                resolve(services, ada, rev)
            assert caught.value.next


def _revision(repo: Repo, commit_id: str) -> Revision:
    return Revision(
        repo_id=repo.id,
        commit_id=commit_id,
        tree_id="0" * 40,
        parent_id=None,
        parents=[],
        author="x",
        message="x",
        raw=b"",
        job_id=None,
        created_at=repo.created_at,
    )


def test_an_abbreviation_must_be_unique(services: Services, ada: Actor, repo: Repo):
    with services.database.write() as write:
        for end in ("1", "2"):
            write.add(_revision(repo, "abcdef0" + end * 33))
    with pytest.raises(errors.AmbiguousRevision):
        resolve(services, ada, "abcdef0")
    assert resolve(services, ada, "abcdef02").startswith("abcdef02")


def test_no_ref_passes_for_a_commit(services: Services, ada: Actor, commit: Commit, set_ref, repo: Repo):
    first, second = (commit(AddBytes("a", data)).commit_id for data in (b"1", b"2"))
    for kind in ("branch", "tag"):
        for name in (first[:7], first[:39]):
            with pytest.raises(errors.InvalidRefName, match="begins so"):
                set_ref(kind, name, second)
    assert resolve(services, ada, first[:7]) == first
    set_ref("tag", first[:7], first)  # it leads where one would expect
    assert resolve(services, ada, first[:7]) == first
    with pytest.raises(errors.InvalidRefName):
        set_ref("tag", first[:7], second, force=True)
    set_ref("branch", first[:6], second)  # too short to be an abbreviation
    assert resolve(services, ada, first[:6]) == second


def test_a_ref_that_a_later_commit_begins_like_stays_what_it_was(
    services: Services, ada: Actor, repo: Repo, commit: Commit, set_ref, as_ada: TestClient
):
    """Whoever proposes a commit can choose how its id begins: that must not take a branch away from its users."""
    landed = commit(AddBytes("a", b"1")).commit_id
    set_ref("branch", "abcdef0", landed)
    later = "abcdef0" + "1" * 33
    with services.database.write() as write:
        write.add(_revision(repo, later))
    assert resolve(services, ada, "abcdef0") == resolve(services, ada, "refs/heads/abcdef0") == landed
    assert resolve(services, ada, later) == resolve(services, ada, later[:8]) == later
    assert as_ada.get("/api/models/ada/penguins/revision/abcdef0").json()["sha"] == landed


FORBIDDEN_REFS = [
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    ".a",
    "a/.b",
    "a.lock",
    "a.",
    "a..b",
    "a b",
    "a~b",
    "a^",
    "a:b",
    "a?",
    "a*",
    "a[b",
    "a\\b",
    "@",
    "a@{b",
    "HEAD",
    "-a",
    "refs/heads/a",
    "0" * 40,
    "A" * 40,
    "x" * 201,
    "a\nb",
    "a\0b",
    "a\u202eb",
    "e\u0301",
    "\ud800",
]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_names_that_git_or_sense_forbid(set_ref, subtests: pytest.Subtests):
    for name in FORBIDDEN_REFS:
        with subtests.test(case=ascii(name)[:80]):
            for kind in ("branch", "tag"):
                with pytest.raises(errors.InvalidRefName) as caught:
                    set_ref(kind, name, "main")
                caught.value.message.encode()


def test_a_ref_moves_only_by_force(commit: Commit, set_ref, services: Services, ada: Actor):
    first = commit(AddBytes("a", b"1")).commit_id
    assert set_ref("tag", "v1", "main").created
    second = commit(AddBytes("a", b"2")).commit_id
    assert not set_ref("tag", "v1", first).created
    with pytest.raises(errors.RefExists) as caught:
        set_ref("tag", "v1", "main")
    assert caught.value.details["revision"] == first
    set_ref("tag", "v1", "main", force=True)
    assert resolve(services, ada, "v1") == second


def test_refs_that_git_could_not_keep_beside_each_other(set_ref):
    set_ref("branch", "dev", "main")
    with pytest.raises(errors.RefExists):
        set_ref("branch", "dev/x", "main")
    set_ref("tag", "dev/x", "main")
    with pytest.raises(errors.RefExists):
        set_ref("tag", "dev", "main")


def test_main_stays_and_others_go(services: Services, ada: Actor, repo: Repo, set_ref):
    def delete(kind: str, name: str) -> None:
        with services.database.write() as write:
            hub.delete_ref(write, ada, repo.kind, repo.full_name, ref_kind=kind, ref_name=name)

    set_ref("branch", "dev", "main")
    with pytest.raises(errors.RefProtected):
        delete("branch", "main")
    delete("branch", "dev")
    for name in ("dev", "a\0b"):
        with pytest.raises(errors.RevisionNotFound):
            delete("branch", name)


def test_history_is_paged_along_first_parents(services: Services, ada: Actor, repo: Repo, commit: Commit):
    landed = [commit(AddBytes("a", str(number).encode()), message=f"Change {number}") for number in range(5)]
    seen: list[str] = []
    cursor = None
    with services.database.read() as read:
        for _ in range(3):
            _, found = hub.list_revisions(read, ada, repo.kind, repo.full_name, "main", cursor=cursor, limit=2)
            seen += [revision.message for revision in found.items]
            cursor = found.next_cursor
        assert cursor is None
        assert seen == [f"Change {number}" for number in range(4, -1, -1)] + ["Initial commit"]
        earlier = hub.list_revisions(read, ada, repo.kind, repo.full_name, landed[1].commit_id, cursor=None, limit=50)[
            1
        ].items
    assert [revision.message for revision in earlier] == ["Change 1", "Change 0", "Initial commit"]


def test_trees_are_listed_flat_deep_and_in_pages(services: Services, ada: Actor, repo: Repo, commit: Commit):
    paths = ["a.txt", "a/1", "a/2/x", "a/2/y", "a0", "b/c/d/e", "z"]
    commit(*[AddBytes(path, path.encode()) for path in paths])
    with services.database.read() as read:
        flat = [item.path for item in hub.tree(read, repo, "main")]
        inside = [item.path for item in hub.tree(read, repo, "main", "a", recursive=True)]
        everything = [item.path for item in hub.tree(read, repo, "main", recursive=True)]
        assert flat == [".gitattributes", "a.txt", "a", "a0", "b", "z"]
        assert inside == ["a/1", "a/2", "a/2/x", "a/2/y"]
        assert everything == [
            ".gitattributes", "a.txt", "a", "a/1", "a/2", "a/2/x", "a/2/y", "a0", "b", "b/c", "b/c/d", "b/c/d/e", "z"
        ]  # fmt: skip
        for limit in range(1, 15):
            for folder, expected in (("", everything), ("a", inside)):
                seen: list[str] = []
                cursor = None
                while True:
                    _, page = hub.tree_page(
                        read,
                        ada,
                        repo.kind,
                        repo.full_name,
                        "main",
                        path=folder,
                        recursive=True,
                        cursor=cursor,
                        limit=limit,
                    )
                    seen += [item.path for item in page.items]
                    cursor = page.next_cursor
                    if cursor is None:
                        break
                assert seen == expected


def test_pages_of_a_tree_agree_while_the_branch_moves(as_ada: TestClient, commit: Commit):
    first = commit(*[AddBytes(f"{number}", b"x") for number in range(5)])
    page = as_ada.get(f"{REPO}/tree/main?limit=3").json()
    commit(*[AddBytes(f"new{number}", b"x") for number in range(5)])
    rest = as_ada.get(f"{REPO}/tree/main", params={"limit": 100, "cursor": page["next_cursor"]}).json()
    assert page["revision"] == rest["revision"] == first.commit_id
    assert [item["path"] for item in page["items"] + rest["items"]] == [".gitattributes", "0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("path", "code"), [("missing", "entry_not_found"), ("a.txt", "entry_not_found"), ("../x", "invalid_path")]
)
def test_folders_that_are_none(as_ada: TestClient, commit: Commit, path: str, code: str):
    commit(AddBytes("a.txt", b"x"))
    assert as_ada.get(f"{REPO}/tree/main", params={"path": path}).json()["error"]["code"] == code


def test_revisions_and_refs_over_http(as_ada: TestClient, commit: Commit):
    landed = commit(AddBytes("a", b"1"), message="Add a").commit_id
    made = as_ada.put(f"{REPO}/branches/dev%2Fx", json={"revision": "main"})
    assert (made.status_code, made.json()) == (201, {"kind": "branch", "name": "dev/x", "revision": landed})
    assert as_ada.put(f"{REPO}/branches/dev%2Fx", json={"revision": landed}).status_code == 200
    assert as_ada.put(f"{REPO}/tags/v1", json={"revision": "dev/x"}).status_code == 201
    refs = as_ada.get(f"{REPO}/refs").json()
    assert {ref["name"] for ref in refs["branches"]} == {"main", "dev/x"}
    assert [ref["name"] for ref in refs["tags"]] == ["v1"]
    revision = as_ada.get(f"{REPO}/revisions/dev%2Fx").json()
    assert (revision["id"], revision["message"], revision["author"]) == (landed, "Add a", {"name": "ada"})
    assert revision["created_at"].endswith("Z")
    assert as_ada.get(f"{REPO}/revisions?ref=v1").json()["items"][0]["id"] == landed
    assert as_ada.delete(f"{REPO}/branches/dev%2Fx").status_code == 204
    assert as_ada.delete(f"{REPO}/tags/v1").status_code == 204
    assert as_ada.delete(f"{REPO}/branches/main").json()["error"]["code"] == "ref_protected"
