"""Gated repos with the stock client: it raises its own exceptions, lists requests, and decides them."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

REPO = "ada/penguins"
CONTENT = b"\0weights" * 1000


@pytest.fixture
def ada_api(endpoint: str, ada_token: str) -> HfApi:
    api = HfApi(endpoint, token=ada_token)
    api.create_repo(REPO, private=True)
    api.upload_file(path_or_fileobj=CONTENT, path_in_repo="weights.bin", repo_id=REPO)
    api.update_repo_settings(REPO, private=False, gated="manual")
    return api


@pytest.fixture
def bob_api(endpoint: str, bob_token: str) -> HfApi:
    return HfApi(endpoint, token=bob_token)


def test_the_stock_client_meets_a_gate(ada_api: HfApi, bob_api: HfApi, bob_token: str, tmp_path: Path):
    assert bob_api.model_info(REPO).gated == "manual"
    assert [model.id for model in bob_api.list_models(gated=True)] == [REPO]
    assert list(bob_api.list_models(gated=False)) == []
    assert "weights.bin" in bob_api.list_repo_files(REPO)
    with pytest.raises(GatedRepoError):
        bob_api.auth_check(REPO)
    for token in (bob_token, False):
        with pytest.raises(GatedRepoError):
            bob_api.hf_hub_download(REPO, "weights.bin", local_dir=tmp_path / "refused", token=token)
        assert not list((tmp_path / "refused").glob("weights*"))
    with pytest.raises(HfHubHTTPError):
        list(bob_api.list_pending_access_requests(REPO, repo_type="model"))
    ada_api.grant_access(REPO, "bob", repo_type="model")
    bob_api.auth_check(REPO)
    there = bob_api.hf_hub_download(REPO, "weights.bin", local_dir=tmp_path / "granted")
    assert Path(there).read_bytes() == CONTENT
    with pytest.raises(HfHubHTTPError):
        ada_api.grant_access(REPO, "bob", repo_type="model")
    with pytest.raises(HfHubHTTPError):
        ada_api.grant_access(REPO, "nobody", repo_type="model")


def test_the_stock_client_decides_requests(ada_api: HfApi, bob_api: HfApi, as_bob):
    assert list(ada_api.list_pending_access_requests(REPO, repo_type="model")) == []
    as_bob.post(f"/api/v1/models/{REPO}/access", json={}).raise_for_status()
    (pending,) = ada_api.list_pending_access_requests(REPO, repo_type="model")
    assert (pending.username, pending.status, pending.fields) == ("bob", "pending", None)
    ada_api.accept_access_request(REPO, "bob", repo_type="model")
    assert [it.username for it in ada_api.list_accepted_access_requests(REPO, repo_type="model")] == ["bob"]
    bob_api.auth_check(REPO)
    ada_api.cancel_access_request(REPO, "bob", repo_type="model")
    with pytest.raises(GatedRepoError):
        bob_api.auth_check(REPO)
    ada_api.reject_access_request(REPO, None, request_id=pending.request_id, repo_type="model", rejection_reason="no")
    (rejected,) = ada_api.list_rejected_access_requests(REPO, repo_type="model")
    assert rejected.request_id == pending.request_id
    with pytest.raises(HfHubHTTPError):
        bob_api.cancel_access_request(REPO, "bob", repo_type="model")
    with pytest.raises(HfHubHTTPError):
        ada_api.accept_access_request(REPO, "nobody", repo_type="model")
    ada_api.update_repo_settings(REPO, gated=False)
    bob_api.auth_check(REPO)
