"""Clone and fetch with the real git: the same objects, under the same ids, in every way git can ask for them."""

from __future__ import annotations

import time

import pytest
from git_client import Git, GitFailed, change

import tholos
from tholos.hub.gitobjects import Pointer

VERSIONS = pytest.mark.parametrize("version", ["0", "1", "2"])


@VERSIONS
def test_a_clone_has_the_same_head_and_git_finds_nothing_wrong(git: Git, model: tholos.Model, name: str, version: str):
    copy = git.clone(name, "-c", f"protocol.version={version}")
    assert copy.head == model.resolve().id
    copy.fsck()
    assert (copy.folder / "a/b/c.txt").read_text() == "deep"
    pointer = (copy.folder / "w.bin").read_text()
    assert pointer.startswith("version https://git-lfs.github.com/spec/v1\noid sha256:")
    assert copy("symbolic-ref", "HEAD") == "refs/heads/main"
    assert copy("status", "--porcelain") == ""


def test_the_address_may_end_in_git(git: Git, model: tholos.Model, name: str):
    assert git.clone(name + ".git").head == model.resolve().id


@VERSIONS
def test_fetch_brings_only_what_is_new(git: Git, model: tholos.Model, name: str, version: str):
    copy = git.clone(name)
    copy("config", "protocol.version", version)
    head = change(model, "More", add={"new.txt": b"new"}).id
    model.set_branch("side", head)
    copy("fetch", "--quiet")
    assert copy("rev-parse", "origin/main") == head
    assert copy("rev-parse", "origin/side") == head
    packed = copy("count-objects", "-v")
    copy.fsck()
    assert "count: 3" in packed  # a commit, its root folder, the new file
    copy("fetch", "--quiet")


@VERSIONS
def test_a_fetch_over_a_long_history_of_ones_own_finds_common_ground(
    git: Git, model: tholos.Model, name: str, version: str
):
    copy = git.clone(name)
    copy("config", "protocol.version", version)
    for number in range(70):
        copy.commit(f"Local {number}")
    head = change(model, "Remote", add={"remote.txt": b"x"}).id
    copy("fetch", "--quiet")
    assert copy("rev-parse", "origin/main") == head
    assert copy("merge-base", "HEAD", "origin/main") == copy("rev-parse", "origin/main~1")
    copy.fsck()


@VERSIONS
def test_shallow_clones_deepen(git: Git, model: tholos.Model, name: str, version: str):
    for number in range(5):
        change(model, f"Change {number}", add={"n.txt": str(number).encode()})
    copy = git.clone(name, "--depth", "2", "-c", f"protocol.version={version}")
    assert copy("rev-list", "--count", "HEAD") == "2"
    copy.fsck()
    head = change(model, "After", add={"after.txt": b"1"}).id
    copy("fetch", "--quiet")
    assert copy("rev-list", "--count", "origin/main") == "3"
    copy("fetch", "--quiet", "--deepen", "1")
    assert copy("rev-list", "--count", "origin/main") == "4"
    copy("fetch", "--quiet", "--depth", "1")
    assert copy("rev-list", "--count", "origin/main") == "1"
    copy("fetch", "--quiet", "--unshallow")
    assert copy("rev-list", "--count", "origin/main") == str(len(model.revisions()))
    assert copy("rev-parse", "origin/main") == head
    copy.fsck()
    assert copy("rev-parse", "--is-shallow-repository") == "false"


def test_a_partial_clone_fetches_files_when_they_are_needed(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name, "--filter=blob:none", "--no-checkout")
    missing = copy("rev-list", "--objects", "--all", "--missing=print")
    assert "?" in missing
    copy("checkout", "--quiet", "main")
    assert (copy.folder / "a/b/c.txt").read_text() == "deep"
    assert copy("status", "--porcelain") == ""


def test_a_partial_clone_by_size(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name, "--filter=blob:limit=10", "--no-checkout")
    missing = copy("rev-list", "--objects", "--all", "--missing=print").count("?")
    assert missing == 3  # README.md, .gitattributes, the pointer; "deep" is small enough


def test_other_filters_are_refused_in_a_sentence(git: Git, model: tholos.Model, name: str):
    with pytest.raises(GitFailed, match=r"The filter .*tree:0.* is not offered"):
        git.clone(name, "--filter=tree:0")


def test_one_branch_alone(git: Git, model: tholos.Model, name: str):
    first = model.revisions()[-1].id
    model.set_branch("old", first)
    copy = git.clone(name, "--single-branch", "--branch", "old")
    assert copy.head == first
    assert copy("rev-list", "--all", "--count") == "1"


def test_datasets_have_their_own_addresses(git: Git, client: tholos.Client, name: str):
    dataset = client.dataset(name)
    dataset.create()
    assert git.clone(f"datasets/{name}").head == dataset.resolve().id
    with pytest.raises(GitFailed):
        git.clone(name, folder="other")


def test_the_pointer_is_the_one_of_git_lfs(git: Git, model: tholos.Model, name: str):
    import hashlib

    copy = git.clone(name)
    expected = Pointer(hashlib.sha256(b"\0" * 99).hexdigest(), 99)
    assert (copy.folder / "w.bin").read_bytes() == expected.encode()
    assert copy("rev-parse", "HEAD:w.bin") == expected.oid


def test_two_thousand_files_clone_in_reasonable_time(git: Git, client: tholos.Client, name: str):
    model = client.model(name)
    model.create()
    change(model, "Many", add={f"d{n % 50}/f{n}.txt": f"content {n}".encode() for n in range(2000)})
    began = time.monotonic()
    copy = git.clone(name)
    elapsed = time.monotonic() - began
    assert copy("ls-files").count("\n") == 2000
    copy.fsck()
    assert elapsed < 15


# -- who may


def test_private_repos_ask_for_a_token(git: Git, model: tholos.Model, name: str):
    stranger = Git(git.folder, git.server, None)
    with pytest.raises(GitFailed, match="could not read Username"):
        stranger.clone(name)
    with pytest.raises(GitFailed, match="could not read Username"):
        stranger.clone("admin/there-is-no-such-repo")
    with pytest.raises(GitFailed, match="Authentication failed"):
        Git(git.folder, git.server, "tholos_wrong").clone(name)


def test_public_repos_are_cloned_by_anyone_and_pushed_by_nobody(git: Git, model: tholos.Model, name: str):
    model.update(visibility="public")
    copy = Git(git.folder, git.server, None).clone(name)
    assert copy.head == model.resolve().id
    copy.commit()
    with pytest.raises(GitFailed, match="could not read Username"):
        copy("push", "--quiet", "origin", "main")


def test_what_one_may_not_see_is_not_there(git: Git, model: tholos.Model, name: str, client: tholos.Client):
    token = client.users.create(f"u{name[-8:]}").secret
    bob = Git(git.folder, git.server, token)
    for address in (name, "admin/there-is-no-such-repo"):
        with pytest.raises(GitFailed, match=r"There is no model .* or you may not see it"):
            bob.clone(address)
    model.update(visibility="public")
    copy = bob.clone(name)
    copy.commit()
    with pytest.raises(GitFailed, match="You may not write"):
        copy("push", "--quiet", "origin", "main")


def test_a_token_works_as_bearer_and_as_user_name(git: Git, model: tholos.Model, name: str):
    stranger = Git(git.folder, git.server, None)
    assert stranger("-c", f"http.extraHeader=Authorization: Bearer {git.token}", "ls-remote", f"{git.server}/{name}")
    scheme, host = git.server.split("://")
    assert stranger("ls-remote", f"{scheme}://{git.token}:@{host}/{name}")
