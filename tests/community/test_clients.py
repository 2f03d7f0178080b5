"""The stock client of today, on discussions and pull requests: a real server, nothing patched."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub as hf
import pytest
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from tholos.hub.models import Repo

NAME = "ada/penguins"


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], hf.HfApi]]:
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "xet"))
    yield lambda token: hf.HfApi(endpoint=endpoint, token=token)
    hf.close_session()


def test_a_discussion_from_its_first_word_to_its_last(
    client: Callable[[str], hf.HfApi], repo: Repo, ada_token: str, bob_token: str
) -> None:
    ada, bob = client(ada_token), client(bob_token)
    opened = bob.create_discussion(NAME, "Which island?", description="Is it *Torgersen*? <script>alert(1)</script>")
    assert (opened.num, opened.status, opened.author, opened.is_pull_request) == (1, "open", "bob", False)
    assert opened.url.endswith("/ada/penguins/discussions/1")
    first = opened.events[0]
    assert isinstance(first, hf.DiscussionComment)
    assert "<em>Torgersen</em>" in first.rendered
    assert "<script" not in first.rendered
    said = ada.comment_discussion(NAME, 1, "Dream, I think.")
    edited = ada.edit_discussion_comment(NAME, 1, said.id, "Biscoe.")
    assert (edited.content, edited.edited, edited.number_of_edits) == ("Biscoe.", True, 1)
    assert edited.edit_history[0]["raw"] == "Dream, I think."
    assert edited.last_edited_by == "ada"
    with pytest.warns(UserWarning, match="irreversible"):
        hidden = ada.hide_discussion_comment(NAME, 1, said.id)
    assert hidden.hidden
    assert "Biscoe" not in hidden.content
    renamed = bob.rename_discussion(NAME, 1, "Which island is it?")
    assert (renamed.old_title, renamed.new_title) == ("Which island?", "Which island is it?")
    closed = ada.change_discussion_status(NAME, 1, "closed", comment="Answered.")
    assert closed.new_status == "closed"
    details = bob.get_discussion_details(NAME, 1)
    assert [event.type for event in details.events] == [
        "comment", "comment", "title-change", "comment", "status-change"
    ]  # fmt: skip
    with pytest.raises(HfHubHTTPError, match="closed"):
        bob.comment_discussion(NAME, 1, "But …")
    bob.create_discussion(NAME, "Another", pull_request=False)
    bob.create_pull_request(NAME, "A draft")
    found = list(ada.get_repo_discussions(NAME))
    assert [one.num for one in found] == [3, 2, 1]
    assert [one.num for one in ada.get_repo_discussions(NAME, discussion_type="pull_request")] == [3]
    assert [one.num for one in ada.get_repo_discussions(NAME, discussion_status="closed")] == [1]
    assert [one.num for one in ada.get_repo_discussions(NAME, author="ada")] == []
    assert found[0].repo_type == "model"


def test_a_list_of_more_than_a_page(client: Callable[[str], hf.HfApi], repo: Repo, ada_token: str) -> None:
    ada = client(ada_token)
    for number in range(103):
        hf.get_session().post(
            f"{ada.endpoint}/api/models/{NAME}/discussions",
            json={"title": f"t{number}", "description": "", "pullRequest": False},
            headers=ada._build_hf_headers(),
        ).raise_for_status()
    assert [one.num for one in ada.get_repo_discussions(NAME)] == list(range(103, 0, -1))


def test_a_stranger_proposes_and_the_owner_merges(
    client: Callable[[str], hf.HfApi], repo: Repo, ada_token: str, bob_token: str, tmp_path: Path
) -> None:
    ada, bob = client(ada_token), client(bob_token)
    weights = os.urandom(300_000)
    with pytest.raises(HfHubHTTPError, match="may not write"):
        bob.upload_file(path_or_fileobj=weights, path_in_repo="w.safetensors", repo_id=NAME)
    done = bob.create_commit(
        NAME,
        [
            hf.CommitOperationAdd("w.safetensors", weights),
            hf.CommitOperationAdd("a.txt", b"one\nTWO\nthree\n"),
            hf.CommitOperationDelete("data/w.bin"),
        ],
        commit_message="Add weights",
        commit_description="They are **small**.",
        create_pr=True,
    )
    assert done.pr_num == 1
    assert done.pr_revision == "refs/pr/1"
    assert done.pr_url == f"{bob.endpoint}/{NAME}/discussions/1"
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.bin").write_bytes(random.Random(1).randbytes(200_000))
    bob.upload_folder(repo_id=NAME, folder_path=tmp_path / "more", revision="refs/pr/1", commit_message="And more")
    details = ada.get_discussion_details(NAME, 1)
    assert (details.status, details.target_branch, details.conflicting_files) == ("draft", "refs/heads/main", [])
    assert [event.summary for event in details.events if event.type == "commit"] == ["Add weights", "And more"]
    assert details.diff is not None
    assert "-two\n+TWO\n" in details.diff
    assert "Binary files /dev/null and b/w.safetensors differ\n# from nothing to 300000 bytes" in details.diff
    refs = ada.list_repo_refs(NAME, include_pull_requests=True)
    assert refs.pull_requests is not None
    assert [(ref.name, ref.ref) for ref in refs.pull_requests] == [("1", "refs/pr/1")]
    assert ada.list_repo_refs(NAME).pull_requests is None
    fetched = hf.hf_hub_download(
        NAME, "w.safetensors", revision="refs/pr/1", endpoint=ada.endpoint, token=ada_token, cache_dir=tmp_path / "c"
    )
    assert Path(fetched).read_bytes() == weights
    assert ada.repo_info(NAME, revision="refs/pr/1").sha == refs.pull_requests[0].target_commit
    with pytest.raises(HfHubHTTPError, match="may not write"):
        bob.merge_pull_request(NAME, 1)
    assert not ada.file_exists(NAME, "w.safetensors")
    ada.change_discussion_status(NAME, 1, "open")
    ada.merge_pull_request(NAME, 1, comment="Thanks!")
    ada.merge_pull_request(NAME, 1)  # a client that lost the answer asks again
    merged = ada.get_discussion_details(NAME, 1)
    assert merged.status == "merged"
    assert merged.merge_commit_oid == ada.repo_info(NAME).sha
    assert merged.diff == details.diff
    assert ada.list_repo_commits(NAME)[0].title == "Add weights (#1)"
    assert sorted(ada.list_repo_files(NAME)) == [".gitattributes", "a.txt", "b.bin", "w.safetensors"]
    with pytest.raises(HfHubHTTPError, match="merged"):
        bob.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=NAME, revision="refs/pr/1")


def test_a_folder_becomes_a_pull_request(
    client: Callable[[str], hf.HfApi], repo: Repo, bob_token: str, tmp_path: Path
) -> None:
    bob = client(bob_token)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "x.bin").write_bytes(random.Random(2).randbytes(100_000))
    (tmp_path / "new" / "x.txt").write_text("text")
    done = bob.upload_folder(repo_id=NAME, folder_path=tmp_path / "new", create_pr=True)
    assert done.pr_revision == "refs/pr/1"
    assert set(bob.list_repo_files(NAME, revision="refs/pr/1")) >= {"x.bin", "x.txt"}
    assert not bob.file_exists(NAME, "x.txt")


def test_what_a_stranger_must_not_see_or_do(
    client: Callable[[str], hf.HfApi], repo: Repo, ada_token: str, bob_token: str
) -> None:
    ada, bob = client(ada_token), client(bob_token)
    ada.create_discussion(NAME, "Ours")
    ada.create_pull_request(NAME, "Ours, too")
    with pytest.raises(HfHubHTTPError, match="another's"):
        bob.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=NAME, revision="refs/pr/2")
    with pytest.raises(RevisionNotFoundError):
        bob.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=NAME, revision="refs/pr/99")
    with pytest.raises(HfHubHTTPError, match="not yours"):
        bob.rename_discussion(NAME, 1, "Mine")
    ada.update_repo_settings(NAME, private=True)
    for attempt in (
        lambda: bob.get_discussion_details(NAME, 1),
        lambda: bob.comment_discussion(NAME, 1, "hello"),
        lambda: bob.create_discussion(NAME, "hello"),
        lambda: list(bob.get_repo_discussions(NAME)),
        lambda: bob.create_commit(NAME, [hf.CommitOperationAdd("x", b"x")], commit_message="x", create_pr=True),
        lambda: bob.merge_pull_request(NAME, 2),
    ):
        with pytest.raises(RepositoryNotFoundError):
            attempt()


def test_git_fetches_a_pull_request_and_its_merge(
    client: Callable[[str], hf.HfApi], endpoint: str, repo: Repo, ada_token: str, bob_token: str, tmp_path: Path
) -> None:
    ada, bob = client(ada_token), client(bob_token)
    bob.create_commit(NAME, [hf.CommitOperationAdd("b.txt", b"b\n")], commit_message="Add b", create_pr=True)
    ada.upload_file(path_or_fileobj=b"c\n", path_in_repo="c.txt", repo_id=NAME)
    ada.merge_pull_request(NAME, 1)

    def git(*arguments: str) -> str:
        quiet = {"GIT_LFS_SKIP_SMUDGE": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
        done = subprocess.run(
            ["git", *arguments],
            cwd=tmp_path / "clone" if arguments[0] != "clone" else tmp_path,
            env={**os.environ, **quiet},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    git("clone", "-q", f"{endpoint}/{NAME}".replace("://", f"://x:{bob_token}@"), "clone")
    git("fetch", "-q", "origin", "refs/pr/1:pr")
    assert git("show", "pr:b.txt") == "b"
    assert git("rev-parse", "HEAD^2") == git("rev-parse", "pr")
    assert git("ls-tree", "--name-only", "HEAD").split() == [".gitattributes", "a.txt", "b.txt", "c.txt", "data"]
    assert "refs/pr/1" in git("ls-remote", "origin")
    git("fsck", "--full", "--strict")
    pushed = subprocess.run(
        ["git", "push", f"{endpoint}/{NAME}".replace("://", f"://x:{ada_token}@"), "HEAD:refs/pr/1"],
        cwd=tmp_path / "clone",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Pull request #1 of" in pushed.stderr
    assert "is merged" in pushed.stderr
