from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parent.parent / "hub" / "xet"))

from xet_bodies import File, Part, shard, some_xorb

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor
from tholos.app import create_app
from tholos.hub import service as hub
from tholos.hub.errors import RepoNotFound
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind
from tholos.hub.xet import statistics
from tholos.kit.blobs import open_blob_store
from tholos.kit.blobs.chunks import decode_run
from tholos.kit.database import Database
from tholos.kit.services import Services
from tholos.wire.xet import advertisement, token_answer

Grant = Callable[..., dict[str, str]]
BASE = "http://testserver"
XORB = some_xorb(5, chunks=30)
FILE = File([Part(XORB, 2, 28)])
ANY = "ab" * 32


@pytest.fixture
def repo(services: Services, ada: Actor) -> Repo:
    return hub.create_repo(services.database, services.blobs, ada, RepoKind.MODEL, "ada/penguins")


@pytest.fixture
def grant(services: Services, ada: Actor, repo: Repo) -> Grant:
    """The headers of a Xet client: `grant("write")`."""

    def run(kind: Any = "write", actor: Actor = ada) -> dict[str, str]:
        answer = json.loads(token_answer(services, actor, repo, "main", kind, BASE).body)
        assert re.fullmatch(rf"{BASE}/xet/g\d+", answer["casUrl"])
        return {"authorization": f"Bearer {answer['accessToken']}"}

    return run


@pytest.fixture
def cas(services: Services) -> TestClient:
    return TestClient(create_app(services), base_url=f"{BASE}/xet/g1", raise_server_exceptions=False)


@pytest.fixture
def stored(cas: TestClient, grant: Grant) -> File:
    """A file that came by Xet."""
    sent = cas.post(f"/v1/xorbs/default/{XORB.hash}", content=XORB.body, headers=grant())
    assert (sent.status_code, sent.json()) == (200, {"was_inserted": True})
    registered = cas.post("/v1/shards", content=shard(FILE, xorbs=[XORB]), headers=grant())
    assert (registered.status_code, registered.json()) == (200, {"result": 1})
    return FILE


def test_the_token_is_given_in_both_forms(services: Services, ada: Actor, bob: Actor, repo: Repo):
    answer = token_answer(services, ada, repo, "main", "read", "https://hub.example/")
    body = json.loads(answer.body)
    assert body["casUrl"] == answer.headers["x-xet-cas-url"]
    assert re.fullmatch(r"https://hub\.example/xet/g\d{8,}", body["casUrl"])  # no home made before had this address
    assert body["accessToken"] == answer.headers["x-xet-access-token"]
    assert str(body["exp"]) == answer.headers["x-xet-token-expiration"]
    with pytest.raises(RepoNotFound):
        token_answer(services, bob, repo, "main", "write", BASE)
    assert advertisement(ANY, "https://hub.example/t")["link"] == '<https://hub.example/t>; rel="xet-auth"'


def test_a_file_is_fetched_as_the_plan_says(cas: TestClient, grant: Grant, stored: File):
    content = stored.content
    for header, start, end in ((None, 0, len(content)), ("bytes=0-9", 0, 10), ("bytes=50000-99999", 50_000, 100_000)):
        headers = grant("read") | ({"range": header} if header else {})
        plan = cas.get(f"/v1/reconstructions/{stored.hash}", headers=headers).json()
        got = b""
        for term in plan["terms"]:
            source = next(item for item in plan["fetch_info"][term["hash"]] if item["range"] == term["range"])
            wanted = f"bytes={source['url_range']['start']}-{source['url_range']['end']}"
            answer = cas.get(source["url"], headers={"range": wanted})  # without any token
            assert answer.status_code == 206
            got += decode_run(memoryview(answer.content), term["unpacked_length"])
        skip = plan["offset_into_first_range"]
        assert got[skip : skip + end - start] == content[start:end]
    past = cas.get(f"/v1/reconstructions/{stored.hash}", headers=grant("read") | {"range": f"bytes={len(content)}-"})
    assert past.status_code == 416


def test_a_link_gives_no_other_bytes(cas: TestClient, grant: Grant, stored: File, services: Services, ada: Actor):
    plan = cas.get(f"/v1/reconstructions/{stored.hash}", headers=grant("read")).json()
    source = plan["fetch_info"][XORB.hash][0]
    start, end = source["url_range"]["start"], source["url_range"]["end"]
    assert start > 0  # the file leaves out the first chunks of the xorb: they may be of a private one
    for wanted in (f"bytes={start - 1}-{end}", f"bytes={start}-{end + 1}", "bytes=0-", None):
        answer = cas.get(source["url"], headers={"range": wanted} if wanted else {})
        assert (answer.status_code, answer.headers["x-error-code"]) == (403, "Forbidden")
    assert cas.get(source["url"][:-3] + "abc", headers={"range": f"bytes={start}-{end}"}).status_code == 403
    with services.database.write() as write:
        accounts.revoke_key(write, ada, str(ada.key_id))
    assert cas.get(source["url"], headers={"range": f"bytes={start}-{end}"}).status_code == 401


def test_a_download_over_plain_http(services: Services, cas: TestClient, stored: File, ada: Actor, ada_token: str):
    with services.database.read() as read:
        repo = hub.get_repo(read, ada, RepoKind.MODEL, "ada/penguins")
    operation = hub.AddBlob("data.bin", stored.oid, len(stored.content))
    hub.commit(services.database, services.blobs, ada, repo, [operation], "Add")
    address = f"{BASE}/api/v1/models/ada/penguins/files/main/data.bin"
    bearer = {"authorization": f"Bearer {ada_token}"}
    assert cas.get(address, headers=bearer).content == stored.content
    part = cas.get(address, headers=bearer | {"range": "bytes=60000-60999"})
    assert (part.status_code, part.content) == (206, stored.content[60_000:61_000])


