"""Requests that no git makes: each gets a clear answer, and nothing of it stays."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.errors import DiskLow
from tholos.hub.gitobjects import Entry, blob_id, commit_id, encode_tree, tree_id
from tholos.hub.models import GitBlob, GitTree, Ref, Repo, Revision
from tholos.kit.services import Services

NOTHING = "0" * 40
CAPABILITIES = "report-status side-band-64k"
ADDRESS = "/ada/penguins.git/git-receive-pack"


@pytest.fixture
def repo(services: Services, ada: Actor) -> Repo:
    return hub.create_repo(services.database, services.blobs, ada, hub.RepoKind.MODEL, "ada/penguins")


@pytest.fixture(autouse=True)
def nothing_stays(services: Services, repo: Repo) -> Iterator[None]:
    """Whatever a test sends, no object, revision or file of it may be there afterwards."""
    before = counts(services)
    yield
    assert counts(services) == before


def counts(services: Services) -> list[int]:
    with services.database.read() as read:
        rows = [
            read.scalar(select(func.count()).select_from(table)) or 0 for table in (GitBlob, GitTree, Revision, Ref)
        ]
    return [*rows, sum(len(files) for _, _, files in os.walk(services.settings.home / "blobs"))]


def pkt(data: bytes) -> bytes:
    return f"{len(data) + 4:04x}".encode() + data


def varint(code: int, size: int) -> bytes:
    byte, size = code << 4 | size & 15, size >> 4
    out = bytearray()
    while size:
        out.append(byte | 128)
        byte, size = size & 127, size >> 7
    return bytes([*out, byte])


def entry(code: int, data: bytes, *, size: int | None = None, base: bytes = b"") -> bytes:
    return varint(code, len(data) if size is None else size) + base + zlib.compress(data)


def pack(*entries: bytes, count: int | None = None, version: int = 2) -> bytes:
    body = struct.pack(">4sII", b"PACK", version, len(entries) if count is None else count) + b"".join(entries)
    return body + hashlib.sha1(body).digest()


def leb(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def push(client: TestClient, content: bytes, *, name: str = "refs/heads/new", new: str = "1" * 40) -> str:
    order = pkt(f"{NOTHING} {new} {name}\0{CAPABILITIES}".encode()) + b"0000"
    answer = client.post(ADDRESS, content=order + content)
    assert answer.status_code == 200, answer.text
    return answer.content.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "ends before its header"),
        (b"PACK" + b"\0" * 40, "does not begin"),
        (b"garbage" * 20, "does not begin"),
        (pack()[:-1] + b"x", "checksum is wrong"),
        (pack(entry(3, b"hello"))[:-3], "checksum is wrong"),
        (pack(count=3), "ends in the middle"),
        (pack(entry(3, b"a"), count=0), "more than it announces"),
        (pack(version=9), "does not begin"),
        (pack(count=4_000_000_000), "more than the 500,000"),
        (pack(entry(0, b"x")), "unknown type 0"),
        (pack(entry(5, b"x")), "unknown type 5"),
        (pack(entry(3, b"hello", size=4)), "longer than it says"),
        (pack(entry(3, b"hello", size=6)), "shorter than it says"),
        (pack(varint(3, 5) + b"not zlib at all"), "cannot be decompressed"),
        (pack(b"\xff" * 40), "has no end"),
        (pack(entry(7, leb(5) + leb(5) + b"\x91\0\5", base=b"\1" * 20)), "objects that it does not hold"),
        (pack(entry(6, leb(5) + leb(5) + b"\x91\0\5", base=b"\x7f")), "objects that it does not hold"),
        (pack(entry(6, b"x", base=b"\xff" * 20)), "has no end"),
    ],
)
def test_packs_that_cannot_be_read(as_ada: TestClient, content: bytes, sentence: str):
    said = push(as_ada, content)
    assert sentence in said
    assert "unpack ok" not in said
    assert "ng refs/heads/new" in said


def delta(base: bytes, instructions: bytes) -> bytes:
    first = entry(3, base)
    return pack(first, entry(6, instructions, base=bytes([len(first)])))


@pytest.mark.parametrize(
    ("instructions", "sentence"),
    [
        (b"", "in the middle of a size"),
        (b"\xff" * 12, "in the middle of a size"),
        (leb(9) + leb(5) + b"\x90\5", "made for another base"),
        (leb(5) + leb(5) + b"\x91\4\5", "reaches outside"),
        (leb(5) + leb(5) + b"\x90", "in the middle of an instruction"),
        (leb(5) + leb(5) + b"\0", "reaches outside"),
        (leb(5) + leb(5) + b"\5ab", "reaches outside"),
        (leb(5) + leb(9) + b"\x90\5", "less than it says"),
        (leb(5) + leb(3) + b"\x90\5", "reaches outside"),
        (leb(5) + leb(1 << 40) + b"\x90\5", "too large for git"),
    ],
)
def test_deltas_that_cannot_be_applied(as_ada: TestClient, instructions: bytes, sentence: str):
    assert sentence in push(as_ada, delta(b"hello", instructions))


def test_a_delta_on_an_object_of_the_repo_itself_is_not_resolved(as_ada: TestClient, services: Services):
    with services.database.read() as read:
        base = read.scalars(select(GitBlob.oid)).first()
    assert base
    said = push(as_ada, pack(entry(7, leb(5) + leb(5) + b"\x91\0\5", base=bytes.fromhex(base))))
    assert "objects that it does not hold" in said


def test_bombs_go_off_outside(as_ada_with: Callable[..., TestClient]):
    client = as_ada_with(max_push_bytes=1_000_000)
    bomb = zlib.compress(b"\0" * 9_000_000, 9)
    said = push(client, pack(varint(3, 9_000_000) + bomb))
    assert "unpacks to more than 8,000,000 bytes" in said
    # a file that says it is small, a chain of deltas that doubles each time
    assert "longer than it says" in push(client, pack(varint(3, 10) + bomb))
    entries = [entry(3, b"x" * 60_000)]
    size = 60_000
    for _ in range(12):
        copies = b"\xf0\0\0\1" * 0 + _copies(size)
        entries.append(entry(6, leb(size) + leb(2 * size) + copies + copies, base=_distance(len(entries[-1]))))
        size *= 2
    assert "unpacks to more than" in push(client, pack(*entries))


def _copies(size: int) -> bytes:
    out, offset = b"", 0
    while offset < size:
        step = min(0xFFFF, size - offset)
        out += bytes([0x80 | 0x0F | 0x30]) + struct.pack("<I", offset) + struct.pack("<H", step)
        offset += step
    return out


def _distance(value: int) -> bytes:
    out = [value & 127]
    while value := value >> 7:
        value -= 1
        out.insert(0, value & 127 | 128)
    return bytes(out)


def test_one_object_many_times_is_kept_once(services: Services, tmp_path: Path):
    same = entry(3, b"\0" * 1_000_000)
    with _spooled(pack(*[same] * 40)) as file, hub.Pack(file, 0, tmp_path, hub.pack_limits(services)) as source:
        assert len(source) == 1
        assert os.fstat(source._spool.fileno()).st_size == 1_000_000


def test_what_a_pack_unpacks_to_leaves_the_disk_its_reserve(services: Services, tmp_path: Path):
    limits = replace(hub.pack_limits(services), disk_reserve_bytes=1 << 60)
    with _spooled(pack(entry(3, b"x"))) as file, pytest.raises(DiskLow, match="no room"):
        hub.Pack(file, 0, tmp_path, limits)


def _spooled(content: bytes) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who asked for it
    file.write(content)
    return file


def test_a_push_that_is_too_large(as_ada_with: Callable[..., TestClient]):
    client = as_ada_with(max_push_bytes=1000)
    order = pkt(f"{NOTHING} {'1' * 40} refs/heads/new\0{CAPABILITIES}".encode()) + b"0000"
    answer = client.post(ADDRESS, content=order + b"x" * 2000)
    assert answer.status_code == 413
    assert "larger than 1,000 bytes" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    answer = client.post(ADDRESS, content=gzip.compress(order + b"x" * 9000), headers={"content-encoding": "gzip"})
    assert answer.status_code == 413


def test_whole_commits_over_missing_parts(as_ada: TestClient):
    tree = encode_tree([Entry("100644", "a", "2" * 40)])
    raw = f"tree {tree_id(tree)}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nx\n".encode()
    new = commit_id(raw)
    assert f"The push lacks {new}" in push(as_ada, pack(), new=new)
    assert f"The push lacks {tree_id(tree)}" in push(as_ada, pack(entry(1, raw)), new=new)
    assert f"The push lacks {'2' * 40} (the file &quot;a" in push(
        as_ada, pack(entry(1, raw), entry(2, tree)), new=new
    ).replace('"', "&quot;")
    orphan = raw.replace(b"\nauthor", b"\nparent " + b"3" * 40 + b"\nauthor")
    said = push(as_ada, pack(entry(1, orphan), entry(2, b"")), new=commit_id(orphan))
    assert f"The push lacks {'3' * 40} (the history)" in said


def test_objects_of_the_wrong_kind(as_ada: TestClient):
    blob = blob_id(b"hello")
    assert "should be a commit" in push(as_ada, pack(entry(3, b"hello")), new=blob)
    raw = f"tree {blob}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nx\n".encode()
    assert "should be a tree" in push(as_ada, pack(entry(1, raw), entry(3, b"hello")), new=commit_id(raw))


@pytest.mark.parametrize(
    "body",
    [
        b"zzzz",
        b"0003",
        b"ffff",
        b"00",
        b"0010abc",
        pkt(b"hello"),
        pkt(b"1" * 40),
        pkt(b"\xff" * 90),
        b"0001",
        b"\0" * 999,
    ],
)
def test_bodies_that_are_no_push(as_ada: TestClient, body: bytes):
    answer = as_ada.post(ADDRESS, content=body)
    assert answer.status_code == 400
    assert answer.text


def test_a_push_of_nothing_is_nothing(as_ada: TestClient):
    answer = as_ada.post(ADDRESS, content=b"0000")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_body_that_is_not_the_gzip_it_says(as_ada: TestClient):
    for service in ("git-receive-pack", "git-upload-pack"):
        answer = as_ada.post(f"/ada/penguins/{service}", content=b"0000", headers={"content-encoding": "gzip"})
        assert answer.status_code == 400


def test_a_gzip_bomb_of_a_fetch(as_ada: TestClient):
    body = gzip.compress(b"0000" * 8_000_000)
    answer = as_ada.post("/ada/penguins/git-upload-pack", content=body, headers={"content-encoding": "gzip"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (pkt(b"want " + b"1" * 40 + b"\n") + b"0000" + pkt(b"done\n"), "has no object"),
        (pkt(b"want xyz\n") + b"0000", "unknown line"),
        (pkt(b"want " + b"1" * 40 + b" side-band-64k") + pkt(b"deepen-since 3") + b"0000", "unknown line"),
        (pkt(b"\xff\xff"), "not UTF-8"),
        (b"nonsense", "not in git's format"),
    ],
)
def test_fetches_that_make_no_sense(as_ada: TestClient, body: bytes, sentence: str):
    answer = as_ada.post("/ada/penguins/git-upload-pack", content=body)
    assert answer.status_code == 200
    assert "ERR " in answer.text
    assert sentence in answer.text


def test_commands_of_a_future_version(as_ada: TestClient):
    answer = as_ada.post(
        "/ada/penguins/git-upload-pack", content=pkt(b"command=dance") + b"0000", headers={"git-protocol": "version=2"}
    )
    assert "ERR The request has an unknown command" in answer.text


def test_what_is_not_smart_http(as_ada: TestClient):
    assert as_ada.get("/ada/penguins/info/refs").status_code == 400
    assert as_ada.get("/ada/penguins.git/info/refs?service=git-upload-archive").status_code == 400


def test_who_is_not_signed_in_is_asked_to_and_told_nothing(anyone: TestClient, as_ada: TestClient, bob_token: str):
    asked = [
        anyone.get(f"/{name}/info/refs?service={service}")
        for name in ("ada/penguins", "ada/penguins.git", "ada/missing", "nobody/at-all", "ada/b--d")
        for service in ("git-upload-pack", "git-receive-pack")
    ]
    assert {answer.status_code for answer in asked} == {401}
    assert {answer.headers["www-authenticate"] for answer in asked} == {'Basic realm="Tholos", charset="UTF-8"'}
    assert len({answer.content for answer in asked}) == 1
    assert anyone.post(ADDRESS, content=b"0000").status_code == 401
    basic = base64.b64encode(f"whoever:{bob_token}".encode()).decode()
    hidden = [
        anyone.get(f"/ada/{name}/info/refs?service={service}", headers={"authorization": f"Basic {basic}"})
        for name in ("penguins", "missing")
        for service in ("git-upload-pack", "git-receive-pack")
    ]
    assert {answer.status_code for answer in hidden} == {404}
    for bad in (
        "Basic !!!",
        "Basic " + base64.b64encode(b"x:y").decode(),
        "Digest x",
        "Basic",
        b"Basic \xe9",
        "Basic /w==",
    ):
        answer = anyone.get("/ada/penguins/info/refs?service=git-upload-pack", headers={"authorization": bad})
        assert answer.status_code == 401


def test_a_key_that_may_only_read_cannot_push(anyone: TestClient, as_ada: TestClient, services: Services, ada: Actor):
    from tholos.accounts import service as accounts
    from tholos.accounts.authorization import Scope

    with services.database.write() as write:
        key = accounts.create_key(write, ada, "reader", frozenset({Scope.READ}), None)
    signed = {"authorization": f"Bearer {key.secret}"}
    assert anyone.get("/ada/penguins/info/refs?service=git-upload-pack", headers=signed).status_code == 200
    answer = anyone.get("/ada/penguins/info/refs?service=git-receive-pack", headers=signed)
    assert answer.status_code == 403
    assert "scope" in answer.text


def test_a_branch_that_moved_meanwhile(as_ada: TestClient, services: Services, repo: Repo):
    with services.database.read() as read:
        head = read.scalars(select(Ref.commit_id)).one()
    order = pkt(f"{'4' * 40} {head} refs/heads/main\0{CAPABILITIES}".encode()) + b"0000"
    said = as_ada.post(ADDRESS, content=order + pack()).text
    assert "has moved meanwhile" in said
    said = as_ada.post(
        ADDRESS, content=pkt(f"{head} {NOTHING} refs/heads/none\0{CAPABILITIES}".encode()) + b"0000"
    ).text
    assert "has moved meanwhile" in said
