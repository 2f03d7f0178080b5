"""SIGKILL at any moment of uploads, commits, pushes and upkeep: what was acknowledged is whole, nothing else shows.

Uploads come by REST, Git LFS and Xet, commits also by git; meanwhile the store is packed, and garbage collected, with
the shortest of grace periods. Gateways and the agent with all it owns are killed by turns.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest
from sqlalchemy import select

from tholos.hub.models import Revision
from tholos.hub.storage.verification import verify
from tholos.kit.blobs import open_blob_store
from tholos.kit.database import Database
from tholos.kit.settings import Settings

if TYPE_CHECKING:
    from conftest import Platform

sys.path.insert(0, str(Path(__file__).parents[1] / "hub" / "xet"))

from xet_bodies import File, Part, Xorb, shard

REPO = "admin/killed"
WORKERS = 3
UPLOADS = int(os.environ.get("THOLOS_TEST_KILL_UPLOADS", "30"))
_UPLOAD = """
import sys
from huggingface_hub import HfApi
file, path, repo = sys.argv[1:]
print(HfApi().upload_file(path_or_fileobj=file, path_in_repo=path, repo_id=repo, commit_message=path).oid)
"""
_COMMON = os.urandom(1_500_000)
NDJSON = {"content-type": "application/x-ndjson"}


class Refused(Exception):
    """The server answered, and not with success."""


@dataclass
class Traffic:
    """What was attempted (SHA-256 by path) and what was acknowledged (the commit's id by path)."""

    platform: Platform
    folder: Path
    attempted: dict[str, str] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    unforeseen: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1 << 30)))

    def one(self, dice: random.Random) -> None:
        """One upload with its commit, by any of the ways, or some upkeep; gives up when it is killed under it."""
        if not serving(self.platform):
            time.sleep(0.2)
            return
        number = next(self.numbers)
        act = dice.choice([self.by_rest, self.by_rest, self.by_lfs, self.by_xet, self.by_xet_client, self.by_git])
        path, data = f"{act.__name__}/{number}.bin", os.urandom(dice.choice([10, 5_000, 300_000, 2_000_000]))
        if len(data) > len(_COMMON):
            data = _COMMON + data[len(_COMMON) :]  # chunks that others share
        self.attempted[path] = hashlib.sha256(data).hexdigest()
        over = (httpx2.HTTPError, OSError, Refused, subprocess.SubprocessError, json.JSONDecodeError)
        with suppress(*over), connected(self.platform, timeout=20) as client:
            for upkeep, body in (("collect", {"dry_run": False}), ("pack", None)):
                if dice.random() < 0.1:
                    self.send(client, "POST", f"/api/v1/hub/{upkeep}", json=body)
            self.acknowledged[path] = act(client, path, data)

    def by_rest(self, client: httpx2.Client, path: str, data: bytes) -> str:
        sha256 = self.attempted[path]
        self.send(client, "PUT", f"/api/v1/models/{REPO}/blobs/{sha256}", content=data)
        operations = [{"op": "add", "path": path, "sha256": sha256, "size": len(data)}]
        body = {"message": path, "operations": operations}
        return str(self.send(client, "POST", f"/api/v1/models/{REPO}/commits", json=body)["id"])

    def by_lfs(self, client: httpx2.Client, path: str, data: bytes) -> str:
        sha256 = self.attempted[path]
        wanted = {"operation": "upload", "objects": [{"oid": sha256, "size": len(data)}]}
        answer = self.send(client, "POST", f"/{REPO}.git/info/lfs/objects/batch", json=wanted)
        href = answer["objects"][0]["actions"]["upload"]["href"]
        self.send(client, "PUT", href, content=data)
        return self.commit_pointer(client, path, sha256, len(data))

    def by_xet(self, client: httpx2.Client, path: str, data: bytes) -> str:
        xorb = Xorb([data[start : start + 60_000] for start in range(0, len(data), 60_000)])
        file = File([Part(xorb, 0, -(-len(data) // 60_000))])
        token = self.send(client, "GET", f"/api/models/{REPO}/xet-write-token/main")
        headers = {"authorization": f"Bearer {token['accessToken']}"}
        self.send(client, "POST", f"{token['casUrl']}/v1/xorbs/default/{xorb.hash}", content=xorb.body, headers=headers)
        self.send(client, "POST", f"{token['casUrl']}/v1/shards", content=shard(file), headers=headers)
        return self.commit_pointer(client, path, self.attempted[path], len(data))

    def by_git(self, client: httpx2.Client, path: str, data: bytes) -> str:
        folder = self.folder / path.replace("/", "-")
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_bytes(data)
        address = f"http://x:{self.platform.token}@{str(client.base_url).removeprefix('http://').rstrip('/')}/{REPO}"

        def git(*arguments: str) -> str:
            identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "http.lowSpeedTime=20"]
            command = ["git", "-C", str(folder), *identity, *arguments]
            environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
            done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=True, env=environment)
            return done.stdout.strip()

        git("init", "-q")
        git("add", ".")
        git("commit", "-q", "-m", path)
        git("push", "-q", address, f"HEAD:refs/heads/{path.replace('/', '-')}")
        return git("rev-parse", "HEAD")

    def by_xet_client(self, _client: httpx2.Client, path: str, data: bytes) -> str:
        """As a user does: huggingface_hub with hf_xet, in a process of its own that remembers nothing."""
        home = self.folder / path.replace("/", "-")
        home.mkdir()
        (home / "file").write_bytes(data)
        chosen = {"HF_ENDPOINT": self.platform.url, "HF_TOKEN": self.platform.token, "HF_HOME": str(home / "hf")}
        command = [sys.executable, "-c", _UPLOAD, str(home / "file"), path, REPO]
        environment = {**os.environ, **chosen}
        done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=True, env=environment)
        return done.stdout.split()[-1]

    def commit_pointer(self, client: httpx2.Client, path: str, sha256: str, size: int) -> str:
        lines = [
            {"key": "header", "value": {"summary": path, "description": ""}},
            {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": sha256, "size": size}},
            {"key": "file", "value": {"path": path + ".txt", "content": base64.b64encode(b"x").decode()}},
        ]
        body = "\n".join(json.dumps(line) for line in lines)
        answer = self.send(client, "POST", f"/api/models/{REPO}/commit/main", content=body, headers=NDJSON)
        return str(answer["commitOid"])

    def send(self, client: httpx2.Client, method: str, address: str, **options: object) -> dict:
        answer = client.request(method, address, **options)
        if answer.status_code == 500:
            self.unforeseen.append(f"{method} {address}: {answer.text[:500]}")
        if answer.status_code >= 300:
            raise Refused(answer.text)
        return answer.json() if answer.content else {}


@pytest.fixture(params=["sqlite-folder", "postgresql-bucket"])
def stores(request: pytest.FixtureRequest, running: Callable[[dict[str, str]], Platform]) -> Platform:
    """A platform on either pair of stores, with the shortest grace period that clocks allow."""
    chosen = {"THOLOS_GC_GRACE_S": "8", "THOLOS_PACK_MIN_BYTES": "100000", "THOLOS_SCAN_PUSHES": "false"}
    if request.param == "postgresql-bucket":
        chosen["THOLOS_DATABASE_URL"] = request.getfixturevalue("empty_database")
        chosen |= {f"THOLOS_{name.upper()}": text for name, text in request.getfixturevalue("bucket").items()}
    return running(chosen)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_killed_during_thirty_uploads(stores: Platform, tmp_path: Path) -> None:
    work_and_kill(stores, tmp_path, uploads=UPLOADS, pause_s=(0.5, 6.0))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_killed_during_a_thousand_uploads(stores: Platform, tmp_path: Path) -> None:
    work_and_kill(stores, tmp_path, uploads=1000, pause_s=(0.5, 5.0))


def work_and_kill(platform: Platform, folder: Path, *, uploads: int, pause_s: tuple[float, float]) -> None:
    dice = random.Random()
    with connected(platform) as client:
        client.post("/api/v1/repos", json={"kind": "model", "name": REPO}).raise_for_status()
    traffic = Traffic(platform, folder)
    over = threading.Event()

    def work(seed: int) -> None:
        own = random.Random(seed)
        while not over.is_set():
            traffic.one(own)
            time.sleep(0.05)

    workers = [threading.Thread(target=work, args=(dice.random(),)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    kills = 0
    try:
        while kills < 3 or len(traffic.attempted) < uploads or len(traffic.acknowledged) < uploads // 3:
            deadline = time.monotonic() + 240
            while not serving(platform):
                assert time.monotonic() < deadline, "it does not come back"
                time.sleep(0.05)
            time.sleep(dice.uniform(*pause_s))
            kill(platform, ("gateway", "agent", "job")[kills % 3])
            kills += 1
    finally:
        over.set()
        for worker in workers:
            worker.join(timeout=120)
    assert not traffic.unforeseen
    platform.kill()
    platform.start()
    check(platform, traffic)


def connected(platform: Platform, timeout: float = 60) -> httpx2.Client:
    headers = {"authorization": f"Bearer {platform.token}"}
    return httpx2.Client(base_url=platform.url, headers=headers, timeout=timeout, verify=False)


def serving(platform: Platform) -> bool:
    with suppress(OSError, ValueError, HTTPException):
        address = urlsplit(platform.url)
        with closing(HTTPConnection(str(address.hostname), address.port, timeout=10)) as connection:
            connection.request("GET", "/health/live")
            return connection.getresponse().status == 200
    return False


def kill(platform: Platform, what: str) -> None:
    """At some moment at which it serves: an agent with all it owns, the gateways, or the jobs that are running."""
    assert platform.process is not None
    if what == "agent":
        platform.kill()
        platform.start()
        return
    module = {"gateway": "tholos.server", "job": "tholos.jobs.child"}[what]
    for child in psutil.Process(platform.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if module in child.cmdline():
                child.kill()


def check(platform: Platform, traffic: Traffic) -> None:
    """Every acknowledged commit has its file; whatever shows was attempted, and is whole."""
    chosen = {name.removeprefix("THOLOS_").lower(): text for name, text in platform.environment.items()}
    settings = Settings(**chosen)
    blobs = open_blob_store(settings)
    with closing(Database(settings.resolved_database_url)) as database:
        report = verify(database, blobs)
        assert report.is_sound, report.damage[:20]
        with database.read() as read:
            shown = dict(read.execute(select(Revision.commit_id, Revision.message)).all())
    assert set(traffic.acknowledged.values()) <= shown.keys()
    with connected(platform) as client:
        for revision, message in shown.items():
            path = message.strip()
            if path == "Initial commit":
                continue
            answer = client.get(f"/api/v1/models/{REPO}/files/{revision}/{path}").raise_for_status()
            assert hashlib.sha256(answer.content).hexdigest() == traffic.attempted[path]