REFUSED = [
    ("GET", f"/v1/chunks/default/{ANY}", 404),
    ("GET", f"/v1/chunks/default-merkledb/{ANY}", 404),
    ("POST", f"/v1/xorb-grants/default/{ANY}", 404),
    ("POST", "/v2/shards", 404),
    ("GET", f"/v2/reconstructions/{ANY}", 404),
    ("GET", f"/v1/reconstructions/{ANY}", 404),
    ("GET", "/v1/reconstructions/nonsense", 400),
    ("HEAD", f"/v1/xorbs/default/{ANY}", 404),
    ("POST", f"/v1/xorbs/default/{ANY}", 400),
    ("POST", "/v1/xorbs/default/nonsense", 400),
    ("POST", "/v1/shards", 400),
    ("PUT", "/v1/shards", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), REFUSED)
def test_refusals_carry_a_code(cas: TestClient, grant: Grant, method: str, path: str, status: int):
    answer = cas.request(method, path, headers=grant(), content=b"x" * 3_000_000 if method == "POST" else None)
    assert answer.status_code == status
    assert answer.headers["x-error-code"]
    assert answer.headers["x-error-message"]


def test_who_may_not(cas: TestClient, grant: Grant, stored: File, services: Services, ada: Actor, ada_token: str):
    xorb = f"/v1/xorbs/default/{XORB.hash}"
    for headers in ({}, {"authorization": f"Bearer {ada_token}"}, {"authorization": "Bearer x.y"}):
        for method, path in (("POST", xorb), ("HEAD", xorb), ("POST", "/v1/shards")):
            assert cas.request(method, path, headers=headers).status_code == 401
        assert cas.get(f"/v1/reconstructions/{stored.hash}", headers=headers).status_code == 401
    assert cas.post(xorb, content=XORB.body, headers=grant("read")).status_code == 403
    assert cas.post("/v1/shards", content=shard(FILE), headers=grant("read")).status_code == 403
    assert cas.head(xorb, headers=grant("read")).headers["content-length"] == str(len(XORB.body))
    writing, reading = grant(), grant("read")
    with services.database.write() as write:
        accounts.revoke_key(write, ada, str(ada.key_id))
    assert cas.post(xorb, content=XORB.body, headers=writing).status_code == 401
    assert cas.get(f"/v1/reconstructions/{stored.hash}", headers=reading).status_code == 401


# -- the real client


@pytest.fixture
def at_platform(platform: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Runs hf-xet against the running platform: `run("upload", "write", paths=[…])`."""
    settings = platform.settings
    services = Services(settings, Database(settings.resolved_database_url), open_blob_store(settings))
    with services.database.read() as read:
        admin = accounts.authenticate(read, platform.token)
    repo = hub.ensure_repo(services.database, services.blobs, admin, RepoKind.MODEL, "admin/by-xet")

    def run(command: str, kind: Any, **wanted: Any) -> Any:
        token = json.loads(token_answer(services, admin, repo, "main", kind, platform.url).body)
        done = subprocess.run(
            [sys.executable, str(Path(__file__).parent / "xet_client.py"), command],
            input=json.dumps(token | wanted),
            env={**os.environ, "HF_XET_CACHE": str(tmp_path / "xet-cache"), "HF_HUB_DISABLE_TELEMETRY": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)["answer"]

    run.services, run.repo = services, repo  # type: ignore[attr-defined]
    yield run
    services.database.close()


def test_the_real_client_sends_and_fetches(at_platform: Any, tmp_path: Path):
    random, text, floats = tmp_path / "random.bin", tmp_path / "text.csv", tmp_path / "floats.bin"
    random.write_bytes(os.urandom(9_000_000))
    text.write_text("".join(f"{number},{number * number % 9973}\n" for number in range(300_000)))
    floats.write_bytes(b"".join(int(1.0e9 + number).to_bytes(4, "little") for number in range(500_000)))  # scheme 2
    paths = [random, text, floats]
    sent = at_platform("upload", "write", paths=[str(path) for path in paths])
    for path, file in zip(paths, sent, strict=True):
        data = path.read_bytes()
        assert (file["size"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        with at_platform.services.blobs.open(file["sha256"]) as stored:
            assert stored.read() == data
    wanted = [[str(path) + ".out", file["hash"], file["size"]] for path, file in zip(paths, sent, strict=True)]
    at_platform("download", "read", files=wanted)
    for path in paths:
        assert Path(f"{path}.out").read_bytes() == path.read_bytes()


def test_the_real_client_sends_an_edited_file_in_part(at_platform: Any, tmp_path: Path):
    path = tmp_path / "weights.bin"
    data = bytearray(os.urandom(24_000_000))
    path.write_bytes(data)
    at_platform("upload", "write", paths=[str(path)])
    with at_platform.services.database.read() as read:
        before = statistics.repo_usage(read, at_platform.repo.id)
    data[11_000_000:11_000_004] = b"edit"
    path.write_bytes(data)
    (file,) = at_platform("upload", "write", paths=[str(path)])
    assert file["sha256"] == hashlib.sha256(data).hexdigest()
    with at_platform.services.database.read() as read:
        after = statistics.repo_usage(read, at_platform.repo.id)
    assert after.logical_bytes - before.logical_bytes == len(data)
    assert after.stored_bytes - before.stored_bytes < len(data) * 0.02
