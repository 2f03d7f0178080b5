from __future__ import annotations

import hashlib
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from tholos.accounts.authorization import Actor
from tholos.hub import repository
from tholos.hub import service as hub
from tholos.hub.models import Repo
from tholos.kit.services import Services

BLOBS = "/api/v1/models/ada/penguins/blobs"
pytestmark = pytest.mark.usefixtures("repo")


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def stored(services: Services) -> set[str]:
    return {path.name for path in services.settings.blobs_dir.glob("*/*/*")}


def unfinished(services: Services) -> list[Path]:
    return list((services.settings.blobs_dir / "incoming").iterdir())


def in_pieces(data: bytes, size: int = 100_000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.fixture
def before(services: Services, repo: Repo) -> set[str]:
    return stored(services)


@pytest.mark.parametrize("size", [0, 1, 5_000_000, 12_345_678])
def test_an_upload_is_stored_and_possessed(services: Services, repo: Repo, as_ada: TestClient, size: int):
    data = os.urandom(size)
    answer = as_ada.put(f"{BLOBS}/{sha(data)}", content=data)
    assert (answer.status_code, answer.json()) == (201, {"sha256": sha(data), "size": size})
    assert services.blobs.path(sha(data)).read_bytes() == data
    with services.database.read() as read:
        assert repository.possessed(read, repo.id, [sha(data)])[sha(data)].size == size
    assert unfinished(services) == []


def test_a_known_upload_is_accepted_without_being_stored_again(services: Services, as_ada: TestClient):
    data = b"again and again"
    assert as_ada.head(f"{BLOBS}/{sha(data)}").status_code == 404
    assert as_ada.put(f"{BLOBS}/{sha(data)}", content=data).status_code == 201
    assert as_ada.head(f"{BLOBS}/{sha(data)}").status_code == 200
    written = list(services.blobs.listing())
    assert as_ada.put(f"{BLOBS}/{sha(data)}", content=data).status_code == 200
    assert list(services.blobs.listing()) == written


def test_an_upload_without_a_length_is_taken(services: Services, as_ada: TestClient):
    data = os.urandom(300_000)
    assert as_ada.put(f"{BLOBS}/{sha(data)}", content=in_pieces(data)).status_code == 201


def test_bytes_that_do_not_match_their_name_are_not_kept(
    services: Services, repo: Repo, as_ada: TestClient, before: set[str]
):
    answer = as_ada.put(f"{BLOBS}/{sha(b'announced')}", content=b"sent")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "blob_mismatch")
    assert sha(b"sent") in answer.text
    assert stored(services) == before
    assert unfinished(services) == []
    with services.database.read() as read:
        assert not repository.possessed(read, repo.id, [sha(b"announced"), sha(b"sent")])


NO_SHA256 = ["abc", "A" * 64, "g" * 64, "a" * 65, "..%2f..%2fetc%2fpasswd", "%00" * 64]


def test_a_name_that_is_no_sha256_is_refused(
    services: Services, as_ada: TestClient, before: set[str], subtests: pytest.Subtests
):
    for name in NO_SHA256:
        with subtests.test(case=ascii(name)[:80]):
            assert as_ada.put(f"{BLOBS}/{name}", content=b"x").status_code in (400, 404)
            assert as_ada.head(f"{BLOBS}/{name}").status_code == 404
            assert stored(services) == before


@pytest.mark.parametrize("announced", [True, False])
def test_an_upload_over_the_limit_is_refused(
    services: Services, as_ada_with: Callable[..., TestClient], before: set[str], announced: bool
):
    data = os.urandom(300_000)
    client = as_ada_with(max_blob_bytes=100_000)
    answer = client.put(f"{BLOBS}/{sha(data)}", content=data if announced else in_pieces(data))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "blob_too_large")
    assert stored(services) == before
    assert unfinished(services) == []


def test_an_upload_that_the_disk_cannot_hold_is_refused_at_once(
    services: Services, as_ada_with: Callable[..., TestClient], before: set[str]
):
    answer = as_ada_with(disk_reserve_bytes=1 << 60).put(f"{BLOBS}/{sha(b'x')}", content=b"x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_low")
    assert stored(services) == before


def test_an_upload_of_unknown_size_leaves_the_reserve_alone(
    services: Services, as_ada: TestClient, before: set[str], monkeypatch: pytest.MonkeyPatch
):
    data, reserve = os.urandom(10_000_000), services.settings.disk_reserve_bytes
    incoming = services.settings.blobs_dir / "incoming"

    def usage(_: object) -> SimpleNamespace:
        return SimpleNamespace(free=reserve + 6_000_000 - sum(path.stat().st_size for path in incoming.iterdir()))

    monkeypatch.setattr("tholos.hub.uploads.shutil.disk_usage", usage)
    answer = as_ada.put(f"{BLOBS}/{sha(data)}", content=in_pieces(data))
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_low")
    assert stored(services) == before
    assert unfinished(services) == []


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_disk_that_fills_up_meanwhile_is_told_and_leaves_nothing(
    services: Services, repo: Repo, as_ada: TestClient, before: set[str]
):
    # The kernel refuses to let any file of this process grow further: a disk that is full, as the server sees it.
    data = os.urandom(24_000_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, hard))
    try:
        answer = as_ada.put(f"{BLOBS}/{sha(data)}", content=data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
    assert "disk" in answer.json()["error"]["next"]
    assert stored(services) == before
    assert unfinished(services) == []
    assert as_ada.put(f"{BLOBS}/{sha(data)}", content=data).status_code == 201


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("sent", [0, 10, 6_000_000])
def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    services: Services, live: int, ada_token: str, before: set[str], sent: int
):
    data = os.urandom(9_000_000)
    with socket.create_connection(("127.0.0.1", live)) as connection:
        connection.sendall(head("PUT", f"{BLOBS}/{sha(data)}", ada_token, len(data)) + data[:sent])
        if sent > 1_000_000:
            until(lambda: sum(path.stat().st_size for path in unfinished(services)) > 1_000_000)
    until(lambda: not unfinished(services))
    assert stored(services) == before


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_refused_upload_is_answered_while_the_client_still_sends(live: int, bob_token: str):
    data = os.urandom(9_000_000)
    with socket.create_connection(("127.0.0.1", live)) as connection:
        connection.settimeout(20)
        connection.sendall(head("PUT", f"{BLOBS}/{sha(data)}", bob_token, len(data)))
        for piece in in_pieces(data):
            connection.sendall(piece)
        assert connection.recv(1000).startswith(b"HTTP/1.1 404")


def test_the_repo_may_go_while_its_upload_arrives(
    services: Services, repo: Repo, ada: Actor, as_ada: TestClient, before: set[str]
):
    data = os.urandom(300_000)

    def pieces() -> Iterator[bytes]:
        yield data[:1000]
        with services.database.write() as write:
            hub.delete_repo(write, ada, repo.kind, repo.full_name)
        yield data[1000:]

    assert as_ada.put(f"{BLOBS}/{sha(data)}", content=pieces()).status_code == 404


def head(method: str, path: str, token: str, length: int) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: x",
        f"authorization: Bearer {token}",
        f"content-length: {length}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
