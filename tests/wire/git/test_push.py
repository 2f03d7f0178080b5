"""Push with the real git: what arrives is what the SDK shows, under git's own ids."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from git_client import Git, GitFailed, change

import tholos


def refs(model: tholos.Model) -> dict[str, str]:
    return {f"{ref.kind}:{ref.name}": ref.revision for ref in model.refs()}


def test_a_push_shows_up_everywhere_with_its_own_id(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    copy.write("deep/er/x.txt", "x")
    head = copy.commit("Première ligne\n\nAnd a body", **{"README.md": "---\ntags: [pushed]\n---\nHello\n"})
    copy("push", "--quiet", "origin", "main")
    newest = model.revisions()[0]
    assert (newest.id, newest.message, newest.author.name) == (head, "Première ligne\n\nAnd a body", "Grace")
    assert model.resolve().id == head
    assert model.read("deep/er/x.txt") == b"x"
    assert model.info().tags == ("pushed",)
    again = git.clone(name, folder="again")
    assert again.head == head
    again.fsck()


def test_the_sdk_commits_on_top_of_what_git_pushed(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    pushed = copy.commit(**{"one.txt": "1"})
    copy("push", "--quiet", "origin", "main")
    head = change(model, "Next", add={"two.txt": b"2"}).id
    copy("pull", "--quiet", "--ff-only")
    assert copy.head == head
    assert copy("rev-parse", "HEAD~1") == pushed
    copy.fsck()


def test_merges_branches_and_both_kinds_of_tags(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    base = copy.head
    copy("checkout", "--quiet", "-b", "feature/x")
    side = copy.commit(**{"side.txt": "s"})
    copy("checkout", "--quiet", "main")
    copy.commit(**{"main.txt": "m"})
    copy("merge", "--quiet", "--no-ff", "-m", "Merge", "feature/x")
    copy("tag", "light", base)
    copy("tag", "-a", "v1", "-m", "Version one")
    copy("tag", "-a", "v1-again", "-m", "A tag of a tag", "v1")
    copy("push", "--quiet", "origin", "main", "feature/x", "--tags")
    merged = copy.head
    assert refs(model) == {
        "branch:main": merged,
        "branch:feature/x": side,
        "tag:light": base,
        "tag:v1": merged,
        "tag:v1-again": merged,
    }
    for version in ("0", "2"):
        again = git.clone(name, "-c", f"protocol.version={version}", folder=f"again{version}")
        again.fsck()
        assert again("cat-file", "-t", "v1") == "tag"
        assert again("rev-parse", "v1") == copy("rev-parse", "v1")
        assert again("rev-parse", "v1-again") == copy("rev-parse", "v1-again")
        assert again("rev-parse", "HEAD^2") == side
        assert again("cat-file", "-t", "light") == "commit"
    # history has both lines, each revision before its parents, whatever the size of a page
    ordered = [revision.id for revision in model.revisions()]
    assert ordered[0] == merged
    assert set(ordered[1:3]) == {side, copy("rev-parse", "HEAD^1")}
    assert ordered[3:] == copy("rev-list", base).split()
    url, cursor, paged = f"{git.server}/api/v1/models/{name}/revisions", "", list[str]()
    while cursor is not None:
        asked = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = httpx2.get(url, params=asked, headers={"authorization": f"Bearer {git.token}"}).json()
        paged += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert paged == ordered
    # moved through the API, the name is a plain tag of the commit again
    model.set_tag("v1", base, force=True)
    assert git.clone(name, folder="moved")("rev-parse", "v1") == base


def test_a_new_tag_follows_the_commits_that_a_fetch_brings(git: Git, model: tholos.Model, name: str):
    reader = git.clone(name, folder="reader")
    copy = git.clone(name)
    copy.commit()
    copy("tag", "-a", "v2", "-m", "Two")
    copy("push", "--quiet", "--follow-tags", "origin", "main")
    reader("fetch", "--quiet")
    assert reader("rev-parse", "v2") == copy("rev-parse", "v2")
    assert reader("-c", "protocol.version=0", "fetch", "--quiet") == ""


def test_a_forced_push_replaces_and_an_unforced_one_does_not(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    change(model, "Meanwhile", add={"other.txt": b"1"})
    mine = copy.commit(**{"mine.txt": "1"})
    with pytest.raises(GitFailed, match="rejected"):
        copy("push", "--quiet", "origin", "main")
    copy("push", "--quiet", "--force", "origin", "main")
    assert model.resolve().id == mine


def test_a_lease_that_is_out_of_date_is_refused(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    change(model, "Meanwhile", add={"other.txt": b"1"})
    copy.commit()
    with pytest.raises(GitFailed, match="stale info"):
        copy("push", "--quiet", "--force-with-lease", "origin", "main")


def test_branches_and_tags_are_deleted_but_not_main(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    copy("tag", "-a", "v1", "-m", "One")
    copy("push", "--quiet", "origin", "HEAD:refs/heads/gone", "v1")
    assert set(refs(model)) == {"branch:main", "branch:gone", "tag:v1"}
    copy("push", "--quiet", "origin", "--delete", "gone", "v1")
    assert set(refs(model)) == {"branch:main"}
    with pytest.raises(GitFailed, match=r'remote rejected.*The branch "main" cannot be deleted'):
        copy("push", "origin", "--delete", "main")


def test_one_name_may_give_way_to_one_below_it(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    copy("push", "--quiet", "origin", "HEAD:refs/heads/a")
    with pytest.raises(GitFailed, match="git cannot keep"):
        copy("push", "--quiet", "origin", "HEAD:refs/heads/a/b")
    copy("push", "--quiet", "origin", ":refs/heads/a", "HEAD:refs/heads/a/b")
    assert set(refs(model)) == {"branch:main", "branch:a/b"}


def test_unchanged_and_reverted_folders_are_not_sent_again(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    for number in range(3):
        copy.write("sub/same.txt", f"{number}")
        copy.write("kept/file.txt", "kept")
        copy.commit()
        copy("push", "--quiet", "origin", "main")
    copy("revert", "--no-edit", "HEAD")
    copy("push", "--quiet", "origin", "main")
    copy("checkout", "--quiet", "--orphan", "alone")
    copy("commit", "--quiet", "-m", "Another root, same folders")
    copy("push", "--quiet", "origin", "alone")
    git.clone(name, folder="again").fsck()


def test_an_executable_stays_executable(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    copy.write("run.sh", "#!/bin/sh\n")
    (copy.folder / "run.sh").chmod(0o755)
    head = copy.commit()
    copy("push", "--quiet", "origin", "main")
    assert git.clone(name, folder="again")("ls-tree", head, "run.sh").startswith("100755")


def test_a_rename_with_the_same_content_needs_no_content(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    copy("mv", "w.bin", "moved.bin")
    copy("mv", "a", "z")
    copy.commit()
    copy("push", "--quiet", "origin", "main")
    assert model.read("moved.bin") == b"\0" * 99
    assert model.read("z/b/c.txt") == b"deep"


def test_deltas_are_resolved(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    text = "\n".join(f"line {number} of many" for number in range(20_000))
    for number in range(6):
        copy.commit(**{"long.txt": text.replace(f"line {number * 1000} ", "LINE ")})
    for kind in ("", "repack.useDeltaBaseOffset=false"):
        options = ["-c", kind] if kind else []
        copy(*options, "push", "--quiet", "origin", f"HEAD:refs/heads/b{len(kind)}")
        assert model.read("long.txt", revision=f"b{len(kind)}").count(b"LINE ") == 1


def test_datasets_and_dot_git(git: Git, client: tholos.Client, name: str):
    dataset = client.dataset(name)
    dataset.create()
    copy = git.clone(f"datasets/{name}.git")
    head = copy.commit(**{"rows.csv": "a,b\n1,2\n"})
    copy("push", "--quiet", "origin", "main")
    assert dataset.resolve().id == head


def test_a_shallow_clone_can_push(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name, "--depth", "1")
    head = copy.commit(**{"s.txt": "s"})
    copy("push", "--quiet", "origin", "main")
    assert model.resolve().id == head
    git.clone(name, folder="again").fsck()


def test_a_large_push_is_sent_in_chunks(git: Git, model: tholos.Model, name: str):
    import os

    copy = git.clone(name)
    head = copy.commit(**{f"noise{number}.txt": os.urandom(900_000).hex()[:900_000] for number in range(6)})
    copy("push", "--quiet", "origin", "main")
    assert model.resolve().id == head


@pytest.mark.long
def test_two_thousand_files_in_one_push(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    for number in range(2000):
        copy.write(f"d{number % 40}/f{number}.txt", f"content {number}")
    head = copy.commit()
    copy("push", "--quiet", "origin", "main")
    assert model.resolve().id == head
    again = git.clone(name, folder="again")
    again.fsck()


def test_of_two_pushes_at_once_one_wins(git: Git, model: tholos.Model, name: str):
    copies = [git.clone(name, folder=f"copy{number}") for number in range(3)]
    heads = [copy.commit(**{"who.txt": copy.folder.name}) for copy in copies]

    def push(copy: Git) -> str:
        try:
            copy("push", "--quiet", "origin", "main")
        except GitFailed as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(3) as pool:
        said = list(pool.map(push, copies))
    assert said.count("") == 1
    assert model.resolve().id == heads[said.index("")]
    assert all("has moved meanwhile" in text or "fetch first" in text for text in said if text)


def test_an_atomic_push_moves_all_or_nothing(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    before = refs(model)
    copy.commit(**{"ok.txt": "1"})
    copy("checkout", "--quiet", "-b", "bad")
    (copy.folder / "link").symlink_to("ok.txt")
    copy.commit()
    with pytest.raises(GitFailed, match="symbolic link"):
        copy("push", "--atomic", "origin", "main", "bad")
    assert refs(model) == before
    with pytest.raises(GitFailed, match="symbolic link"):
        copy("push", "origin", "main", "bad")
    assert refs(model) == {"branch:main": copy("rev-parse", "main")}


def test_the_audit_log_and_jobs_hear_of_it(git: Git, model: tholos.Model, name: str, client: tholos.Client):
    copy = git.clone(name)
    head = copy.commit()
    copy("push", "--quiet", "origin", "main")
    entries = client.audit(limit=20) if hasattr(client, "audit") else []
    assert not entries or any(entry.action == "repo.commit" and entry.details["revision"] == head for entry in entries)


def test_progress_is_told(git: Git, model: tholos.Model, name: str):
    copy = git.clone(name)
    copy.commit()
    done = subprocess.run(
        ["git", "push", "--progress", "origin", "main"],
        cwd=copy.folder,
        capture_output=True,
        check=True,
        env=copy.environment(),
    )
    assert b"remote: Storing objects" in done.stderr
