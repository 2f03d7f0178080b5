"""What a repo does not take, pushed by the real git: refused in a sentence that names the path, and nothing moves."""

from __future__ import annotations

import hashlib

import pytest
from git_client import Git, GitFailed, change

import tholos
from tholos.hub.gitobjects import Pointer


@pytest.fixture
def copy(git: Git, model: tholos.Model, name: str) -> Git:
    return git.clone(name)


def refused(copy: Git, model: tholos.Model, sentence: str, *what: str) -> None:
    before = model.resolve().id
    with pytest.raises(GitFailed, match=sentence):
        copy("push", "origin", *(what or ("main",)))
    assert model.resolve().id == before


def tree(copy: Git, *entries: tuple[str, str, str]) -> str:
    """A tree object with exactly these entries, whatever git thinks of them: mode, name, id."""
    data = b"".join(mode.encode() + b" " + name.encode() + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
    return copy("hash-object", "-t", "tree", "-w", "--stdin", "--literally", data=data)


def commit_of(copy: Git, root: str, ref: str = "main") -> str:
    head = copy("commit-tree", "-m", "By hand", "-p", "HEAD", root)
    copy("update-ref", f"refs/heads/{ref}", head)
    return head


def blob(copy: Git, data: bytes = b"x") -> str:
    return copy("hash-object", "-w", "--stdin", data=data)


def test_symbolic_links(copy: Git, model: tholos.Model):
    (copy.folder / "a" / "link").symlink_to("/etc/passwd")
    copy.commit()
    refused(copy, model, r'"a/link" is a symbolic link')


def test_submodules(copy: Git, model: tholos.Model):
    commit_of(copy, tree(copy, ("160000", "other", "1" * 40)))
    refused(copy, model, r'"other" is a submodule')


def test_modes_of_long_ago(copy: Git, model: tholos.Model):
    commit_of(copy, tree(copy, ("100664", "old", blob(copy))))
    refused(copy, model, r'"old" has the mode 100664')


def test_case_collisions(copy: Git, model: tholos.Model):
    oid = blob(copy)
    commit_of(copy, tree(copy, ("100644", "Data.csv", oid), ("100644", "data.csv", oid)))
    refused(copy, model, r'"data.csv" differs from "Data.csv" only in upper and lower case')


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("..", r"contains \"\.\.\""),
        (".git", r"belongs to git"),
        ("a\\b", "backslash"),
        ("x\u202etxt", "invisible or bidirectional"),
        ("cafe\u0301", "normal form"),
        ("GIT~1", "belongs to git"),
        (".gitmodules", "submodules"),
        ("n" * 300, "longer than 255 bytes"),
        ("a/b", "a name with a slash"),
    ],
)
def test_paths(copy: Git, model: tholos.Model, path: str, sentence: str):
    commit_of(copy, tree(copy, ("100644", path, blob(copy))))
    refused(copy, model, sentence)


def test_paths_that_are_too_long_or_too_deep_together(copy: Git, model: tholos.Model):
    inner = tree(copy, ("100644", "f" * 200, blob(copy)))
    for _ in range(5):
        inner = tree(copy, ("40000", "d" * 200, inner))
    commit_of(copy, inner)
    refused(copy, model, "longer than 1024 bytes")
    deep = tree(copy, ("100644", "f", blob(copy)))
    for _ in range(70):
        deep = tree(copy, ("40000", "d", deep))
    copy("reset", "--hard", "--quiet", "origin/main")
    commit_of(copy, deep)
    refused(copy, model, "64 folders")


def test_folders_that_unfold_without_end(copy: Git, model: tholos.Model):
    inner = tree(copy, *(("100644", f"f{number}", blob(copy)) for number in range(10)))
    for _ in range(9):
        inner = tree(copy, *(("40000", f"d{number}", inner) for number in range(10)))
    commit_of(copy, inner)
    refused(copy, model, "more than 1,000,000 files")


def test_folders_that_unfold_to_nothing_but_folders(copy: Git, model: tholos.Model):
    empty = tree(copy)
    commit_of(copy, tree(copy, ("40000", "d", empty)))
    refused(copy, model, '"d" is an empty folder')
    copy("reset", "--hard", "--quiet", "origin/main")
    inner = tree(copy, ("100644", "f", blob(copy)))
    for _ in range(19):
        inner = tree(copy, ("40000", "a", inner), ("40000", "b", inner))
    commit_of(copy, inner)  # 524,288 files, and twice as many folders
    refused(copy, model, "more than 1,000,000 files and folders")


def test_refs_that_share_a_bad_commit_and_one_that_does_not(copy: Git, model: tholos.Model):
    copy("branch", "good", copy.commit(**{"ok.txt": "1"}))
    bad = commit_of(copy, tree(copy, ("120000", "link", blob(copy))), "bad")
    above = copy("commit-tree", "-m", "Above", "-p", bad, f"{copy.head}^{{tree}}")
    copy("update-ref", "refs/heads/above", above)
    copy("update-ref", "refs/heads/side", copy("commit-tree", "-m", "Side", "-p", "good", "good^{tree}"))
    with pytest.raises(GitFailed) as failed:
        copy("push", "origin", "bad", "above", "good", "side")
    assert str(failed.value).count("[remote rejected]") == 2
    assert {ref.name for ref in model.refs()} == {"main", "good", "side"}


