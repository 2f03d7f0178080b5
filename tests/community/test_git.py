"""`git push` to pull requests with the real git, by their author, by who may write the repo, and by others."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor
from tholos.community import service as community
from tholos.hub import service as hub
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind
from tholos.kit.services import Services

NAME = "ada/penguins"
REST = f"/api/v1/models/{NAME}"
Git = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def carl_token(services: Services, admin: Actor) -> str:
    """The token of a user who proposes nothing."""
    with services.database.write() as write:
        return accounts.create_user(write, admin, "carl")[1].secret


@pytest.fixture
def git(endpoint: str, tmp_path: Path, repo: Repo) -> Git:
    """Git in a clone of the repo; it may fail."""
    settings = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
    who = {
        "GIT_AUTHOR_NAME": "G",
        "GIT_AUTHOR_EMAIL": "g@x.y",
        "GIT_COMMITTER_NAME": "G",
        "GIT_COMMITTER_EMAIL": "g@x.y",
    }

    def run(*arguments: str, folder: Path = tmp_path / "clone") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **settings, **who}
        return subprocess.run(
            ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    assert run("clone", "-q", f"{endpoint}/{NAME}", "clone", folder=tmp_path).returncode == 0
    return run


@pytest.fixture
def push(git: Git, endpoint: str) -> Git:
    """Pushes as whom a token belongs to: `push(token, "HEAD:refs/pr/1")`."""

    def run(token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # without the hook of git-lfs, which would be refused before git itself
        return git(
            "push", "--no-verify", *arguments[:-1], f"{endpoint}/{NAME}".replace("://", f"://x:{token}@"), arguments[-1]
        )

    return run


@pytest.fixture
def change(git: Git, tmp_path: Path) -> Callable[[str, str], str]:
    """Commits a file on top of what is proposed, if there is something; returns the commit's id."""

    def run(path: str, content: str) -> str:
        if git("fetch", "-q", "origin", "refs/pr/1").returncode == 0:
            assert git("checkout", "-q", "FETCH_HEAD").returncode == 0
        (tmp_path / "clone" / path).write_text(content)
        assert git("add", path).returncode == 0
        assert git("commit", "-qm", f"Change {path}").returncode == 0
        return git("rev-parse", "HEAD").stdout.strip()

    return run


@pytest.fixture
def pull(services: Services, bob: Actor, repo: Repo) -> int:
    """Bob's pull request, without a commit."""
    opened = community.open_pull(services, bob, RepoKind.MODEL, NAME, title="Improve")
    return opened.view.discussion.number


def head(services: Services, repo: Repo, rev: str) -> str:
    with services.database.read() as read:
        return hub.revision_of(read, repo, rev).commit_id


def test_author_and_writers_push_to_a_pull_request_and_nobody_else(
    services: Services, repo: Repo, pull: int, push: Git, change: Callable[[str, str], str], as_ada: TestClient,
    ada: Actor, ada_token: str, bob_token: str, carl_token: str,
) -> None:  # fmt: skip
    main = head(services, repo, "main")
    first = change("b.txt", "bob's\n")
    done = push(bob_token, f"HEAD:refs/pr/{pull}")
    assert done.returncode == 0, done.stderr
    assert head(services, repo, "refs/pr/1") == first
    refused = push(carl_token, "HEAD:refs/pr/1")
    assert refused.returncode != 0
    second = change("c.txt", "ada's\n")
    assert push(ada_token, "HEAD:refs/pr/1").returncode == 0
    assert head(services, repo, "refs/pr/1") == second
    events = as_ada.get(f"{REST}/discussions/1/events").json()["items"]
    assert [event["commit"] for event in events if event["kind"] == "commit"] == [first, second]
    assert head(services, repo, "main") == main
    merged = as_ada.post(f"{REST}/discussions/1/merge", json={})
    assert merged.is_success, merged.text
    assert {"b.txt", "c.txt"} <= {item["path"] for item in as_ada.get(f"{REST}/tree/main").json()["items"]}
    change("d.txt", "late\n")
    late = push(bob_token, "HEAD:refs/pr/1")
    assert late.returncode != 0
    assert head(services, repo, "refs/pr/1") == second


def test_who_may_only_propose_moves_nothing_else(
    services: Services, repo: Repo, pull: int, push: Git, change: Callable[[str, str], str], ada: Actor,
    ada_token: str, bob_token: str,
) -> None:  # fmt: skip
    before, start = head(services, repo, "main"), head(services, repo, "refs/pr/1")
    opened = community.open_discussion(services.database, ada, RepoKind.MODEL, NAME, title="Only words", text="")
    assert opened.discussion.number == 2
    change("b.txt", "bob's\n")
    for target, said in {
        "refs/heads/main": "may not",
        "refs/heads/new": "may not",
        "refs/tags/v1": "may not",
        "refs/pr/2": "proposes no change",
        "refs/pr/3": "no discussion",
        "refs/pr/0": "no discussion",
        "refs/pr/01": "neither a branch nor a tag",
        "refs/pr/x": "neither a branch nor a tag",
    }.items():
        refused = push(bob_token, f"HEAD:{target}")
        assert refused.returncode != 0
        assert said in refused.stderr, (target, refused.stderr)
    for token in (ada_token, bob_token):
        assert "cannot be deleted" in push(token, ":refs/pr/1").stderr
    assert head(services, repo, "main") == before
    assert head(services, repo, "refs/pr/1") == start
    with services.database.read() as read:
        assert {ref.name for ref in hub.list_refs(read, ada, RepoKind.MODEL, NAME)} == {"main"}


def test_a_push_to_a_pull_request_is_checked_as_any_other(
    services: Services, repo: Repo, pull: int, push: Git, git: Git, change: Callable[[str, str], str], tmp_path: Path,
    bob_token: str,
) -> None:  # fmt: skip
    start = head(services, repo, "refs/pr/1")
    change("w.bin", f"version https://git-lfs.github.com/spec/v1\noid sha256:{'1' * 64}\nsize 5\n")
    assert "content that was not uploaded" in push(bob_token, "HEAD:refs/pr/1").stderr
    git("reset", "-q", "--hard", "HEAD~1")
    first = change("b.txt", "1\n")
    assert push(bob_token, "HEAD:refs/pr/1").returncode == 0
    git("reset", "-q", "--hard", start)
    (tmp_path / "clone" / "b.txt").write_text("2\n")
    git("add", ".")
    git("commit", "-qm", "Other")
    assert push(bob_token, "HEAD:refs/pr/1").returncode != 0  # git itself sees that this is no fast-forward
    assert head(services, repo, "refs/pr/1") == first
    assert push(bob_token, "--force", "HEAD:refs/pr/1").returncode == 0
    assert head(services, repo, "refs/pr/1") == git("rev-parse", "HEAD").stdout.strip()


def test_a_private_repo_stays_hidden(
    services: Services, as_ada: TestClient, pull: int, push: Git, change: Callable[[str, str], str], endpoint: str,
    bob_token: str, carl_token: str,
) -> None:  # fmt: skip
    change("b.txt", "1\n")
    as_ada.patch(REST, json={"visibility": "private"}).raise_for_status()
    assert push(bob_token, "HEAD:refs/pr/1").returncode != 0
    address = f"{endpoint}/{NAME}.git/info/refs?service=git-receive-pack"
    assert httpx2.get(address, auth=("x", bob_token)).status_code == 404
