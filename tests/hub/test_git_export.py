"""A repo's objects, written into a real git repository as they are, satisfy git in every respect."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.gitobjects import EMPTY_TREE_ID, Pointer, parse_tree
from tholos.hub.models import GitBlob, GitTree, Repo, Revision
from tholos.hub.operations import AddBytes, CommitLimits, Delete
from tholos.kit.services import Services

Commit = Callable[..., Revision]


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


def git(folder: Path, *arguments: str, data: bytes = b"", **environment: str) -> str:
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **environment}
    done = subprocess.run(["git", *arguments], cwd=folder, input=data, capture_output=True, check=True, env=clean)
    assert done.stderr == b""
    return done.stdout.decode().strip()


def export(services: Services, repo: Repo, folder: Path) -> Path:
    """Writes every object of the repo into a bare git repository, and its refs."""
    folder.mkdir()
    git(folder, "init", "--bare", "--quiet", "--initial-branch=main")
    with services.database.read() as read:
        for blob in read.query(GitBlob):
            content = (
                Pointer(blob.sha256, blob.size).encode() if blob.lfs else services.blobs.path(blob.sha256).read_bytes()
            )
            assert git(folder, "hash-object", "-w", "--stdin", "--no-filters", data=content) == blob.oid
        pending = [revision.tree_id for revision in read.query(Revision)]
        seen: set[str] = {EMPTY_TREE_ID}
        git(folder, "hash-object", "-t", "tree", "-w", "--stdin")
        while pending:
            oid = pending.pop()
            if oid not in seen:
                seen.add(oid)
                data = read.get_one(GitTree, oid).data
                assert git(folder, "hash-object", "-t", "tree", "-w", "--stdin", data=data) == oid
                pending += [entry.oid for entry in parse_tree(data) if entry.is_directory]
        for revision in read.query(Revision).order_by(Revision.created_at):
            assert git(folder, "hash-object", "-t", "commit", "-w", "--stdin", data=revision.raw) == revision.commit_id
        actor = Actor(repo.owner_id, repo.namespace)
        for ref in hub.list_refs(read, actor, repo.kind, repo.full_name):
            name = f"refs/{'heads' if ref.kind == 'branch' else 'tags'}/{ref.name}"
            git(folder, "update-ref", name, ref.commit_id)
    return folder


def test_an_exported_repo_is_clean_and_says_the_same(
    services: Services, repo: Repo, ada: Actor, commit: Commit, tmp_path: Path
):
    first = commit(
        AddBytes("README.md", b"---\nlicense: mit\n---\n# Hi\n"),
        AddBytes("weights.safetensors", b"\0" * 1000),
        AddBytes("data/数据.csv", b"a,b\n1,2\n"),
        AddBytes("data/empty", b""),
        AddBytes("a/b/c/d.txt", b"deep"),
        AddBytes("a.b", b"sorts before a/"),
        message="First\n\nWith a body, <angle> & ünïcode",
    )
    hub.set_ref(
        services.database,
        services.blobs,
        ada,
        repo.kind,
        repo.full_name,
        ref_kind="branch",
        ref_name="dev/x",
        rev="main",
    )
    hub.set_ref(
        services.database, services.blobs, ada, repo.kind, repo.full_name, ref_kind="tag", ref_name="v1", rev="main"
    )
    second = commit(AddBytes("data/数据.csv", b"a\n"), Delete("a"), message="Second", author="Ada <Lovelace>")
    commit(AddBytes("only-on-dev.txt", b"x"), branch="dev/x")
    commit(*[Delete(path) for path in ("README.md", "weights.safetensors", "data", "a.b", ".gitattributes")])
    folder = export(services, repo, tmp_path / "export")

    assert git(folder, "fsck", "--full", "--strict", "--no-dangling") == ""
    assert git(folder, "rev-parse", "dev/x^", "v1") == f"{first.commit_id}\n{first.commit_id}"
    assert (
        git(folder, "log", "--format=%an|%s", "main")
        == "ada|Change\nAda Lovelace|Second\nada|First\nada|Initial commit"
    )
    with services.database.read() as read:
        ours = {
            (entry.path, entry.git_oid)
            for entry in hub.tree(read, repo, second.commit_id, recursive=True)
            if entry.type == "file"
        }
    theirs = git(
        folder,
        "-c",
        "core.quotePath=false",
        "ls-tree",
        "-r",
        "-z",
        "--format=%(path)%x09%(objectname)",
        second.commit_id,
    )
    assert ours == {tuple(line.split("\t")) for line in theirs.split("\0") if line}
    assert git(folder, "show", f"{second.commit_id}:weights.safetensors").startswith("version https://git-lfs")


SEGMENT = st.sampled_from(["a", "b", "a.b", "a-b", "c", "é"])
PATH = st.lists(SEGMENT, min_size=1, max_size=3).map("/".join)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.lists(st.tuples(PATH, st.none() | st.binary(max_size=4)), min_size=1, max_size=5), min_size=1, max_size=4
    )
)
def test_any_history_of_edits_gives_gits_tree(
    services: Services, ada: Actor, tmp_path_factory: pytest.TempPathFactory, edits: list
):
    """The same edits through the hub and through git's index end in the same tree id."""
    folder = tmp_path_factory.mktemp("index")
    git(folder, "init", "--quiet")
    name = f"ada/{folder.name}-{os.urandom(4).hex()}"
    repo = hub.create_repo(services.database, services.blobs, ada, hub.RepoKind.MODEL, name)

    def commit(*operations: hub.Operation) -> Revision:
        return hub.commit(
            services.database, services.blobs, ada, repo, operations, "Edit", limits=CommitLimits(lfs_threshold_bytes=2)
        )

    commit(Delete(".gitattributes"))
    present: dict[str, bytes] = {}
    for batch in edits:
        puts = {path: data for path, data in batch if data is not None}
        removals = {path for path, data in batch if data is None and path in present}
        kept = {path: data for path, data in present.items() if path not in removals}
        wanted = {**kept, **puts}
        if any(other.startswith(path + "/") for path in wanted for other in wanted):
            continue  # a file where a folder is: refused, and tested elsewhere
        commit(*[Delete(path) for path in removals], *[AddBytes(path, data) for path, data in puts.items()])
        present = wanted
    with services.database.read() as read:
        found = hub.resolve(read, ada, repo.kind, repo.full_name)[1].tree_id
        entries = [entry for entry in hub.tree(read, repo, "main", recursive=True) if entry.type == "file"]
    assert {entry.path for entry in entries} == set(present)
    git(folder, "read-tree", "--empty")
    for entry in entries:
        git(folder, "update-index", "--add", "--info-only", "--cacheinfo", f"100644,{entry.git_oid},{entry.path}")
    assert git(folder, "write-tree", "--missing-ok") == found
