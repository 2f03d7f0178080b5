"""Large files in parts: by the stock client, and by hand with everything that can be wrong with parts."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from huggingface_hub import HfApi, constants
from wire_requests import commit_lines, lfs_line

from tholos.accounts.authorization import Actor
from tholos.hub.storage import collection
from tholos.kit.blobs import StoreUnreachable
from tholos.kit.blobs.parts import PartWriter
from tholos.kit.services import Services

REPO = "ada/penguins"
PART = 4096
DATA = os.urandom(3 * PART + 1000)
OID = hashlib.sha256(DATA).hexdigest()
BOTH = ["basic", "multipart"]


@pytest.fixture
def configure(app: FastAPI, services: Services) -> Callable[..., None]:
    """The server with other settings from now on: `configure(lfs_part_bytes=5000)`."""

    def run(**changes: Any) -> None:
        app.state.services = replace(services, settings=services.settings.model_copy(update=changes))

    run(lfs_multipart_bytes=PART, lfs_part_bytes=PART)
    return run


def request_batch(client: Any, *objects: tuple[str, int], transfers: list[str] = BOTH) -> dict[str, Any]:
    wanted = {
        "operation": "upload",
        "transfers": transfers,
        "objects": [{"oid": oid, "size": size} for oid, size in objects],
        "ref": {"name": "main"},
    }
    answer = client.post(f"/{REPO}.git/info/lfs/objects/batch", json=wanted)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@dataclass
class Sending:
    """One file on its way, by the addresses of a batch."""

    client: Any
    href: str
    addresses: list[str]
    oid: str = OID
    size: int = PART

    def put(self, number: int, data: bytes) -> Any:
        return self.client.put(self.addresses[number - 1], content=data)

    def etag(self, number: int, data: bytes = DATA) -> dict[str, Any]:
        answer = self.put(number, data[(number - 1) * self.size : number * self.size])
        assert answer.status_code == 200, answer.text
        return {"partNumber": number, "etag": answer.headers["etag"]}

    def complete(self, parts: list[Any], **changes: Any) -> Any:
        return self.client.post(self.href, json={"oid": self.oid, "parts": parts, **changes})


def begin(client: Any, data: bytes = DATA) -> Sending:
    oid = hashlib.sha256(data).hexdigest()
    found = request_batch(client, (oid, len(data)))
    assert found["transfer"] == "multipart"
    action = found["objects"][0]["actions"]["upload"]
    header = dict(action["header"])
    size = int(header.pop("chunk_size"))
    return Sending(client, action["href"], [header[number] for number in sorted(header)], oid, size)


@pytest.fixture
def sending(configure: Callable[..., None], repo: str, as_ada: TestClient, anyone: TestClient) -> Sending:
    """Four parts, wanted from Ada; none of them sent. The addresses are used without a token, as clients do."""
    found = begin(as_ada)
    found.client = anyone
    assert len(found.addresses) == 4
    return found


def refused(answer: Any, status: int, code: str, text: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert text in answer.json()["error"]


def holds(services: Services, data: bytes = DATA) -> bool:
    return services.blobs.exists(hashlib.sha256(data).hexdigest())


def staged(services: Services) -> list[str]:
    return sorted(path.name for path in (services.settings.home / "parts").glob("*/*/*-*"))


# -- the stock client


@pytest.fixture
def api(configure: Callable[..., None], endpoint: str, ada_token: str, monkeypatch: pytest.MonkeyPatch) -> HfApi:
    """Ada's client as with HF_HUB_DISABLE_XET=1."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    api = HfApi(endpoint, token=ada_token)
    api.create_repo(REPO)
    return api


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's own
def test_the_stock_client_sends_a_large_file_in_parts(
    api: HfApi, services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    sent: list[int] = []
    finish, failures = PartWriter.finish, [StoreUnreachable("For a moment.")]

    def counted(self: PartWriter) -> Any:
        sent.append(self.number)
        if self.number == 2 and failures:
            raise failures.pop()
        return finish(self)

    monkeypatch.setattr(PartWriter, "finish", counted)
    (tmp_path / "w.bin").write_bytes(b"\0" + DATA)
    api.upload_file(path_or_fileobj=tmp_path / "w.bin", path_in_repo="w.bin", repo_id=REPO)
    assert sent == [1, 2, 2, 3, 4]  # the one that failed was sent again alone
    path = api.hf_hub_download(REPO, "w.bin", local_dir=tmp_path / "there")
    with open(path, "rb") as file:  # noqa: PTH123 - what the client gave is a text
        assert file.read() == b"\0" + DATA
    assert staged(services) == []
    api.upload_file(path_or_fileobj=io.BufferedReader(io.BytesIO(b"\0small")), path_in_repo="s.bin", repo_id=REPO)
    assert len(sent) == 5


# -- by hand


def test_parts_come_in_any_order_and_more_than_once(sending: Sending, services: Services, as_ada: TestClient) -> None:
    etags = {number: sending.etag(number) for number in (4, 2, 1, 3, 2)}
    assert not holds(services)
    done = sending.complete([etags[number] for number in (1, 2, 3, 4)])
    assert (done.status_code, done.json()) == (200, {"oid": OID, "size": len(DATA)})
    assert holds(services)
    assert staged(services) == []
    assert as_ada.post(
        f"/api/models/{REPO}/commit/main", content=commit_lines({}, more=(lfs_line("w.bin", DATA),))
    ).is_success
    assert as_ada.get(f"/{REPO}/resolve/main/w.bin").content == DATA
    # a client that did not hear the answer asks again
    assert sending.complete([etags[number] for number in (1, 2, 3, 4)]).status_code == 200
    assert sending.etag(1) == etags[1]
    assert staged(services) == []
    assert "actions" not in request_batch(as_ada, (OID, len(DATA)))["objects"][0]


def test_what_was_sent_counts_for_the_next_batch(sending: Sending, as_ada: TestClient) -> None:
    first = [sending.etag(1), sending.etag(2)]
    again = begin(as_ada)
    assert again.complete([*first, again.etag(3), again.etag(4)]).status_code == 200


def test_who_is_asked_for_parts(configure: Callable[..., None], repo: str, as_ada: TestClient) -> None:
    small = ("1" * 64, PART)
    assert request_batch(as_ada, small)["transfer"] == "basic"
    assert request_batch(as_ada, (OID, len(DATA)), transfers=["basic"])["transfer"] == "basic"
    assert request_batch(as_ada, (OID, len(DATA)), transfers=[])["transfer"] == "basic"
    both = request_batch(as_ada, small, (OID, len(DATA)), ("2" * 64, -1))
    assert both["transfer"] == "multipart"
    assert [list(item.get("actions", {}).get("upload", {}).get("header", {})) for item in both["objects"]] == [
        ["chunk_size", "00001"],
        ["chunk_size", "00001", "00002", "00003", "00004"],
        [],
    ]
    configure(lfs_multipart_bytes=PART, lfs_part_bytes=PART, max_blob_bytes=10**9)
    many = request_batch(as_ada, (OID, 500 * PART))["objects"][0]["actions"]["upload"]["header"]
    assert (len(many) - 1, many["chunk_size"]) == (100, str(5 * PART))
    configure(lfs_multipart_bytes=PART, max_blob_bytes=500 * PART)
    assert request_batch(as_ada, ("3" * 64, 501 * PART), small)["transfer"] == "basic"  # what is refused is not sent
    configure(lfs_multipart_bytes=0)
    assert request_batch(as_ada, (OID, len(DATA)))["transfer"] == "basic"


def test_parts_of_another_size_are_refused(sending: Sending, services: Services) -> None:
    refused(sending.put(1, DATA[: PART - 1]), 400, "wrong_part_size", f"exactly {PART:,} bytes")
    refused(sending.put(1, DATA[: PART + 1]), 400, "wrong_part_size", f"exactly {PART:,} bytes")
    refused(sending.put(4, DATA[:PART]), 400, "wrong_part_size", "exactly 1,000 bytes")
    for pieces in ([DATA[: PART - 1]], [DATA[:PART], b"1"]):  # of which the client says no length
        answer = sending.client.put(sending.addresses[0], content=iter(pieces))
        refused(answer, 400, "wrong_part_size", f"exactly {PART:,} bytes")
    for number in ("0", "5", "99999"):
        answer = sending.client.put(sending.addresses[0].replace("/parts/1?", f"/parts/{number}?"), content=b"")
        refused(answer, 422, "invalid_parts", "There is no part")
    for number in ("-1", "x", "123456789", "%E0%B8%91"):
        answer = sending.client.put(sending.addresses[0].replace("/parts/1?", f"/parts/{number}?"), content=b"")
        refused(answer, 422, "invalid_parts", "There is no part")
    assert staged(services) == []


def test_a_completion_names_every_part_once_and_in_order(sending: Sending, services: Services) -> None:
    one, two, three, four = (sending.etag(number) for number in (1, 2, 3, 4))
    wrong = {
        "2 is not named": [one, three, four],
        "1, 2, 3, 4 are not named": [],
        "4 is not named": [one, two, three],
        "Part 2 is named twice": [one, two, two, three, four],
        "not in the order": [two, one, three, four],
        "parts 1 to 4, no other": [one, two, three, four, {"partNumber": 5, "etag": "x"}],
        "2 is not here": [one, {"partNumber": 2, "etag": one["etag"]}, three, four],
        "3 is not here": [one, two, {"partNumber": 3, "etag": '"../../../x"'}, four],
    }
    for text, parts in wrong.items():
        refused(sending.complete(parts), 422, "invalid_parts", text)
    for parts in ([1], [{}], [{"partNumber": True, "etag": "x"}], [{"partNumber": 1}], [{"partNumber": "1"}], "x", {}):
        answer = sending.complete(parts)  # type: ignore[arg-type]
        assert answer.status_code in (400, 422), answer.text
    refused(sending.complete([one, two, three, four], oid="1" * 64), 400, "invalid_input", "not that of the address")
    for body in (b"", b"[]", b"{", b'{"oid":'):
        assert sending.client.post(sending.href, content=body).status_code == 400
    assert sending.client.post(sending.href, content=b" " * ((1 << 20) + 1)).status_code == 413
    assert not holds(services)
    assert len(staged(services)) == 4  # a wrong completion costs no part
    assert sending.complete([one, two, three, four]).status_code == 200


def test_a_part_that_did_not_arrive_is_missed(sending: Sending) -> None:
    parts = [sending.etag(number) for number in (1, 2, 4)]
    third = {"partNumber": 3, "etag": hashlib.sha256(DATA[2 * PART : 3 * PART]).hexdigest()}
    refused(sending.complete([*parts[:2], third, parts[2]]), 422, "invalid_parts", "3 is not here")
    assert sending.complete([*parts[:2], sending.etag(3), parts[2]]).status_code == 200


def test_other_content_than_announced_is_not_kept(sending: Sending, services: Services) -> None:
    other = os.urandom(len(DATA))
    parts = [sending.etag(number, other) for number in (1, 2, 3, 4)]
    refused(sending.complete(parts), 400, "blob_mismatch", OID)
    assert staged(services) == []
    assert not holds(services)
    assert not holds(services, other)
    assert sending.complete([sending.etag(number) for number in (1, 2, 3, 4)]).status_code == 200


def test_a_part_sent_again_with_other_content_takes_the_place(sending: Sending, services: Services) -> None:
    first = sending.put(1, os.urandom(PART)).headers["etag"]
    rest = [sending.etag(number) for number in (2, 3, 4)]
    right = sending.etag(1)
    assert len(staged(services)) == 4
    refused(sending.complete([{"partNumber": 1, "etag": first}, *rest]), 422, "invalid_parts", "1 is not here")
    assert sending.complete([right, *rest]).status_code == 200


def test_addresses_are_for_one_file_of_one_account(
    sending: Sending, as_ada: TestClient, as_bob: TestClient, anyone: TestClient, services: Services
) -> None:
    parts = [sending.etag(number) for number in (1, 2, 3, 4)]
    # bob has the same file and a repo of the same settings: what Ada has staged is nothing to him
    as_bob.post("/api/repos/create", json={"name": "penguins", "organization": None}).raise_for_status()
    address = "/bob/penguins.git/info/lfs/objects/batch"
    batch = {"operation": "upload", "transfers": BOTH, "objects": [{"oid": OID, "size": len(DATA)}]}
    action = as_bob.post(address, json=batch).json()["objects"][0]["actions"]["upload"]
    refused(as_bob.post(action["href"], json={"oid": OID, "parts": parts}), 422, "invalid_parts", "are not here")
    assert as_bob.post(f"/{REPO}.git/info/lfs/objects/batch", json=batch).status_code == 404
    # an address is for its file, and only as it was given out
    grant = sending.href.partition("grant=")[2]
    elsewhere = f"/{REPO}.git/info/lfs/objects/{'1' * 64}/parts"
    assert anyone.put(f"{elsewhere}/1?grant={grant}", content=DATA[:PART]).status_code == 403
    answer = anyone.post(f"{elsewhere}?grant={grant}", json={"oid": "1" * 64, "parts": parts})
    assert answer.status_code == 403
    for wrong in ("", "x", grant[:-4], grant[:20] + "A" + grant[21:]):
        assert anyone.put(sending.addresses[0].replace(grant, wrong), content=DATA[:PART]).status_code == 403
    basic = as_ada.post(
        f"/{REPO}.git/info/lfs/objects/batch", json=batch | {"transfers": ["basic"], "ref": {"name": "main"}}
    ).json()["objects"][0]["actions"]["upload"]["href"]
    assert anyone.put(sending.addresses[0].replace(grant, basic.partition("grant=")[2])).status_code == 403
    assert sending.complete(parts).status_code == 200


def test_addresses_expire(
    configure: Callable[..., None], repo: str, as_ada: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tholos.wire.huggingface.multipart._LIFETIME_S", -1)
    late = begin(as_ada)
    refused(late.put(1, DATA[:PART]), 403, "invalid_signature", "expired")
    refused(late.complete([]), 403, "invalid_signature", "expired")


def test_rights_that_ended_end_an_upload(sending: Sending, services: Services, as_ada: TestClient) -> None:
    parts = [sending.etag(number) for number in (1, 2, 3, 4)]
    as_ada.request("DELETE", "/api/repos/delete", json={"name": "penguins", "organization": "ada"}).raise_for_status()
    assert sending.put(1, DATA[:PART]).status_code == 404
    assert sending.complete(parts).status_code == 404
    assert not holds(services)


def test_quotas_and_limits_hold_as_for_any_upload(
    sending: Sending, configure: Callable[..., None], anyone: TestClient, as_ada: TestClient, admin_token: str
) -> None:
    def quota(size: int) -> None:
        headers = {"authorization": f"Bearer {admin_token}"}
        anyone.put("/api/v1/users/ada/quota", json={"max_bytes": size}, headers=headers).raise_for_status()

    parts = [sending.etag(number) for number in (1, 2, 3)]
    quota(len(DATA))
    refused(sending.put(4, DATA[3 * PART :]), 403, "quota_exceeded", "do not fit")
    quota(len(DATA) * 2)
    parts.append(sending.etag(4))
    # what lies here for one file leaves less for the next
    more = os.urandom(len(DATA) + PART)
    other = begin(as_ada, more)
    refused(other.put(1, more[:PART]), 403, "quota_exceeded", "do not fit")
    quota(len(DATA))
    refused(sending.complete(parts), 403, "quota_exceeded", "do not fit")
    quota(len(DATA) * 2)
    configure(lfs_multipart_bytes=PART, lfs_part_bytes=PART, max_blob_bytes=len(DATA) - 1)
    refused(sending.complete(parts), 413, "blob_too_large", "larger than")
    error = request_batch(as_ada, (OID, len(DATA)))["objects"][0]["error"]
    assert error["code"] == 413
    configure(lfs_multipart_bytes=PART, lfs_part_bytes=PART)
    assert sending.complete(parts).status_code == 200


def test_abandoned_parts_are_swept(sending: Sending, services: Services, admin: Actor) -> None:
    sending.etag(1)
    collection.collect(services.database, services.blobs, admin, grace_s=0)
    assert len(staged(services)) == 1  # a day has not passed
    old = time.time() - 25 * 3600
    (folder,) = (services.settings.home / "parts").glob("*/*")
    for path in (*folder.iterdir(), folder):
        os.utime(path, (old, old))
    late = sending.etag(2)
    collection.collect(services.database, services.blobs, admin, grace_s=0)
    assert len(staged(services)) == 2  # something came yesterday, but something came just now
    for path in (*folder.iterdir(), folder):
        os.utime(path, (old, old))
    assert collection.collect(services.database, services.blobs, admin, grace_s=0).temporaries >= 1
    assert not folder.exists()
    refused(
        sending.complete([sending.etag(1), late, sending.etag(3), sending.etag(4)]), 422, "invalid_parts", "2 is not"
    )


def test_completions_at_the_same_time_make_one_file(sending: Sending, services: Services) -> None:
    from concurrent.futures import ThreadPoolExecutor

    parts = [sending.etag(number) for number in (1, 2, 3, 4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: sending.complete(parts).status_code, range(4)))
    assert answers == [200] * 4
    assert staged(services) == []


@pytest.mark.long
def test_what_was_acknowledged_outlives_a_kill(own_platform: Any) -> None:
    own_platform.environment |= {"THOLOS_LFS_MULTIPART_BYTES": str(PART), "THOLOS_LFS_PART_BYTES": str(PART)}
    own_platform.stop()
    own_platform.start()
    headers = {"authorization": f"Bearer {own_platform.token}"}
    with httpx2.Client(base_url=own_platform.url, headers=headers, timeout=60) as client:
        client.post("/api/repos/create", json={"name": "penguins", "organization": None}).raise_for_status()
        wanted = {"operation": "upload", "transfers": BOTH, "objects": [{"oid": OID, "size": len(DATA)}]}
        action = client.post("/admin/penguins.git/info/lfs/objects/batch", json=wanted).json()["objects"][0]
    header = dict(action["actions"]["upload"]["header"])
    assert header.pop("chunk_size") == str(PART)
    sending = Sending(None, action["actions"]["upload"]["href"], [header[number] for number in sorted(header)])
    parts: list[Any] = []
    before = own_platform.url
    for number in (1, 2, 3, 4):
        sending.addresses = [address.replace(before, own_platform.url) for address in sending.addresses]
        before = own_platform.url
        with httpx2.Client(timeout=60) as client:
            sending.client = client
            parts.append(sending.etag(number))
        if number in (2, 4):
            own_platform.kill()
            own_platform.start()
    path = sending.href[sending.href.index("/admin/") :]
    with httpx2.Client(base_url=own_platform.url, headers=headers, timeout=60) as client:
        assert client.post(path, json={"oid": OID, "parts": parts}).json() == {"oid": OID, "size": len(DATA)}
        wanted = {"operation": "upload", "transfers": BOTH, "objects": [{"oid": OID, "size": len(DATA)}]}
        found = client.post("/admin/penguins.git/info/lfs/objects/batch", json=wanted).json()
    assert "actions" not in found["objects"][0]
