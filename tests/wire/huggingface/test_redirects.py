"""Large files of a bucket: where the operator wants it, the stock client fetches them from the bucket itself."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from huggingface_hub import HfApi

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.kit.blobs import open_blob_store
from tholos.kit.services import Services

LARGE = os.urandom(300_000)


@pytest.fixture
def store_kind() -> str:
    return "bucket"


@pytest.fixture
def redirecting(app: FastAPI, services: Services, repo: str, ada: Actor) -> None:
    """Ada's model with a large and a small file, on a server that sends clients to its bucket."""
    with services.database.read() as read:
        found = hub.get_repo(read, ada, hub.RepoKind.MODEL, repo)
    operations = [hub.AddBytes("large.bin", LARGE), hub.AddBytes("small.txt", b"small")]
    hub.commit(services.database, services.blobs, ada, found, operations, "Add")
    chosen = services.settings.model_copy(update={"s3_redirect_downloads": True})
    app.state.services = replace(services, settings=chosen, blobs=open_blob_store(chosen))


@pytest.mark.usefixtures("redirecting")
def test_a_large_file_is_fetched_from_the_bucket(
    as_ada: TestClient, as_bob: TestClient, bucket_service: str, repo: str
) -> None:
    address = f"/{repo}/resolve/main/large.bin"
    for method in ("HEAD", "GET"):
        answer = as_ada.request(method, address)
        assert answer.status_code == 302
        assert urlsplit(answer.headers["location"]).netloc == urlsplit(bucket_service).netloc
        assert answer.headers["x-linked-size"] == str(len(LARGE))
        assert answer.headers["x-linked-etag"] == answer.headers["etag"]
        assert len(answer.headers["x-repo-commit"]) == 40
        assert answer.headers["cache-control"] == "no-store"
    part = httpx2.get(answer.headers["location"], headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, LARGE[10:20])
    assert as_bob.get(address).status_code == 404
    assert as_ada.get(address, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    small = as_ada.get(f"/{repo}/resolve/main/small.txt")
    assert (small.status_code, small.content) == (200, b"small")


@pytest.mark.usefixtures("redirecting")
def test_the_stock_client_follows(
    endpoint: str, ada_token: str, repo: str, tmp_path: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(type(services.blobs), "open", lambda _, sha256: opened.append(sha256))
    api = HfApi(endpoint, token=ada_token)
    found = api.hf_hub_download(repo, "large.bin", cache_dir=tmp_path)
    assert Path(found).read_bytes() == LARGE
    assert not opened  # nothing of it came through the server
