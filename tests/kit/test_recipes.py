from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tholos.kit.blobs import (
    BlobNotFound,
    DamagedBlob,
    LocalBlobStore,
    Recipe,
    Term,
    XorbIndex,
    XorbNotFound,
    durable,
    local,
)

PIECES = [os.urandom(size) for size in (1000, 1, 70_000, 5000)]
DATA = b"".join(PIECES)
SHA256 = hashlib.sha256(DATA).hexdigest()
XORB = "ab" * 32
RECIPE = Recipe.of((Term(XORB, 0, 4, len(DATA)),))

PUT_FOR_EVER = """
import sys, os, hashlib
from pathlib import Path
from tholos.kit.blobs import LocalBlobStore, Recipe, Term, XorbIndex
store = LocalBlobStore(Path(sys.argv[1]))
while True:
    data = os.urandom(60_000)
    sha256 = hashlib.sha256(data).hexdigest()
    with store.xorbs.writer() as writer:
        writer.write((60_000 << 8).to_bytes(4, "little") * 2)
        writer.write(data)
        writer.finish(sha256, XorbIndex([0, 60_008], [0, 60_000], bytes(32)))
    store.put_recipe(sha256, Recipe.of((Term(sha256, 0, 1, 60_000),)))
    print(sha256, flush=True)
"""


def put(store: LocalBlobStore, xorb: str = XORB) -> None:
    offsets, raw = [0], [0]
    with store.xorbs.writer() as writer:
        for piece in PIECES:
            writer.write((len(piece) << 8).to_bytes(4, "little") * 2 + piece)
            offsets.append(offsets[-1] + 8 + len(piece))
            raw.append(raw[-1] + len(piece))
        writer.finish(xorb, XorbIndex(offsets, raw, bytes(32 * len(PIECES))))


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    store = LocalBlobStore(tmp_path / "blobs", cache_bytes=100)
    put(store)
    return store


def test_a_recipe_reads_as_the_file(store: LocalBlobStore):
    assert not store.exists(SHA256)
    assert store.put_recipe(SHA256, RECIPE) == RECIPE
    assert store.exists(SHA256)
    with store.open(SHA256) as file:
        for start, end in ((0, len(DATA)), (999, 1002), (1001, 71_001), (len(DATA) - 1, len(DATA))):
            file.seek(start)
            assert file.read(end - start) == DATA[start:end]
    assert store.recipe(SHA256) == RECIPE
    assert Recipe.decode(RECIPE.encode()) == RECIPE


def test_a_whole_file_is_read_before_a_recipe(store: LocalBlobStore):
    store.put_recipe(SHA256, RECIPE)
    store.put_bytes(DATA)
    assert store.path(SHA256).parent.parent.parent.name == "blobs"
    assert store.put_recipe(SHA256, RECIPE) is None


def test_a_path_is_made_once_and_swept_when_unused(store: LocalBlobStore, tmp_path: Path):
    store.put_recipe(SHA256, RECIPE)
    path = store.path(SHA256)
    made = path.stat().st_ino
    assert (path.read_bytes(), store.path(SHA256).stat().st_ino) == (DATA, made)
    store.sweep()
    assert path.exists()  # asked for just now, whatever the limit
    os.utime(path, (time.time() - 7200, time.time() - 7200))
    store.sweep()
    assert not path.exists()
    assert store.path(SHA256).read_bytes() == DATA
    assert list((tmp_path / "cache" / "blobs" / "incoming").iterdir()) == []


def test_damage_is_seen(store: LocalBlobStore, tmp_path: Path):
    store.put_recipe(SHA256, RECIPE)
    path = tmp_path / "xorbs" / "ab" / "ab" / XORB
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:500], b"\xff" * 20 + whole[20:], whole[:2000] + b"\0" * 9 + whole[2009:]):
        path.write_bytes(damaged)
        with pytest.raises(DamagedBlob):
            LocalBlobStore(tmp_path / "blobs").path(SHA256)
    path.unlink()
    with pytest.raises(DamagedBlob), store.open(SHA256) as file:
        file.read()
    recipe = next((tmp_path / "blobs").rglob("*.recipe"))
    recipe.write_bytes(recipe.read_bytes()[:-1] + b"\1")
    with pytest.raises(DamagedBlob):
        store.open(SHA256)


def test_what_is_not_there(store: LocalBlobStore):
    with pytest.raises(BlobNotFound):
        store.open("0" * 64)
    with pytest.raises(XorbNotFound):
        store.xorbs.index("0" * 64)
    assert store.recipe("0" * 64) is None


def test_a_xorb_broken_off_is_not_there(store: LocalBlobStore, tmp_path: Path):
    with store.xorbs.writer() as writer:
        writer.write(b"half")
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []


def test_a_killed_writer_leaves_only_what_is_whole(tmp_path: Path):
    root = tmp_path / "blobs"
    process = subprocess.Popen([sys.executable, "-c", PUT_FOR_EVER, str(root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    store = LocalBlobStore(root)
    recipes = [path.name.removesuffix(".recipe") for path in root.glob("??/??/*.recipe")]
    assert set(acknowledged) <= set(recipes)
    for sha256 in recipes:
        with store.open(sha256) as file:
            assert hashlib.sha256(file.read()).hexdigest() == sha256
    for path in (tmp_path / "xorbs").glob("??/??/*"):
        assert store.xorbs.index(path.name).chunks == 1


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose names were made durable, in order."""
    found: list[Path] = []
    for module in (durable, local):
        monkeypatch.setattr(module, "sync_folder", found.append)
    return found


def test_new_folders_are_synced_into_those_above(tmp_path: Path, synced: list[Path]):
    root = tmp_path / "blobs"
    store = LocalBlobStore(root)
    store.put_recipe(SHA256, RECIPE)
    first, second = root / SHA256[:2], root / SHA256[:2] / SHA256[2:4]
    assert synced == [root, first, second]
    synced.clear()
    store.put_bytes(DATA)
    assert synced == [second]  # the folders are there


def test_what_another_wrote_is_synced_before_it_is_acknowledged(store: LocalBlobStore, synced: list[Path]):
    store.put_recipe(SHA256, RECIPE)
    for there in (RECIPE, None):
        synced.clear()
        assert store.put_recipe(SHA256, RECIPE) == there
        assert [path.name for path in synced] == [SHA256[2:4]]
        store.put_bytes(DATA)
    synced.clear()
    put(store)
    assert [path.name for path in synced] == ["ab"]
