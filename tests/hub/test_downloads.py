from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.downloads import ByteRange, requested_range
from tholos.hub.errors import UnsatisfiableRange
from tholos.hub.models import Repo, Revision
from tholos.hub.operations import AddBytes
from tholos.kit.services import Services

Commit = Callable[..., Revision]
FILES = "/api/v1/models/ada/penguins/files"
DATA = bytes(range(256)) * 10_000


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # sending bytes is the same on either database


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("BYTES= 0-1 ", (0, 2)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_ranges_are_read_as_the_standard_says(header: str | None, expected: tuple[int, int] | None):
    assert requested_range(header, 100) == (None if expected is None else ByteRange(*expected))


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 100), ("bytes=0-", 0)]
)
def test_ranges_past_the_end_are_refused(header: str, size: int):
    with pytest.raises(UnsatisfiableRange):
        requested_range(header, size)


def test_a_whole_file_with_its_headers(as_ada: TestClient, commit: Commit):
    landed = commit(AddBytes("a/data.bin", DATA))
    answer = as_ada.get(f"{FILES}/main/a/data.bin")
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["x-tholos-revision"] == landed.commit_id
    assert answer.headers["content-length"] == str(len(DATA))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["content-disposition"].startswith('attachment; filename="data_bin"')
    head = as_ada.head(f"{FILES}/main/a/data.bin")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "x-tholos-revision", "content-type"):
        assert head.headers[name] == answer.headers[name]


