"""Ids and bytes against the real git."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tholos.hub.gitobjects import (
    EMPTY_TREE_ID,
    Entry,
    MalformedObject,
    Pointer,
    Signature,
    blob_id,
    commit_id,
    encode_commit,
    encode_tree,
    is_commit_id,
    parse_pointer,
    parse_tree,
    tree_id,
)

SLOW_FIXTURE = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12
).filter(lambda name: name not in {".", ".."} and not name.lower().startswith(".git"))


class Git:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self("init", "--quiet", "--initial-branch=main")

    def __call__(self, *arguments: str, data: bytes = b"", **environment: str) -> bytes:
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1", **environment}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, input=data, capture_output=True, check=True, env=clean
        )
        return done.stdout.strip()


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Git:
    return Git(tmp_path_factory.mktemp("git"))


@SLOW_FIXTURE
@given(st.binary(max_size=3000))
def test_blob_ids_are_gits(git: Git, data: bytes):
    assert blob_id(data) == git("hash-object", "--stdin", "--no-filters", data=data).decode()


@SLOW_FIXTURE
@given(st.dictionaries(NAMES, st.sampled_from(["100644", "100755", "120000", "40000"]), max_size=12))
def test_trees_are_gits_in_id_and_bytes(git: Git, kinds: dict[str, str]):
    oid = {"40000": git("mktree", data=b"").decode()}
    blob = git("hash-object", "-w", "--stdin", data=b"content").decode()
    entries = [Entry(mode, name, oid.get(mode, blob)) for name, mode in kinds.items()]
    listing = b"".join(
        f"{entry.mode.zfill(6)} {'tree' if entry.is_directory else 'blob'} {entry.oid}\t{entry.name}\0".encode()
        for entry in entries
    )
    payload = encode_tree(entries)
    theirs = git("mktree", "-z", data=listing).decode()
    assert tree_id(payload) == theirs
    assert {entry.name: entry for entry in parse_tree(payload)} == {entry.name: entry for entry in entries}
    assert encode_tree(parse_tree(payload)) == payload


def test_directories_sort_as_if_they_ended_in_a_slash():
    blob = blob_id(b"")
    ordered = parse_tree(
        encode_tree(
            [
                Entry("100644", "a.txt", blob),
                Entry("40000", "a", EMPTY_TREE_ID),
                Entry("100644", "a-b", blob),
                Entry("100644", "a0", blob),
            ]
        )
    )
    assert [entry.name for entry in ordered] == ["a-b", "a.txt", "a", "a0"]


def test_the_empty_tree_has_gits_id():
    assert tree_id(encode_tree([])) == EMPTY_TREE_ID


def test_two_entries_of_one_name_are_refused():
    with pytest.raises(ValueError, match="one name"):
        encode_tree([Entry("100644", "a", EMPTY_TREE_ID), Entry("40000", "a", EMPTY_TREE_ID)])


@pytest.mark.parametrize(
    "payload", [b"1", b"100644 a", b"100644 a\0short", b"\xff a\0" + bytes(20), b"100644 \xff\0" + bytes(20)]
)
def test_malformed_trees_are_refused(payload: bytes):
    with pytest.raises(MalformedObject):
        parse_tree(payload)


PEOPLE = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


@SLOW_FIXTURE
@given(
    message=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), min_size=1, max_size=200),
    name=PEOPLE,
    seconds=st.integers(0, 4_000_000_000),
    parents=st.integers(0, 2),
)
def test_commits_are_gits(git: Git, message: str, name: str, seconds: int, parents: int):
    tree = git("mktree", data=b"").decode()
    when = datetime.fromtimestamp(seconds, UTC)
    people = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    date = {"GIT_AUTHOR_DATE": f"@{seconds} +0000", "GIT_COMMITTER_DATE": f"@{seconds} +0000"}
    older = [git("commit-tree", tree, "-m", f"{number}", **people, **date).decode() for number in range(parents)]
    author = Signature(name, "ada@users.tholos.invalid", when)
    ours = encode_commit(tree=tree, parents=older, author=author, message=message)
    stored = git("hash-object", "-t", "commit", "-w", "--stdin", data=ours).decode()  # git checks the format
    assert commit_id(ours) == stored
    signed = author.encode().decode()
    shown, address = signed.rsplit(" <", 1)[0], signed.rsplit(" <", 1)[1].split(">")[0]
    who = {
        "GIT_AUTHOR_NAME": shown,
        "GIT_AUTHOR_EMAIL": address,
        "GIT_COMMITTER_NAME": shown,
        "GIT_COMMITTER_EMAIL": address,
    }
    options = [word for parent in older for word in ("-p", parent)]
    closed = message if message.endswith("\n") else message + "\n"  # what `git commit` does before
    theirs = git("commit-tree", tree, *options, data=closed.encode(), **who, **date)
    assert theirs.decode() == commit_id(ours)


def test_a_commits_time_is_written_in_utc():
    when = datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=timezone(timedelta(hours=8)))
    assert Signature("Ada", "a@b", when).encode() == b"Ada <a@b> 1767294245 +0000"


@pytest.mark.parametrize("name", ["<script>", "a\nauthor b", "", " .,", "Zoë > Ada"])
def test_names_cannot_break_a_commit(git: Git, name: str):
    author = Signature(name, "x>\n<y", datetime(2026, 1, 1, tzinfo=UTC))
    raw = encode_commit(tree=git("mktree", data=b"").decode(), parents=[], author=author, message="m")
    assert git("hash-object", "-t", "commit", "--stdin", data=raw).decode() == commit_id(raw)
    assert raw.count(b"\n") == 5


def test_pointers_are_read_as_they_are_written():
    pointer = Pointer("a" * 64, 12345)
    text = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"
    assert pointer.encode() == text
    assert parse_pointer(text) == pointer
    assert parse_pointer(text.removesuffix(b"\n")) == pointer
    assert parse_pointer(text.replace(b"oid", b"ext-0-foo sha256:1\noid")) == pointer


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\n",
        Pointer("A" * 64, 1).encode(),
        Pointer("a" * 63, 1).encode(),
        Pointer("a" * 64, -1).encode(),
        Pointer("a" * 64, 1).encode() + b"more\n",
        b"x" * 2000,
    ],
)
def test_other_text_is_no_pointer(text: bytes):
    assert parse_pointer(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a" * 40, True), ("A" * 40, False), ("a" * 39, False), ("a" * 40 + "\n", False), ("g" * 40, False)],
)
def test_commit_ids_are_forty_lower_case_digits(text: str, expected: bool):
    assert is_commit_id(text) is expected
