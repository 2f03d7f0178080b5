"""Mirrors through the public door, with a second real platform as the upstream and the stock client."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import huggingface_hub as hf
import pytest
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

import tholos

if TYPE_CHECKING:
    from conftest import Platform

StartPlatform = Callable[..., "Platform"]
WEIGHTS = os.urandom(3_000_001)


@pytest.fixture(scope="module")
def upstream(start_platform: StartPlatform) -> Platform:
    """Another platform, from which the mirrors are."""
    return start_platform("upstream")


@pytest.fixture(scope="module")
def here(start_platform: StartPlatform, upstream: Platform) -> Platform:
    """A platform that pulls through from the upstream."""
    return start_platform("here", THOLOS_UPSTREAM_URL=upstream.url, THOLOS_UPSTREAM_REFRESH_S="1")


@pytest.fixture(scope="module")
def tiny(upstream: Platform) -> str:
    """The commit of the model lab/tiny upstream, with two large files; "lab" is nobody here."""
    api = _api(upstream)
    with tholos.Client(upstream.url, upstream.token) as client:
        client.users.create("lab")
    return _made(api, "lab/tiny")


def _made(api: hf.HfApi, name: str) -> str:
    api.create_repo(name, private=False)
    done = api.create_commit(
        name,
        [
            hf.CommitOperationAdd("README.md", b"# Tiny\n"),
            hf.CommitOperationAdd("never.bin", b"other"),
            hf.CommitOperationAdd("weights.bin", WEIGHTS),
        ],
        commit_message="Add",
    )
    api.create_tag(name, tag="v1")
    return str(done.oid)


def _api(platform: Platform) -> hf.HfApi:
    return hf.HfApi(endpoint=platform.url, token=platform.token)


def _download(platform: Platform, file: str, cache: Path, **options: Any) -> bytes:
    path = hf.hf_hub_download("lab/tiny", file, endpoint=platform.url, token=platform.token, cache_dir=cache, **options)
    return Path(path).read_bytes()


def test_names_of_accounts_here_are_never_looked_up_elsewhere(here: Platform, upstream: Platform, tiny: str) -> None:
    with tholos.Client(here.url, here.token) as client:
        assert _api(here).model_info("lab/tiny").sha == tiny
        with pytest.raises(tholos.Conflict):
            client.users.create("lab")
        secret = client.users.create("ada").secret
        client.users.create("bob")
    with tholos.Client(upstream.url, upstream.token) as there:
        there.users.create("bob")
    _api(upstream).create_repo("bob/public", private=False)
    stranger = hf.HfApi(endpoint=here.url, token=secret)
    _api(here).create_repo("admin/secret", private=True)
    for name in ("bob/public", "admin/secret", "admin/nothing"):
        with pytest.raises(RepositoryNotFoundError):
            stranger.model_info(name)
    with pytest.raises((RepositoryNotFoundError, HfHubHTTPError)):
        hf.HfApi(endpoint=here.url, token=False).model_info("lab/other")


def test_many_who_ask_at_once_have_it_fetched_once(here: Platform, tiny: str) -> None:
    address = f"{here.url}/lab/tiny/resolve/main/weights.bin"
    headers = {"authorization": f"Bearer {here.token}"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: httpx2.get(address, headers=headers, timeout=60), range(8)))
    assert [answer.content == WEIGHTS for answer in answers] == [True] * 8


def test_a_mirror_has_the_upstreams_commits_and_its_files(
    here: Platform, upstream: Platform, tiny: str, tmp_path: Path
) -> None:
    with tholos.Client(here.url, here.token) as client:
        job = client.mirrors.start("lab/tiny", url=upstream.url, to="admin/copy")
        assert job.result(timeout=60)["files"] == 2
        found = client.mirrors.get("admin/copy")
        assert (found.waiting_files, found.url, found.error) == (0, upstream.url, "")
    folder = hf.snapshot_download(
        "admin/copy", endpoint=here.url, token=here.token, cache_dir=tmp_path / "cache", revision=tiny
    )
    assert Path(folder).name == tiny
    assert (Path(folder) / "weights.bin").read_bytes() == WEIGHTS


def test_a_mirror_is_brought_level_from_its_page(here: Platform, upstream: Platform, tiny: str) -> None:
    with tholos.Client(here.url, here.token) as client, httpx2.Client(base_url=here.url, timeout=30) as visitor:
        client.mirrors.start("lab/tiny", url=upstream.url, to="admin/page").result(timeout=60)
        visitor.post("/login", data={"token": here.token})
        assert "Fetch what is new" in visitor.get("/admin/page").text
        answer = visitor.post("/admin/page/mirror")
        assert answer.status_code == 303
        job = client.jobs.get(answer.headers["location"].rpartition("/")[2])
        assert job.result(timeout=60)["refs"] == []
        client.repo("model", "admin/page").update(visibility="public")
        visitor.cookies.clear()
        assert "Fetch what is new" not in visitor.get("/admin/page").text
        assert visitor.post("/admin/page/mirror").status_code == 401
        assert visitor.post("/admin/copy-of-nothing/mirror").status_code == 401


def test_refs_changed_here_are_left_alone(here: Platform, upstream: Platform, tiny: str) -> None:
    _made(_api(upstream), "lab/refs")
    with tholos.Client(here.url, here.token) as client:
        client.mirrors.start("lab/refs", url=upstream.url, to="admin/refs", content=False).result(timeout=60)
        _api(upstream).create_branch("lab/refs", branch="dev")
        done = client.mirrors.sync("admin/refs", content=False).result(timeout=60)
        assert done["refs"] == ["refs/heads/dev"]
        mine = _api(here).upload_file(path_or_fileobj=b"1", path_in_repo="mine.txt", repo_id="admin/refs")
        _api(upstream).upload_file(path_or_fileobj=b"2", path_in_repo="theirs.txt", repo_id="lab/refs")
        _api(upstream).delete_branch("lab/refs", branch="dev")
        done = client.mirrors.sync("admin/refs", content=False).result(timeout=60)
        assert done["notes"] == {"refs/heads/main": "changed here", "refs/heads/dev": "gone upstream"}
        assert _api(here).model_info("admin/refs").sha == mine.oid
        assert client.mirrors.sync("admin/refs", content=False, prune=True).result(timeout=60)["deleted"] == [
            "refs/heads/dev"
        ]
        client.mirrors.detach("admin/refs")
        assert "admin/refs" not in [mirror.name for mirror in client.mirrors.list()]


class _Slow:
    """A way to the upstream that holds every answer at so many bytes, until it is told to let all through."""

    def __init__(self, port: int, held_at: int) -> None:
        self._port = port
        self._held_at = held_at
        self.free = threading.Event()
        self.passed = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = [self._listener]
        self._threads: list[threading.Thread] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._begin(self._accept)

    def close(self) -> None:
        self.free.set()
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()
        for end in self._open:
            end.close()

    def let_go(self) -> None:
        """Ends the connections that are held, and holds none any more."""
        for end in self._open[1:]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.free.set()
        for thread in self._threads[1:]:
            thread.join()
        self.passed = 0

    def _begin(self, work: Callable[..., None], *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._open.append(near)
                far = socket.create_connection(("127.0.0.1", self._port))
                self._open.append(far)
                self._begin(self._pass, near, far, False)
                self._begin(self._pass, far, near, True)

    def _pass(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(1 << 16):
                passed += len(data)
                if is_answer and passed > self._held_at:
                    self.free.wait()
                target.sendall(data)
                self.passed += len(data) if is_answer else 0
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def slow(upstream: Platform) -> Iterator[_Slow]:
    found = _Slow(int(upstream.url.rpartition(":")[2]), 1_500_000)
    yield found
    found.close()


@pytest.mark.long
def test_a_pull_that_was_killed_goes_on_inside_the_file(
    running: Callable[[dict[str, str]], Platform], slow: _Slow, tiny: str, tmp_path: Path
) -> None:
    there = running({"THOLOS_JOB_LEASE_S": "5", "THOLOS_UPSTREAM_TIMEOUT_S": "60"})
    with tholos.Client(there.url, there.token) as client:
        job = client.mirrors.start("lab/tiny", url=slow.url, to="admin/copy")
        deadline = time.monotonic() + 120
        sizes: list[int] = []
        while not any(size > 1_000_000 for size in sizes):
            assert time.monotonic() < deadline
            sizes = [path.stat().st_size for path in (there.home / "mirror").glob("*.part")]
            time.sleep(0.05)
    there.kill()
    (part,) = [path for path in (there.home / "mirror").glob("*.part") if path.stat().st_size > 1_000_000]
    kept = part.stat().st_size
    slow.let_go()
    there.start()
    with tholos.Client(there.url, there.token) as client:
        assert client.jobs.get(job.id).result(timeout=120)["files"] == 2
    path = hf.hf_hub_download("admin/copy", "weights.bin", endpoint=there.url, token=there.token, local_dir=tmp_path)
    assert Path(path).read_bytes() == WEIGHTS
    assert slow.passed < len(WEIGHTS) - kept + 200_000  # the rest, and some words about it
    assert not part.exists()


def test_what_was_fetched_once_is_served_when_the_upstream_is_gone(
    here: Platform, upstream: Platform, tiny: str, tmp_path: Path
) -> None:
    info = _api(here).model_info("lab/tiny", files_metadata=True)
    assert info.sha == tiny
    assert [tag.name for tag in _api(here).list_repo_refs("lab/tiny").tags] == ["v1"]
    assert _download(here, "weights.bin", tmp_path / "one") == WEIGHTS
    upstream.stop()
    time.sleep(1.1)
    assert _download(here, "weights.bin", tmp_path / "two") == WEIGHTS
    assert _download(here, "README.md", tmp_path / "two") == b"# Tiny\n"
    begun = time.monotonic()
    answer = httpx2.get(
        f"{here.url}/lab/tiny/resolve/main/never.bin", headers={"authorization": f"Bearer {here.token}"}, timeout=30
    )
    assert answer.status_code == 503
    assert answer.json()["code"] == "upstream_unavailable"
    assert time.monotonic() - begun < 10
