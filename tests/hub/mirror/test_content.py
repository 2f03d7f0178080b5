"""Content from upstreams that lie, cut, stall or vanish."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tholos.accounts.authorization import Actor
from tholos.accounts.models import Account
from tholos.hub.mirror.content import fetch, part_path
from tholos.hub.mirror.errors import UpstreamBroken, UpstreamNotFound, UpstreamUnavailable
from tholos.hub.mirror.leftovers import sweep_leftovers
from tholos.hub.mirror.promises import promise, promised
from tholos.hub.mirror.service import add_mirror
from tholos.hub.mirror.turns import turn
from tholos.hub.mirror.upstream import Upstream
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind
from tholos.hub.repository import possessed
from tholos.kit.errors import TholosError
from tholos.kit.services import Services

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Fake:
    """A Git LFS server that does what a test wants."""

    url: str = ""
    sent: bytes = CONTENT
    stop_after: int | None = None
    stall_s: float = 0.0
    hold: threading.Event | None = None
    """Until when an answer that stopped keeps its connection."""
    knows: bool = True
    ranges: list[str | None] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)


@pytest.fixture
def fake() -> Iterator[Fake]:
    state = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            found = {"oid": SHA256, "actions": {"download": {"href": f"{state.url}/file"}}}
            if not state.knows:
                found = {"oid": SHA256, "error": {"code": 404, "message": "gone"}}
            self._answer(200, json.dumps({"objects": [found]}).encode())

        def do_GET(self) -> None:
            if state.stall_s:
                time.sleep(state.stall_s)
            asked = self.headers.get("range")
            state.ranges.append(asked)
            state.authorizations.append(self.headers.get("authorization"))
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            body = state.sent[start:]
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("content-range", f"bytes {start}-{len(state.sent) - 1}/{len(state.sent)}")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.stop_after])
            if state.hold is not None:
                state.hold.wait(60)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def impatient(services: Services) -> Services:
    return replace(services, settings=services.settings.model_copy(update={"upstream_timeout_s": 0.3}))


@pytest.fixture
def mirrored(services: Services, admin: Actor, fake: Fake) -> Repo:
    with services.database.write() as write:
        owner = write.get_one(Account, admin.account_id)
        repo = add_mirror(
            write, owner, RepoKind.MODEL, ("lab", "tiny"), fake.url, "lab/tiny", visibility="public", automatic=True
        )
        promise(write, repo.id, {SHA256: len(CONTENT)})
        return repo


def _held(services: Services, repo: Repo) -> bool:
    with services.database.read() as read:
        held = SHA256 in possessed(read, repo.id, [SHA256])
        assert held != bool(promised(read, repo.id, [SHA256]))
    assert held == services.blobs.exists(SHA256)
    return held


def test_a_file_is_fetched_once_and_is_the_repos(services: Services, mirrored: Repo, fake: Fake) -> None:
    fetch(services, mirrored.id, SHA256)
    fetch(services, mirrored.id, SHA256)
    assert _held(services, mirrored)
    assert fake.ranges == [None]
    assert not part_path(services, mirrored.id, SHA256).exists()


def test_a_file_that_was_cut_off_goes_on_where_it_was(impatient: Services, mirrored: Repo, fake: Fake) -> None:
    fake.sent = CONTENT[:300_000]
    with pytest.raises(TholosError):
        fetch(impatient, mirrored.id, SHA256)
    assert part_path(impatient, mirrored.id, SHA256).stat().st_size == 300_000
    assert not _held(impatient, mirrored)
    fake.sent = CONTENT
    fake.ranges.clear()
    fetch(impatient, mirrored.id, SHA256)
    assert fake.ranges == ["bytes=300000-"]
    assert _held(impatient, mirrored)


FETCHER = """
import sys
from tholos.hub.mirror.content import fetch
from tholos.kit.blobs import open_blob_store
from tholos.kit.database import Database
from tholos.kit.services import Services
from tholos.kit.settings import Settings

