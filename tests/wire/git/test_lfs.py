"""Git LFS with the real git-lfs: content travels beside git, and both sides agree on what a pointer means."""

from __future__ import annotations

import hashlib
import os

import pytest
from git_client import Git, GitFailed

import tholos


@pytest.fixture
def lfs(git: Git, model: tholos.Model, name: str) -> Git:
    """A clone in which git-lfs is at work, its content fetched."""
    git("lfs", "install", "--skip-repo")
    copy = git.clone(name)
    copy("lfs", "install", "--local")
    return copy


def test_a_clone_gets_the_content_behind_pointers(lfs: Git):
    assert (lfs.folder / "w.bin").read_bytes() == b"\0" * 99
    assert "w.bin" in lfs("lfs", "ls-files")
    assert lfs("status", "--porcelain") == ""
    lfs("lfs", "fsck")


def test_pushed_content_is_what_everyone_downloads(lfs: Git, git: Git, model: tholos.Model, name: str):
    content = os.urandom(3_000_000)
    head = lfs.commit(**{"big.safetensors": content})
    lfs("push", "--quiet", "origin", "main")
    assert model.resolve().id == head
    assert model.read("big.safetensors") == content
    entry = next(entry for entry in model.files() if entry.path == "big.safetensors")
    assert lfs("cat-file", "-p", f"HEAD:{entry.path}").startswith("version https://git-lfs")
    assert (entry.sha256, entry.size) == (hashlib.sha256(content).hexdigest(), len(content))
    again = git.clone(name, folder="again")
    assert (again.folder / "big.safetensors").read_bytes() == content
    again.fsck()


def test_a_push_without_the_content_is_refused(lfs: Git, model: tholos.Model):
    lfs.commit(**{"big.bin": os.urandom(1000)})
    with pytest.raises(GitFailed, match="pointer to content that was not uploaded"):
        lfs("push", "--no-verify", "origin", "main")
    lfs("push", "--quiet", "origin", "main")
    assert len(model.read("big.bin")) == 1000


def test_datasets(git: Git, client: tholos.Client, name: str):
    dataset = client.dataset(name)
    dataset.create()
    git("lfs", "install", "--skip-repo")
    copy = git.clone(f"datasets/{name}.git")
    copy("lfs", "install", "--local")
    copy.commit(**{"rows.parquet": b"PAR1" + os.urandom(500)})
    copy("push", "--quiet", "origin", "main")
    assert dataset.read("rows.parquet").startswith(b"PAR1")
