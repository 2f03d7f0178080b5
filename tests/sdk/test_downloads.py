"""Downloads from servers that lie, break off and send too much."""

from __future__ import annotations

import hashlib
import os

import pytest

from tholos.sdk.errors import ServerUnreachable, TransferFailed
from tholos.sdk.local_files import PARTIAL_FOLDER

HEAD = "a" * 40
REPO = "/api/v1/models/a/m"
CONTENT = os.urandom(3 << 20)


def entry(path="model.bin", content=CONTENT, sha256=None, size=None):
    return {
        "path": path,
        "type": "file",
        "size": len(content) if size is None else size,
        "git_oid": "b" * 40,
        "sha256": hashlib.sha256(content).hexdigest() if sha256 is None else sha256,
        "lfs": True,
    }


@pytest.fixture
def repo(scripted, reply):
    """Gives the scripted server one revision with these entries."""

    def script(*entries):
        scripted.script[f"{REPO}/revisions/main"] = [reply(body={"id": HEAD})]
        scripted.script[f"{REPO}/tree/{HEAD}"] = [reply(body={"items": list(entries), "next_cursor": None})]
        return f"{REPO}/files/{HEAD}/"

    return script


def ranged(reply, content):
    """Serves a file, or the part that is asked for."""

    def answer(seen):
        start = int(seen.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        return reply(206 if start else 200, content[start:])

    return answer


def test_a_pull_writes_verified_files_and_cleans_up(scripted, scripted_client, repo, reply, tmp_path):
    files = repo(entry(), entry("deep/er/x.txt", b"text"), entry("empty", b""))
    scripted.script[f"{files}model.bin"] = ranged(reply, CONTENT)
    scripted.script[f"{files}deep/er/x.txt"] = [reply(body=b"text")]
    scripted.script[f"{files}empty"] = [reply(body=b"")]
    seen = []
    folder = scripted_client.model("a/m").pull(tmp_path / "out", progress=seen.append)
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert (folder / "deep/er/x.txt").read_bytes() == b"text"
    assert (folder / "empty").read_bytes() == b""
    assert not (folder / PARTIAL_FOLDER).exists()
    assert (seen[-1].files_done, seen[-1].bytes_done) == (3, len(CONTENT) + 4)


def test_a_second_pull_downloads_nothing(scripted, scripted_client, repo, reply, tmp_path):
    files = repo(entry())
    scripted.script[f"{files}model.bin"] = ranged(reply, CONTENT)
    model = scripted_client.model("a/m")
    model.pull(tmp_path)
    (tmp_path / "mine.txt").write_text("stays")
    model.pull(tmp_path)
    assert len([seen for seen in scripted.seen if "/files/" in seen.path]) == 1
    assert (tmp_path / "mine.txt").read_text() == "stays"


def test_a_changed_local_file_is_replaced(scripted, scripted_client, repo, reply, tmp_path):
    files = repo(entry())
    scripted.script[f"{files}model.bin"] = ranged(reply, CONTENT)
    (tmp_path / "model.bin").write_bytes(b"x" * len(CONTENT))
    scripted_client.model("a/m").pull(tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_a_download_that_breaks_off_goes_on_where_it_was(scripted, scripted_client, repo, reply, tmp_path):
    files = repo(entry())
    whole = ranged(reply, CONTENT)
    asked = []

    def breaks_once(seen):
        asked.append(seen.headers.get("Range"))
        return reply(200, CONTENT[: 2 << 20], length=len(CONTENT)) if len(asked) == 1 else whole(seen)

    scripted.script[f"{files}model.bin"] = breaks_once
    scripted_client.model("a/m").pull(tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert asked[0] is None
    assert asked[1] is not None


def test_what_broke_off_is_taken_up_by_a_later_pull(scripted, scripted_client, repo, reply, tmp_path):
    files = repo(entry())
    scripted.script[f"{files}model.bin"] = lambda seen: (
        reply(206, b"", length=9) if "Range" in seen.headers else reply(200, CONTENT[: 2 << 20], length=len(CONTENT))
    )
    with pytest.raises(ServerUnreachable):
        scripted_client.model("a/m").pull(tmp_path)
    assert not (tmp_path / "model.bin").exists()
    scripted.script[f"{files}model.bin"] = ranged(reply, CONTENT)
    scripted.seen.clear()
    scripted_client.model("a/m").pull(tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    [fetched] = [seen for seen in scripted.seen if "/files/" in seen.path]
    assert int(fetched.headers["Range"].removeprefix("bytes=").removesuffix("-")) > 0


def test_a_server_that_ignores_the_range_is_read_from_the_beginning(scripted, scripted_client, repo, reply, tmp_path):
    files = repo(entry())
    scripted.script[f"{files}model.bin"] = [
        reply(200, CONTENT[: 2 << 20], length=len(CONTENT)),
        reply(200, CONTENT),
    ]
    scripted_client.model("a/m").pull(tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "sent",
    [CONTENT[:-1] + b"?", CONTENT[:-5], CONTENT + b"more", b""],
    ids=["one byte wrong", "too short", "too long", "empty"],
)
def test_damaged_content_never_gets_the_files_name(scripted, scripted_client, repo, reply, tmp_path, sent):
    files = repo(entry())
    scripted.script[f"{files}model.bin"] = lambda seen: reply(
        206 if "Range" in seen.headers else 200,
        sent[int(seen.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-")) :],
    )
    (tmp_path / "model.bin").write_bytes(b"the old one")
    with pytest.raises(TransferFailed) as caught:
        scripted_client.model("a/m").pull(tmp_path)
    assert caught.value.code == "checksum_mismatch"
    assert (tmp_path / "model.bin").read_bytes() == b"the old one"
    assert not (tmp_path / PARTIAL_FOLDER).exists()


def test_an_endless_file_is_cut_off(scripted, scripted_client, repo, reply, tmp_path):
    files = repo(entry(content=b"small"))
    scripted.script[f"{files}model.bin"] = [reply(200, b"x" * (8 << 20))]
    with pytest.raises(TransferFailed):
        scripted_client.model("a/m").pull(tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) == 0


@pytest.mark.parametrize("path", ["../evil", "/tmp/evil", "a/../../evil", "a/./b", "ok/../../../evil"])
def test_a_path_that_escapes_stops_the_pull_before_anything_is_written(
    scripted, scripted_client, repo, reply, tmp_path, path
):
    files = repo(entry("fine.txt", b"fine"), entry(path, b"evil"))
    scripted.script[f"{files}fine.txt"] = [reply(body=b"fine")]
    target = tmp_path / "in" / "target"
    with pytest.raises(TransferFailed) as caught:
        scripted_client.model("a/m").pull(target)
    assert caught.value.code == "unsafe_path"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_link_in_the_folder_cannot_be_written_through(scripted, scripted_client, repo, reply, tmp_path):
    files = repo(entry("link/evil.txt", b"evil"))
    scripted.script[f"{files}link/evil.txt"] = [reply(body=b"evil")]
    outside, target = tmp_path / "outside", tmp_path / "target"
    outside.mkdir()
    target.mkdir()
    (target / "link").symlink_to(outside)
    with pytest.raises(TransferFailed):
        scripted_client.model("a/m").pull(target)
    assert list(outside.iterdir()) == []


def test_a_link_of_the_files_name_is_replaced_not_followed(scripted, scripted_client, repo, reply, tmp_path):
    files = repo(entry("a.txt", b"new"))
    scripted.script[f"{files}a.txt"] = [reply(body=b"new")]
    victim, target = tmp_path / "victim", tmp_path / "target"
    victim.write_text("old")
    target.mkdir()
    (target / "a.txt").symlink_to(victim)
    scripted_client.model("a/m").pull(target)
    assert victim.read_text() == "old"
    assert (target / "a.txt").read_text() == "new"
    assert not (target / "a.txt").is_symlink()


def test_a_file_known_by_its_git_id_alone_is_verified_by_it(scripted, scripted_client, repo, reply, tmp_path):
    content = b"text\n"
    git_oid = hashlib.sha1(b"blob 5\0" + content, usedforsecurity=False).hexdigest()
    files = repo({**entry("a.txt", content), "sha256": None, "git_oid": git_oid})
    scripted.script[f"{files}a.txt"] = [reply(body=content)]
    scripted_client.model("a/m").pull(tmp_path)
    assert (tmp_path / "a.txt").read_bytes() == content
    repo({**entry("a.txt", content), "sha256": None, "git_oid": "c" * 40})
    with pytest.raises(TransferFailed):
        scripted_client.model("a/m").pull(tmp_path / "again")


def test_a_file_where_the_folder_should_be_is_told(scripted_client, repo, tmp_path):
    repo(entry())
    (tmp_path / "file").write_text("x")
    with pytest.raises(Exception, match="is a file"):
        scripted_client.model("a/m").pull(tmp_path / "file")


def test_only_the_files_that_match_are_pulled(scripted, scripted_client, repo, reply, tmp_path):
    files = repo(entry(), entry("README.md", b"card"))
    scripted.script[f"{files}README.md"] = [reply(body=b"card")]
    scripted_client.model("a/m").pull(tmp_path, files=["*.md"])
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["README.md"]