settings = Settings()
fetch(Services(settings, Database(settings.resolved_database_url), open_blob_store(settings)), *sys.argv[1:])
"""


def test_a_fetch_that_was_killed_goes_on_where_it_was(services: Services, mirrored: Repo, fake: Fake) -> None:
    fake.stop_after, fake.hold = 300_000, threading.Event()
    part = part_path(services, mirrored.id, SHA256)
    command = [sys.executable, "-c", FETCHER, mirrored.id, SHA256]
    with subprocess.Popen(command, env={**os.environ, **services.settings.environment()}) as process:
        deadline = time.monotonic() + 60
        while not part.exists() or part.stat().st_size < fake.stop_after:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
    fake.hold.set()
    fake.stop_after = None
    assert not _held(services, mirrored)
    fetch(services, mirrored.id, SHA256)
    assert fake.ranges == [None, "bytes=300000-"]
    assert _held(services, mirrored)
    assert not part.exists()


def test_what_a_killed_fetch_left_is_swept_when_nobody_asks_any_more(
    services: Services, mirrored: Repo, fake: Fake
) -> None:
    part, day = part_path(services, mirrored.id, SHA256), 24 * 3600

    def sweep() -> int:
        return sweep_leftovers(services.settings, services.database, day)

    part.parent.mkdir(exist_ok=True)
    part.write_bytes(CONTENT[:1000])
    assert sweep() == 0  # somebody may ask, and it is gone on with
    os.utime(part, (time.time() - day - 60,) * 2)
    with turn(services.settings, f"{mirrored.id}-{SHA256}"):
        assert sweep() == 0  # somebody is at it
    assert (sweep(), part.exists()) == (1, False)
    fetch(services, mirrored.id, SHA256)
    part.write_bytes(CONTENT[:1000])
    part.with_suffix(".failure").write_text("[]")
    stranger = part_path(services, "repo_gone", SHA256)
    stranger.write_bytes(b"1")
    assert (sweep(), part.exists(), stranger.exists()) == (3, False, False)
    assert _held(services, mirrored)


@pytest.mark.parametrize("sent", [CONTENT[:-1] + b"x", CONTENT + b"more", b"x" * len(CONTENT)])
def test_wrong_content_is_never_kept(services: Services, mirrored: Repo, fake: Fake, sent: bytes) -> None:
    fake.sent = sent
    with pytest.raises(UpstreamBroken):
        fetch(services, mirrored.id, SHA256)
    assert not _held(services, mirrored)
    assert not part_path(services, mirrored.id, SHA256).exists()
    fake.sent = CONTENT
    fetch(services, mirrored.id, SHA256)
    assert _held(services, mirrored)


def test_an_upstream_that_hangs_is_away(impatient: Services, mirrored: Repo, fake: Fake) -> None:
    fake.stall_s = 0.6
    with pytest.raises(UpstreamUnavailable):
        fetch(impatient, mirrored.id, SHA256)
    assert not _held(impatient, mirrored)


def test_an_upstream_that_does_not_have_the_file_says_so(services: Services, mirrored: Repo, fake: Fake) -> None:
    fake.knows = False
    with pytest.raises(UpstreamNotFound):
        fetch(services, mirrored.id, SHA256)


def test_content_of_others_in_the_store_is_nobodys_promise_kept(services: Services, mirrored: Repo, fake: Fake) -> None:
    services.blobs.put_bytes(CONTENT)
    fake.knows = False
    with pytest.raises(UpstreamNotFound):
        fetch(services, mirrored.id, SHA256)
    with services.database.read() as read:
        assert not possessed(read, mirrored.id, [SHA256])


def test_the_token_goes_to_the_upstream_alone(fake: Fake) -> None:
    upstream = Upstream("http://127.0.0.1:9", "lab/tiny", RepoKind.MODEL, token="secret", timeout_s=5)
    with upstream, upstream.content(f"{fake.url}/file", {}, 0) as chunks:
        assert b"".join(chunks) == CONTENT
    assert fake.authorizations == [None]


@pytest.mark.parametrize("address", ["file:///etc/passwd", "gopher://x/", "http://", "//", "http://[::1"])
def test_an_upstream_leads_to_the_web_only(fake: Fake, address: str) -> None:
    upstream = Upstream(fake.url, "lab/tiny", RepoKind.MODEL, token="", timeout_s=5)
    with upstream, pytest.raises(UpstreamBroken), upstream.content(address, {}, 0):
        pass


def test_a_public_upstream_leads_to_no_private_address(fake: Fake) -> None:
    upstream = Upstream("http://1.1.1.1", "lab/tiny", RepoKind.MODEL, token="", timeout_s=5)
    refused = pytest.raises(UpstreamBroken, match="public internet")
    with upstream, refused, upstream.content(f"{fake.url}/file", {}, 0):
        pass
    assert fake.ranges == []