def test_the_etag_names_the_content(as_ada: TestClient, commit: Commit):
    commit(AddBytes("a.txt", b"text"), AddBytes("b.bin", DATA))
    small, large = as_ada.get(f"{FILES}/main/a.txt").headers["etag"], as_ada.get(f"{FILES}/main/b.bin").headers["etag"]
    assert (len(small), len(large)) == (42, 66)  # git's id of a small file, the SHA-256 of a large one
    unchanged = as_ada.get(f"{FILES}/main/a.txt", headers={"if-none-match": f'"other", W/{small}'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == small
    assert as_ada.get(f"{FILES}/main/a.txt", headers={"if-none-match": large}).status_code == 200


def test_a_part_of_a_file(as_ada: TestClient, commit: Commit):
    commit(AddBytes("data.bin", DATA))
    for header, start, end in (
        ("bytes=5-1500000", 5, 1_500_001),
        ("bytes=-7", len(DATA) - 7, len(DATA)),
        ("bytes=9-", 9, len(DATA)),
    ):
        answer = as_ada.get(f"{FILES}/main/data.bin", headers={"range": header})
        assert (answer.status_code, answer.content) == (206, DATA[start:end])
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    past = as_ada.get(f"{FILES}/main/data.bin", headers={"range": f"bytes={len(DATA)}-"})
    assert (past.status_code, past.json()["error"]["details"]["size"]) == (416, len(DATA))


def test_a_part_is_only_given_of_the_content_the_client_has(as_ada: TestClient, commit: Commit):
    commit(AddBytes("data.bin", DATA))
    etag = as_ada.head(f"{FILES}/main/data.bin").headers["etag"]
    same = as_ada.get(f"{FILES}/main/data.bin", headers={"range": "bytes=0-1", "if-range": etag})
    other = as_ada.get(f"{FILES}/main/data.bin", headers={"range": "bytes=0-1", "if-range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_a_commit_id_is_cached_for_ever(as_ada: TestClient, commit: Commit):
    landed = commit(AddBytes("a.txt", b"1"))
    commit(AddBytes("a.txt", b"2"))
    answer = as_ada.get(f"{FILES}/{landed.commit_id}/a.txt")
    assert (answer.content, answer.headers["cache-control"]) == (b"1", "private, max-age=31536000, immutable")
    assert "immutable" not in as_ada.get(f"{FILES}/{landed.commit_id[:10]}/a.txt").headers["cache-control"]


SHOWN = [
    ("page.html", "text/plain; charset=utf-8", "inline"),
    ("image.svg", "text/plain; charset=utf-8", "inline"),
    ("script.js", "text/plain; charset=utf-8", "inline"),
    ("doc.xhtml", "application/octet-stream", "attachment"),
    ("paper.pdf", "application/octet-stream", "attachment"),
    ("photo.png", "image/png", "inline"),
    ("config.json", "application/json", "inline"),
    ("LICENSE", "text/plain; charset=utf-8", "inline"),
    ('猫 "x".csv', "text/plain; charset=utf-8", "inline"),
]


def test_nothing_that_a_browser_would_run(as_ada: TestClient, commit: Commit, subtests: pytest.Subtests):
    for name, content_type, disposition in SHOWN:
        with subtests.test(case=ascii((name, content_type, disposition))[:80]):
            commit(AddBytes(name, b"<script>alert(1)</script>"))
            answer = as_ada.get(f"{FILES}/main/{name}")
            assert answer.headers["content-type"] == content_type
            assert answer.headers["content-disposition"].startswith(disposition)
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in answer.headers["content-security-policy"]
            assert (
                as_ada.get(f"{FILES}/main/{name}?download=true").headers["content-disposition"].startswith("attachment")
            )


def test_an_empty_file(as_ada: TestClient, commit: Commit):
    commit(AddBytes("empty", b""))
    answer = as_ada.get(f"{FILES}/main/empty")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


ABSENT = ["missing", "a", "a/missing", "a/b.txt/c", "..%2f..%2fetc%2fpasswd", "a%00b", "%ff", "x" * 5000]


def test_what_is_not_there(as_ada: TestClient, commit: Commit, subtests: pytest.Subtests):
    for path in ABSENT:
        with subtests.test(case=ascii(path)[:80]):
            commit(AddBytes("a/b.txt", b"1"))
            answer = as_ada.get(f"{FILES}/main/{path}")
            assert answer.status_code in (400, 404)
            assert answer.json()["error"]["code"] in ("entry_not_found", "invalid_path", "route_not_found")


def test_a_branch_with_a_slash_is_one_segment(
    services: Services, repo: Repo, ada: Actor, as_ada: TestClient, commit: Commit
):
    commit(AddBytes("x/a.txt", b"on main"))
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
    commit(AddBytes("x/a.txt", b"on dev"), branch="dev/x")
    assert as_ada.get(f"{FILES}/dev%2Fx/x/a.txt").content == b"on dev"
    assert as_ada.get(f"{FILES}/main/x%2Fa.txt").content == b"on main"
    assert as_ada.get(f"{FILES}/dev/x/x/a.txt").json()["error"]["code"] == "revision_not_found"


def test_a_file_deleted_while_it_is_sent_arrives_whole(
    services: Services, live: int, ada: Actor, ada_token: str, commit: Commit
):
    landed = commit(AddBytes("big.bin", DATA * 10))
    with services.database.read() as read:
        repo, revision = hub.resolve(read, ada, hub.RepoKind.MODEL, "ada/penguins", landed.commit_id)
        entry = hub.file(read, repo, revision.commit_id, "big.bin")
    with socket.create_connection(("127.0.0.1", live)) as connection:
        connection.settimeout(20)
        request = f"GET {FILES}/main/big.bin HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ada_token}\r\n"
        connection.sendall(request.encode() + b"connection: close\r\n\r\n")
        received = connection.recv(1000)
        assert entry.sha256 is not None
        services.blobs.path(entry.sha256).unlink()
        while piece := connection.recv(1 << 20):
            received += piece
    assert received.partition(b"\r\n\r\n")[2] == DATA * 10


def test_a_client_that_leaves_does_not_stop_the_server(live: int, ada_token: str, commit: Commit):
    commit(AddBytes("big.bin", DATA * 10))
    request = f"GET {FILES}/main/big.bin HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ada_token}\r\n\r\n".encode()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", live)) as connection:
            connection.sendall(request)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    with socket.create_connection(("127.0.0.1", live)) as connection:
        connection.settimeout(20)
        connection.sendall(request.replace(b"GET", b"HEAD"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
