from __future__ import annotations

import hashlib
import os
import resource
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tholos.kit.blobs import (
    BlobMismatch,
    BlobNotFound,
    BlobStore,
    DiskFull,
    LocalBlobStore,
    StoreUnreachable,
    open_blob_store,
)
from tholos.kit.errors import InvalidInput
from tholos.kit.settings import Settings

PUT_FOR_EVER = """
import sys, os
from pathlib import Path
from tholos.kit.blobs import LocalBlobStore
store = LocalBlobStore(Path(sys.argv[1]))
while True:
    print(store.put_bytes(os.urandom(300_000)).sha256, flush=True)
"""


@pytest.fixture(params=["folder", "bucket"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> BlobStore:
    """Every test holds for either."""
    chosen = {} if request.param == "folder" else request.getfixturevalue("bucket")
    return open_blob_store(Settings(home=tmp_path, **chosen))


def names(store: BlobStore) -> set[tuple[str, str]]:
    return {(item.kind, item.name) for item in store.listing()}


def test_what_goes_in_comes_out(store: BlobStore) -> None:
    data = os.urandom(3_000_000)
    blob = store.put_bytes(data)
    assert (blob.sha256, blob.size) == (hashlib.sha256(data).hexdigest(), len(data))
    with store.open(blob.sha256) as file:
        assert file.read() == data
    assert store.put_bytes(data) == blob


def test_a_file_is_copied(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"hello")
    assert store.path(store.put_file(tmp_path / "file").sha256).read_bytes() == b"hello"


def test_lying_bytes_are_not_kept(store: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(BlobMismatch), store.writer() as writer:
        writer.write(b"hello")
        writer.finish("0" * 64)
    assert not store.exists(hashlib.sha256(b"hello").hexdigest())
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []


def test_an_abandoned_upload_is_not_kept(store: BlobStore, tmp_path: Path) -> None:
    with store.writer() as writer:
        writer.write(b"half")
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []


def test_a_name_that_is_no_hash_reaches_no_file(store: BlobStore) -> None:
    for name in ("../../etc/passwd", "", "A" * 64, "0" * 63 + "/"):
        with pytest.raises(InvalidInput):
            store.path(name)
    with pytest.raises(BlobNotFound):
        store.open("0" * 64)


def test_a_full_disk_is_said_and_keeps_nothing(store: BlobStore, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # the kernel then refuses to write on
    try:
        with pytest.raises(DiskFull):
            store.put_bytes(bytes(200_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []


def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path / "blobs")
    root = tmp_path / "blobs"
    process = subprocess.Popen([sys.executable, "-c", PUT_FOR_EVER, str(root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(20)]
    process.kill()
    acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    for sha256 in acknowledged:
        assert hashlib.sha256(store.path(sha256).read_bytes()).hexdigest() == sha256
    for path in root.glob("??/??/*"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    store.sweep(older_than_s=-1)
    assert list((root / "incoming").iterdir()) == []


def test_what_is_listed_and_removed(store: BlobStore) -> None:
    blob = store.put_bytes(b"hello")
    (item,) = store.listing()
    assert (item.kind, item.name, item.size) == ("blob", blob.sha256, 5)
    assert abs((item.stored_at - blob.stored_at).total_seconds()) < 60
    with store.open_stored("blob", blob.sha256) as file:
        assert file.read() == b"hello"
    store.remove("blob", blob.sha256)
    store.remove("blob", blob.sha256)
    assert names(store) == set()
    assert not store.exists(blob.sha256)
    with pytest.raises(BlobNotFound):
        store.open(blob.sha256)
    with pytest.raises(BlobNotFound):
        store.open_stored("blob", blob.sha256)


# -- a bucket


def test_a_large_file_goes_in_parts_and_is_read_by_ranges(tmp_path: Path, bucket: dict[str, str]) -> None:
    data = os.urandom(40_000_000)
    here, elsewhere = (open_blob_store(Settings(home=tmp_path / name, **bucket)) for name in ("a", "b"))
    with here.writer() as writer:
        for start in range(0, len(data), 1 << 20):
            writer.write(data[start : start + (1 << 20)])
        blob = writer.finish()
    with elsewhere.open(blob.sha256) as file:  # another machine, with nothing in its cache
        for start, end in ((0, 10), (17_000_000, 35_000_000), (len(data) - 5, len(data))):
            file.seek(start)
            assert file.read(end - start) == data[start:end]
    assert list((tmp_path / "b" / "cache" / "blobs").glob("*/*")) == []
    assert elsewhere.path(blob.sha256).read_bytes() == data


def test_a_cache_may_vanish(tmp_path: Path, bucket: dict[str, str]) -> None:
    store = open_blob_store(Settings(home=tmp_path, blob_cache_bytes=0, **bucket))
    blob = store.put_bytes(b"hello")
    for path in (tmp_path / "cache" / "blobs").glob("*/*"):
        path.unlink()
    assert store.path(blob.sha256).read_bytes() == b"hello"
    with store.open(blob.sha256) as file:
        assert file.read() == b"hello"


def test_a_bucket_that_is_away_is_said(tmp_path: Path, bucket: dict[str, str]) -> None:
    with socket.socket() as deaf:  # takes connections and never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        for endpoint in (f"http://127.0.0.1:{deaf.getsockname()[1]}", "http://127.0.0.1:1"):
            chosen = {**bucket, "s3_endpoint": endpoint, "s3_timeout_s": 0.3}
            store = open_blob_store(Settings(home=tmp_path, **chosen))
            for ask in (
                lambda store=store: store.put_bytes(b"hello"),
                lambda store=store: store.exists("0" * 64),
                lambda store=store: store.open("0" * 64),
                lambda store=store: list(store.listing()),
                lambda store=store: store.remove("blob", "0" * 64),
            ):
                with pytest.raises(StoreUnreachable) as said:
                    ask()
                assert "tholos" in said.value.message
                assert said.value.next
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []


def test_clients_are_sent_to_the_bucket_where_the_operator_wants_it(tmp_path: Path, bucket: dict[str, str]) -> None:
    store = open_blob_store(Settings(home=tmp_path, **bucket))
    blob = store.put_bytes(b"hello")
    assert store.download_address(blob.sha256) is None
    store = open_blob_store(Settings(home=tmp_path, s3_redirect_downloads=True, **bucket))
    address = store.download_address(blob.sha256)
    assert address is not None
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"hello"
    assert store.download_address("0" * 64) is None
