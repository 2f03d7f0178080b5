from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tholos.kit.blobs import BlobMismatch, BlobNotFound, BlobStore, DiskFull, LocalBlobStore
from tholos.kit.errors import InvalidInput

PUT_FOR_EVER = """
import sys, os
from pathlib import Path
from tholos.kit.blobs import LocalBlobStore
store = LocalBlobStore(Path(sys.argv[1]))
while True:
    print(store.put_bytes(os.urandom(300_000)).sha256, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "blobs")


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


def test_lying_bytes_are_not_kept(store: LocalBlobStore, tmp_path: Path) -> None:
    with pytest.raises(BlobMismatch), store.writer() as writer:
        writer.write(b"hello")
        writer.finish("0" * 64)
    assert not store.exists(hashlib.sha256(b"hello").hexdigest())
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []


def test_an_abandoned_upload_is_not_kept(store: LocalBlobStore, tmp_path: Path) -> None:
    with store.writer() as writer:
        writer.write(b"half")
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []


def test_a_name_that_is_no_hash_reaches_no_file(store: BlobStore) -> None:
    for name in ("../../etc/passwd", "", "A" * 64, "0" * 63 + "/"):
        with pytest.raises(InvalidInput):
            store.path(name)
    with pytest.raises(BlobNotFound):
        store.open("0" * 64)


def test_a_full_disk_is_said_and_keeps_nothing(store: LocalBlobStore, tmp_path: Path) -> None:
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


def test_a_killed_writer_loses_nothing_it_acknowledged(store: LocalBlobStore, tmp_path: Path) -> None:
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
