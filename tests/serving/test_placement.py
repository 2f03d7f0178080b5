from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tholos.kit.blobs import BlobNotFound, LocalBlobStore
from tholos.runtimes.errors import BrokenModel
from tholos.serving.placement import ModelFile, place, sweep
from tholos.serving.sockets import UnsafeSocketFolder, replica_socket


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobStore(tmp_path / "blobs")


def stored(blobs, path, data):
    blob = blobs.put_bytes(data)
    return ModelFile(path, blob.sha256, blob.size)


def test_files_lie_where_the_revision_says_without_being_copied(blobs, tmp_path):
    files = [stored(blobs, "model.json", b"{}"), stored(blobs, "weights/a.bin", b"\0" * 1000)]
    folder = place(tmp_path / "models", blobs, "c0ffee", files)
    assert (folder / "weights/a.bin").read_bytes() == b"\0" * 1000
    assert (folder / "weights/a.bin").samefile(blobs.path(files[1].sha256))
    assert place(tmp_path / "models", blobs, "c0ffee", files) == folder
    assert [item.name for item in (tmp_path / "models").iterdir()] == ["c0ffee"]


def test_several_at_once_end_with_one_whole_folder(blobs, tmp_path):
    files = [stored(blobs, f"{number}.bin", bytes([number])) for number in range(30)]
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: place(tmp_path / "models", blobs, "c0ffee", files), range(16)))
    assert folders == {tmp_path / "models" / "c0ffee"}
    assert len(list(folders.pop().iterdir())) == 30
    assert [item.name for item in (tmp_path / "models").iterdir()] == ["c0ffee"]


@pytest.mark.parametrize("path", ["../escape", "/etc/passwd", "a/../../b", ""])
def test_a_path_that_leaves_its_folder_is_refused(blobs, tmp_path, path):
    with pytest.raises(BrokenModel, match="leaves its folder"):
        place(tmp_path / "models", blobs, "c0ffee", [stored(blobs, path, b"x")])
    assert list((tmp_path / "models").iterdir()) == []


def test_missing_or_damaged_content_leaves_nothing_behind(blobs, tmp_path):
    good, bad = stored(blobs, "a", b"good"), stored(blobs, "b", b"damaged")
    with pytest.raises(BlobNotFound):
        place(tmp_path / "models", blobs, "c0ffee", [good, ModelFile("c", "0" * 64, 1)])
    blobs.path(bad.sha256).write_bytes(b"short")
    with pytest.raises(BrokenModel, match="5 bytes where the revision says 7"):
        place(tmp_path / "models", blobs, "c0ffee", [good, bad])
    assert list((tmp_path / "models").iterdir()) == []


def test_sweeping_removes_what_nothing_names(blobs, tmp_path):
    models = tmp_path / "models"
    assert sweep(models, set()) == 0
    for revision in ("kept", "stale"):
        place(models, blobs, revision, [stored(blobs, "a", b"x")])
    (models / ".building-broken").mkdir()
    assert sweep(models, {"kept"}) == 2
    assert [item.name for item in models.iterdir()] == ["kept"]


def test_sockets_lie_in_the_run_folder_behind_a_private_door(tmp_path):
    path = replica_socket(tmp_path / "r", "dep_01jd0000000000000000000000", 12)
    if len(os.fsencode(tmp_path)) < 30:
        assert path.is_relative_to(tmp_path)
    assert len(os.fsencode(path)) <= 107
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path == replica_socket(tmp_path / "r", "dep_01jd0000000000000000000000", 12)


def test_a_long_home_gets_a_short_private_folder(tmp_path, monkeypatch):
    short = Path("/tmp/tholos-test-sockets")
    short.mkdir(exist_ok=True)
    monkeypatch.setattr("tempfile.tempdir", str(short))
    home = tmp_path / ("long" * 40)
    path = replica_socket(home, "dep_01jd0000000000000000000000", 99999)
    assert len(os.fsencode(path)) <= 107
    assert path.parent.parent == short
    assert path.parent != replica_socket(tmp_path / ("other" * 40), "dep", 1).parent
    path.parent.chmod(0o755)
    with pytest.raises(UnsafeSocketFolder):
        replica_socket(home, "dep_01jd0000000000000000000000", 1)
    for folder in short.iterdir():
        folder.rmdir()
    short.rmdir()
