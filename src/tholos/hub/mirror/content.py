"""Content of a mirror's files: fetched when somebody asks, once for all who ask, and gone on with after any crash.

What arrives lies in a part file; only when all of it is there and has the SHA-256 that the repo names does it become a
blob of the store. A part is never truncated, so that whoever reads along has what will be verified, or nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tholos.accounts.models import Account
from tholos.hub.mirror.errors import ContentElsewhere, UpstreamBroken, UpstreamUnavailable
from tholos.hub.mirror.models import Mirror
from tholos.hub.mirror.promises import promised
from tholos.hub.mirror.sources import token_for
from tholos.hub.mirror.turns import slot, turn
from tholos.hub.mirror.upstream import Upstream
from tholos.hub.models import Repo
from tholos.hub.uploads import check_space, record_upload, too_large
from tholos.kit.blobs import BlobMismatch
from tholos.kit.errors import TholosError
from tholos.kit.home import write_private
from tholos.kit.services import Services

_ATTEMPTS: Final = 3
_PIECE: Final = 1 << 20
_SLOT_WAIT_S: Final = 3600.0

Progress = Callable[[int], None]
"""Is told of every piece that was written, in bytes."""


def part_path(services: Services, repo_id: str, sha256: str) -> Path:
    """Where the content is while it is fetched: a repo's own, for nobody may read what another's upstream sends."""
    return services.settings.mirror_dir / f"{repo_id}-{sha256}.part"


def fetch(services: Services, repo_id: str, sha256: str, progress: Progress = lambda _: None) -> None:
    """Fetches content that is promised to the repo; returns when the repo possesses it. Not inside a transaction.

    Waits for whoever fetches it already, and fails as they do. Raises UpstreamUnavailable, UpstreamNotFound,
    UpstreamBroken, ContentElsewhere (the repo is a mirror no more), BlobTooLarge, DiskLow, DiskFull.
    """
    asked = time.time()
    name = f"{repo_id}-{sha256}"
    failure = services.settings.mirror_dir / f"{name}.failure"
    with turn(services.settings, name):
        _raise_since(failure, asked)
        with services.database.read() as read:
            size = promised(read, repo_id, [sha256]).get(sha256)
            repo, mirror = read.get(Repo, repo_id), read.get(Mirror, repo_id)
            owner = read.get(Account, repo.owner_id) if repo is not None else None
        if size is None:
            return
        if mirror is None or repo is None or owner is None:
            raise ContentElsewhere(
                "The content was never fetched, and the repo is no mirror any more.",
                next="Upload the file, or mirror the repo again.",
            )
        token = token_for(services.settings, mirror.base, is_admin=owner.is_admin)
        upstream = Upstream(
            mirror.base, mirror.source, repo.kind, token=token, timeout_s=services.settings.upstream_timeout_s
        )
        try:
            with slot(services.settings, _SLOT_WAIT_S), upstream:
                _fetch(services, repo, upstream, sha256, size, progress)
        except TholosError as error:
            write_private(failure, json.dumps([error.message, error.next, isinstance(error, UpstreamBroken)]))
            raise


def _raise_since(failure: Path, asked: float) -> None:
    """Fails as the one did who was at it while we waited: what it had written of the file may have gone with it."""
    try:
        if failure.stat().st_mtime < asked:
            return
        message, following, broken = json.loads(failure.read_text())
    except (FileNotFoundError, ValueError):
        return
    raise (UpstreamBroken if broken else UpstreamUnavailable)(message, next=following)


def _fetch(services: Services, repo: Repo, upstream: Upstream, sha256: str, size: int, progress: Progress) -> None:
    if size > services.settings.max_blob_bytes:
        raise too_large(services.settings.max_blob_bytes)
    part = part_path(services, repo.id, sha256)
    with part.open("ab") as file:
        have = file.tell()
        check_space(services, 2 * size - min(have, size))
        progress(have)
        for attempt in range(1, _ATTEMPTS + 1):
            if file.tell() >= size:
                break
            try:
                address, headers = upstream.locate(sha256, size)
                with upstream.content(address, headers, file.tell()) as chunks:
                    for chunk in chunks:
                        file.write(chunk[: size + 1 - file.tell()])
                        file.flush()
                        progress(len(chunk))
                        if file.tell() > size:
                            break
            except UpstreamUnavailable:
                if attempt == _ATTEMPTS:
                    raise
        got = file.tell()
    if got < size:
        raise UpstreamUnavailable(
            f"{upstream.host} sent {got:,} of the {size:,} bytes of {sha256}, and no more.",
            next="Ask again: what has come is kept, and the rest is asked for.",
        )
    _keep(services, repo, upstream, part, sha256)


def _keep(services: Services, repo: Repo, upstream: Upstream, part: Path, sha256: str) -> None:
    try:
        with services.blobs.writer() as writer, part.open("rb") as source:
            while piece := source.read(_PIECE):
                writer.write(piece)
            blob = writer.finish(sha256)  # a byte too many shows here as well
    except BlobMismatch:
        part.unlink()
        raise UpstreamBroken(
            f"{upstream.host} sent other content than the repo names ({sha256}).",
            next="Nothing of it was kept. Ask again later, or tell the upstream's operator.",
            sha256=sha256,
        ) from None
    with services.database.write() as write:
        record_upload(write, repo, blob)
    part.unlink()