def test_folders_out_of_order_and_twice(copy: Git, model: tholos.Model):
    oid = blob(copy)
    commit_of(copy, tree(copy, ("100644", "b", oid), ("100644", "a", oid)))
    refused(copy, model, "not in git's order")
    copy("reset", "--hard", "--quiet", "origin/main")
    commit_of(copy, tree(copy, ("100644", "a", oid), ("100755", "a", oid)))
    refused(copy, model, "not well-formed")


def test_large_files_belong_in_lfs(copy: Git, model: tholos.Model):
    import os

    copy.write("big/model.txt", os.urandom(5_100_000).hex())
    copy.commit()
    copy("rm", "--quiet", "--cached", "big/model.txt")
    (copy.folder / "big/model.txt").unlink()
    copy.commit("Too late: history keeps it")
    refused(copy, model, r'"big/model.txt" has 10,200,000 bytes, too many for git itself')


def test_a_pointer_to_nothing(copy: Git, model: tholos.Model):
    copy.commit(**{"w2.bin": Pointer(hashlib.sha256(b"never sent").hexdigest(), 10).encode()})
    refused(copy, model, r'"w2.bin" is a Git LFS pointer to content that was not uploaded')


def test_a_pointer_with_the_wrong_size(copy: Git, model: tholos.Model):
    copy.commit(**{"w2.bin": Pointer(hashlib.sha256(b"\0" * 99).hexdigest(), 98).encode()})
    refused(copy, model, r'"w2.bin" is a Git LFS pointer to content that was not uploaded')


def test_a_pointer_that_is_oddly_written(copy: Git, model: tholos.Model):
    copy.commit(**{"w2.bin": Pointer(hashlib.sha256(b"\0" * 99).hexdigest(), 99).encode().removesuffix(b"\n")})
    refused(copy, model, r'"w2.bin" is a Git LFS pointer that is not written as git-lfs writes it')


def test_a_pointer_to_anothers_content(copy: Git, model: tholos.Model, client: tholos.Client, name: str):
    other = client.model(name + "x")
    other.create()
    change(other, "Secret", add={"s.bin": b"\0secret"})
    copy.commit(**{"w2.bin": Pointer(hashlib.sha256(b"\0secret").hexdigest(), 7).encode()})
    refused(copy, model, "pointer to content that was not uploaded to this repo")


def test_bad_commits(copy: Git, model: tholos.Model):
    root = copy("rev-parse", "HEAD^{tree}")
    parent = copy.head
    good = "Grace <g@example.org> 1700000000 +0000"
    for author, committer in (
        ("Grace g@example.org 1700000000 +0000", good),
        ("Grace <g@example.org> 01700000000 +0000", good),
        (good, "Grace <g@example.org> yesterday +0000"),
        (good, "Grace <g@example.org> 1700000000 UTC"),
        (good, "Grace <g@example.org> 99999999999999 +0000"),
    ):
        data = f"tree {root}\nparent {parent}\nauthor {author}\ncommitter {committer}\n\nBad\n".encode()
        oid = copy("hash-object", "-t", "commit", "-w", "--stdin", "--literally", data=data)
        copy("update-ref", "refs/heads/main", oid)
        refused(copy, model, "is not well-formed|date that does not exist")


def test_tags_of_folders_and_bad_names(copy: Git, model: tholos.Model):
    copy("tag", "-a", "folder", "-m", "x", "HEAD^{tree}")
    refused(copy, model, "points at a tree", "folder")
    copy("tag", "plain-folder", "HEAD^{tree}")
    refused(copy, model, "should be a commit|lacks", "plain-folder")
    refused(copy, model, "neither a branch nor a tag", "HEAD:refs/notes/x")
    refused(copy, model, "looks like the id of a commit", f"HEAD:refs/heads/{'a' * 40}")
    first = copy("rev-parse", "HEAD~1").strip()
    refused(copy, model, "begins so", f"HEAD:refs/heads/{first[:7]}")
    refused(copy, model, "begins so", f"HEAD:refs/tags/{first[:12]}")
    copy("push", "origin", f"{first}:refs/tags/{first[:7]}")
    copy("tag", "-a", "v1", "-m", "x")
    refused(copy, model, "A branch cannot point at an annotated tag|trying to write non-commit", "v1:refs/heads/v1")


def test_attributes_that_cannot_be_read(copy: Git, model: tholos.Model):
    copy.commit(**{".gitattributes": "x" * 3000 + "\n"})
    refused(copy, model, "The file .gitattributes has more than")


def test_a_repo_that_is_not_there_is_not_made_by_pushing(copy: Git):
    with pytest.raises(GitFailed, match="There is no model"):
        copy("push", copy.address("admin/never-made"), "main")
