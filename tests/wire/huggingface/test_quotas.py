"""Quotas as the stock client meets them: an error with the sentence, by each of its transports."""

from __future__ import annotations

import io
import os

import huggingface_hub.utils._http
import pytest
from fastapi.testclient import TestClient
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

REPO = "ada/penguins"
LIMIT = 200_000


@pytest.fixture
def api(endpoint: str, ada_token: str, anyone: TestClient, admin_token: str) -> HfApi:
    api = HfApi(endpoint, token=ada_token)
    api.create_repo(REPO)
    anyone.put(
        "/api/v1/users/ada/quota", json={"max_bytes": LIMIT}, headers={"authorization": f"Bearer {admin_token}"}
    ).raise_for_status()
    return api


def test_a_file_that_does_not_fit_is_refused_with_the_sentence(api: HfApi):
    large = b"\0" + os.urandom(300_000)
    with pytest.raises(HfHubHTTPError, match="do not fit"):  # a file object goes by LFS
        api.upload_file(path_or_fileobj=io.BufferedReader(io.BytesIO(large)), path_in_repo="a.bin", repo_id=REPO)
    with pytest.raises(Exception, match="403"):  # the Xet client keeps the sentence to itself
        api.upload_file(path_or_fileobj=large, path_in_repo="b.bin", repo_id=REPO)
    with pytest.raises(HfHubHTTPError, match="do not fit"):
        api.upload_file(path_or_fileobj=b"text " * 60_000, path_in_repo="c.txt", repo_id=REPO)
    assert api.list_repo_files(REPO) == [".gitattributes"]


def test_a_nearly_full_account_is_warned_and_a_full_one_told_before_it_sends(
    api: HfApi, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(huggingface_hub.utils._http, "_WARNED_TOPICS", set())  # it warns once in a process
    api.upload_file(path_or_fileobj=b"\0" + os.urandom(190_000), path_in_repo="a.bin", repo_id=REPO)
    assert "of the quota" in caplog.text
    rest = LIMIT - (api.model_info(REPO).used_storage or 0)
    api.upload_file(path_or_fileobj=b"t" * rest, path_in_repo="rest.txt", repo_id=REPO)
    with pytest.raises(HfHubHTTPError, match="do not fit"):
        api.upload_file(path_or_fileobj=b"\0" + os.urandom(1000), path_in_repo="b.bin", repo_id=REPO)
