"""Checks of what goes over the wire when files are large, interrupted, or there already."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

# First, for it sets what the client reads from the environment:
from suite_basis import SCRATCH, TOKEN, UPLOADS_BY_XET, WIRE, api, check, check_alone, get, new_repo

# isort: split
import huggingface_hub as hf

MIB = 1 << 20
LARGE = 30 * MIB
SEGMENTED = 288 * MIB
"""More than Xet's client asks the reconstruction of at once (256 MiB)."""
OVERHEAD = 64 << 10
"""What heads, and a request for what is there already, may take."""


def _random_file(name: str, size: int) -> Path:
    path = SCRATCH / name
    with path.open("wb") as out:
        for _ in range(size // MIB):
            out.write(os.urandom(MIB))
    return path


@check
def large_file():
    repo = new_repo()
    file = _random_file("large.safetensors", LARGE)
    api.upload_file(path_or_fileobj=str(file), path_in_repo="large.safetensors", repo_id=repo)
    assert get(repo, "large.safetensors", cache_dir=SCRATCH / "large") == file.read_bytes()
    with file.open("rb") as source:
        api.upload_file(path_or_fileobj=source, path_in_repo="again.safetensors", repo_id=repo)
    info = api.get_paths_info(repo, ["again.safetensors"])[0]
    assert info.lfs is not None
    assert info.lfs.size == LARGE


@check
def nothing_is_sent_twice():
    """The same file again, its content under other names, and by Xet in another repo: no content goes over the wire."""
    file = _random_file("once.bin", 4 * MIB)
    repo, other = new_repo(), new_repo()

    def sent(call, **options) -> int:
        WIRE.forget()
        call(**options)
        return WIRE.sent

    first = {"path_or_fileobj": str(file), "path_in_repo": "once.bin"}
    assert sent(api.upload_file, repo_id=repo, **first) > 4 * MIB
    assert sent(api.upload_file, repo_id=repo, **first) < OVERHEAD
    again = {"path_or_fileobj": str(file), "path_in_repo": "again.bin"}
    assert sent(api.upload_file, repo_id=repo, **again) < OVERHEAD
    if UPLOADS_BY_XET:  # by LFS one proves to have the content by sending it, once for each repo
        assert sent(api.upload_file, repo_id=other, **first) < OVERHEAD
    folder = SCRATCH / "once"
    folder.mkdir()
    (folder / "third.bin").write_bytes(file.read_bytes())
    assert sent(api.upload_folder, repo_id=repo, folder_path=folder) < OVERHEAD
    for path in ("once.bin", "again.bin", "third.bin"):
        assert get(repo, path) == file.read_bytes()
    if UPLOADS_BY_XET:
        assert get(other, "once.bin") == file.read_bytes()


@check
def resume():
    """A download that breaks off goes on where it was, in the same call or, with some versions, in the next one."""
    repo = new_repo()
    data = os.urandom(24 * MIB)
    api.upload_file(path_or_fileobj=data, path_in_repo="model.bin", repo_id=repo)
    WIRE.forget()
    WIRE.cut(15 * MIB)  # what came is written by 10 MiB at a time
    folder = SCRATCH / "resumed"
    try:
        got = get(repo, "model.bin", cache_dir=folder)
    except Exception:  # what it is differs by version; all that counts is what the next call does
        got = get(repo, "model.bin", cache_dir=folder)
    assert got == data
    assert not WIRE.cut_is_due, "the download never reached the place where it was to break off"
    if not hf.__version__.startswith("1.19."):  # that one begins again after a broken connection
        rests = [request for request in WIRE.gets if request.start]
        assert len(rests) == 1, [request.path for request in WIRE.gets]
        assert rests[0].start >= 10 * MIB
        assert rests[0].answered <= len(data) - rests[0].start + OVERHEAD
    metadata = hf.get_hf_file_metadata(hf.hf_hub_url(repo, "model.bin"), token=TOKEN)
    assert metadata.size == len(data)
    assert len(metadata.commit_hash) == 40


@check_alone
def segmented_file():
    """Larger than one answer of the reconstruction; of few blocks in an order without a pattern, so cheap to send."""
    file = SCRATCH / "segmented.bin"
    order, digest = random.Random(0), hashlib.sha256()
    blocks = [order.randbytes(2 * MIB) for _ in range(16)]
    with file.open("wb") as out:
        for number in range(SEGMENTED // (2 * MIB)):
            block = number.to_bytes(8, "big") + order.choice(blocks)[8:]
            out.write(block)
            digest.update(block)
    repo = new_repo()
    api.upload_file(path_or_fileobj=str(file), path_in_repo="segmented.bin", repo_id=repo)
    WIRE.forget()
    path = hf.hf_hub_download(repo, "segmented.bin", cache_dir=SCRATCH / "segmented")
    if UPLOADS_BY_XET:
        asked = {(get.path, get.start) for get in WIRE.gets if "/reconstructions/" in get.path}
        assert len(asked) > 1, [get.path for get in WIRE.gets]
    got = hashlib.sha256()
    with Path(path).open("rb") as source:
        while piece := source.read(4 * MIB):
            got.update(piece)
    assert got.hexdigest() == digest.hexdigest()
