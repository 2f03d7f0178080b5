"""Packing: what came whole (by the SDK, Git LFS, git, a mirror) is cut into chunks, as Xet clients cut what they send.

Each repo's files share chunks with what that repo holds already, whichever way it came, and with nothing else: whether
others have the same must make no difference that anyone could see.

The whole file stays beside its recipe, and is read, for a while; then it is retired (its path is not given out any
more), and when nobody can have the path, it goes. Wherever the process is killed the whole file is there, and the next
run goes on.
"""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import Select, delete, exists, select, update

from tholos.hub.freshness import ContentCollected, refuse_collected
from tholos.hub.models import BlobXorb, RepoBlob, RepoXetFile, StoredBlob
from tholos.hub.storage import state
from tholos.hub.xet import repository
from tholos.hub.xet.ahead import Prefix
from tholos.hub.xet.chunking import MAX_FILE_BYTES, ChunkedFile, ChunkingFailed, chunk_file
from tholos.hub.xet.errors import InvalidShard
from tholos.hub.xet.hashing import HASH_BYTES, root_hash, to_hex
from tholos.hub.xet.verification import check_sha256
from tholos.hub.xet.xorbs import XorbReader
from tholos.kit.blobs import Blob, BlobNotFound, BlobStore, DamagedBlob, Recipe, Term, XorbIndex, XorbNotFound
from tholos.kit.clock import utcnow
from tholos.kit.database import Database, ReadSession
from tholos.kit.logs import get_logger

READERS_S: Final = 2 * 3600.0
"""How long a link into a bucket and a download by it may last, and a path be kept before it is opened."""
_ROWS: Final = 100
_MOST_XORBS: Final = 512
"""Of a repo, the newest, are looked at for chunks to share: 32 GiB, and some 80 MB of memory."""

log = get_logger("packing")

Told = Callable[[float, str], None]
"""Told how far it is, from 0 to 1, and what it does."""
_Place = tuple[str, int]
"""A xorb, and the number of a chunk in it."""


@dataclass(slots=True)
class Packed:
    """What was packed: counts, and bytes."""

    files: int = 0
    bytes: int = 0
    """Of these files."""
    stored_bytes: int = 0
    """What their chunks take that were not there yet."""
    passed_over: int = 0
    """Files that are damaged, that the disk has no room for, or that were removed meanwhile: they stay as they are."""
    released: int = 0
    """Whole files that went, now that their recipes serve."""
    released_bytes: int = 0
    waiting: int = 0
    """Whole files that stay beside their recipes until nobody can have them open."""
    waiting_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """As jobs and the command line show it."""
        return asdict(self)


def pack(
    database: Database,
    blobs: BlobStore,
    *,
    min_bytes: int,
    readers_s: float,
    room: Callable[[], int],
    scratch: Path,
    told: Told = lambda *_: None,
) -> Packed:
    """Packs every file of at least ``min_bytes`` that a repo was given whole, and lets go of the whole ones.

    ``room`` says how many bytes the disk has to give; ``scratch`` is an empty folder.

    Raises StoreUnreachable, DiskFull.
    """
    packing = _Packing(database, blobs, scratch, Packed())
    packing.release(utcnow() - timedelta(seconds=readers_s))
    with database.read() as read:
        query = _whole(min_bytes).order_by(RepoBlob.repo_id, StoredBlob.created_at)
        pending = [(repo_id, Blob(sha256, size)) for repo_id, sha256, size in read.execute(query)]
    everything = sum(blob.size for _, blob in pending)
    done = 0
    for number, (repo_id, blob) in enumerate(pending, 1):
        told(done / everything, f"file {number:,} of {len(pending):,}")
        # beside the whole file its chunks lie in the scratch folder and in the store, and with a bucket a copy of it
        if 3 * blob.size > room() or not packing.pack(repo_id, blob):
            packing.found.passed_over += 1
        done += blob.size
    packing.count_waiting()
    return packing.found


def is_due(read: ReadSession, min_bytes: int, before: datetime) -> bool:
    """Whether there is something to pack, or a whole file to let go of, since before that moment."""
    if read.execute(_whole(min_bytes).where(RepoBlob.fresh_at < before).limit(1)).first() is not None:
        return True
    return read.scalar(select(StoredBlob.sha256).where(StoredBlob.packed_at < before).limit(1)) is not None


def _whole(min_bytes: int) -> Select[str, str, int]:
    """What repos have of which they were given no recipe: repo, SHA-256, bytes."""
    given = exists().where(RepoXetFile.repo_id == RepoBlob.repo_id, RepoXetFile.sha256 == RepoBlob.sha256)
    query = select(RepoBlob.repo_id, StoredBlob.sha256, StoredBlob.size)
    return query.join(StoredBlob, StoredBlob.sha256 == RepoBlob.sha256).where(
        StoredBlob.size.between(min_bytes, MAX_FILE_BYTES), ~given
    )


class _Packing:
    def __init__(self, database: Database, blobs: BlobStore, scratch: Path, found: Packed) -> None:
        self._database = database
        self._blobs = blobs
        self._scratch = scratch
        self._repo_id = ""
        self._places: dict[bytes, _Place] = {}
        """Where the chunks lie that this repo holds."""
        self._sent: dict[str, int] = {}
        """Bytes of the xorbs that the last file has brought."""
        self.found = found

    # -- letting go of whole files

    def release(self, horizon: datetime) -> None:
        """Removes the whole files that were packed before then. Nothing is collected meanwhile."""
        with self._database.read() as read:
            query = select(StoredBlob.sha256, StoredBlob.size).where(StoredBlob.packed_at < horizon)
            ripe = [Blob(*row) for row in read.execute(query)]
        if not ripe:
            return
        try:
            holder = state.lease(self._database)
        except state.CollectionRunning:
            return  # the next run does it
        try:
            for start in range(0, len(ripe), _ROWS):
                with self._database.write() as write:
                    state.keep(write, holder)
                served = [blob for blob in ripe[start : start + _ROWS] if self._is_served(blob.sha256)]
                retired = {blob.sha256 for blob in served if self._blobs.retire(blob.sha256)}
                self._wait_for(retired)
                self._let_go([blob for blob in served if blob.sha256 not in retired])
        finally:
            state.end(self._database, holder, finished=False)

    def _wait_for(self, retired: Collection[str]) -> None:
        """Whoever was given the path of one of these whole files may still open it."""
        with self._database.write() as write:
            write.execute(update(StoredBlob).where(StoredBlob.sha256.in_(retired)).values(packed_at=utcnow()))

    def _let_go(self, whole: Sequence[Blob]) -> None:
        for blob in whole:
            self._blobs.drop_whole(blob.sha256)
        with self._database.write() as write:
            names = [blob.sha256 for blob in whole]
            write.execute(update(StoredBlob).where(StoredBlob.sha256.in_(names)).values(packed_at=None))
        self.found.released += len(whole)
        self.found.released_bytes += sum(blob.size for blob in whole)

    def _is_served(self, sha256: str) -> bool:
        """Whether the recipe that is in use gives these bytes; else puts one in use that does, for the next run."""
        laid = self._blobs.recipe(sha256)
        with self._database.read() as read:
            linked = set(read.scalars(select(BlobXorb.xorb_hash).where(BlobXorb.sha256 == sha256)))
            given = read.execute(select(RepoXetFile.xet_hash, RepoXetFile.recipe).where(RepoXetFile.sha256 == sha256))
            others = [(xet_hash, Recipe.decode(recipe)) for xet_hash, recipe in given]
        if laid is not None and laid.xorbs <= linked and self._gives(laid, sha256):
            return True
        for xet_hash, recipe in others:
            if self._gives(recipe, sha256):
                self._put_in_use(sha256, xet_hash, recipe)
                break
        return False

    def _gives(self, recipe: Recipe, sha256: str) -> bool:
        try:
            check_sha256(self._blobs, recipe, sha256, Prefix.empty())
        except (InvalidShard, DamagedBlob, XorbNotFound):
            return False
        return True

    def _put_in_use(self, sha256: str, xet_hash: str, recipe: Recipe) -> None:
        """In place of a recipe that was never laid, or whose chunks are damaged. Nothing is collected meanwhile."""
        with self._database.write() as write:
            write.execute(delete(BlobXorb).where(BlobXorb.sha256 == sha256))
            write.execute(update(StoredBlob).where(StoredBlob.sha256 == sha256).values(xet_hash=None))
            repository.link_recipe(write, sha256, xet_hash, sorted(recipe.xorbs))
        self._blobs.lay_recipe(sha256, recipe)

    def count_waiting(self) -> None:
        """How much lies there twice."""
        with self._database.read() as read:
            sizes = read.scalars(select(StoredBlob.size).where(StoredBlob.packed_at.is_not(None))).all()
        self.found.waiting, self.found.waiting_bytes = len(sizes), sum(sizes)

    # -- packing

    def pack(self, repo_id: str, blob: Blob) -> bool:
        """Packs what a repo has; returns whether that succeeded."""
        if self._repo_id != repo_id:
            self._repo_id, self._places = repo_id, dict(self._chunks_of(repo_id))
        self._sent = {}
        with TemporaryDirectory(dir=self._scratch) as folder:
            try:
                chunked = chunk_file(self._blobs.path(blob.sha256), blob.sha256, Path(folder))
                recipe = self._stored(chunked)
                check_sha256(self._blobs, recipe, blob.sha256, Prefix.empty())
            except (BlobNotFound, XorbNotFound, DamagedBlob, InvalidShard, ContentCollected, ChunkingFailed) as error:
                log.warning("a file was not packed", sha256=blob.sha256, reason=str(error))
                self._repo_id = ""
                return False
        if not self._link(blob.sha256, chunked.file.xet_hash, recipe):
            self._repo_id = ""
            return False
        self.found.files += 1
        self.found.bytes += blob.size
        self.found.stored_bytes += sum(self._sent.values())
        return True

    def _chunks_of(self, repo_id: str) -> Iterator[tuple[bytes, _Place]]:
        with self._database.read() as read:
            xorbs = repository.newest_own_xorbs(read, repo_id, _MOST_XORBS)
        for xorb in xorbs:
            with suppress(XorbNotFound):  # removed meanwhile
                index = self._blobs.xorbs.index(xorb)
                yield from ((chunk, (xorb, number)) for number, chunk in enumerate(_hashes(index)))

    def _stored(self, chunked: ChunkedFile) -> Recipe:
        """Stores the chunks that the repo does not hold yet. Raises InvalidShard, ContentCollected."""
        places: dict[_Place, tuple[_Place, int]] = {}
        for name, path in chunked.xorbs.items():
            reader = XorbReader()
            serialized = b"".join(reader.feed(path.read_bytes()))
            index = reader.finish(name)
            hashes = _hashes(index)
            if new := [number for number, chunk in enumerate(hashes) if chunk not in self._places]:
                xorb = self._store_xorb(serialized, index, new)
                self._places.update({hashes[number]: (xorb, place) for place, number in enumerate(new)})
            ends = index.raw_offsets
            for number, chunk in enumerate(hashes):
                places[name, number] = self._places[chunk], ends[number + 1] - ends[number]
        chunks = (places[term.xorb, number] for term in chunked.file.terms for number in range(term.start, term.end))
        return Recipe.of(tuple(_runs(chunks)))

    def _store_xorb(self, serialized: bytes, index: XorbIndex, numbers: Iterable[int]) -> str:
        """Stores a xorb of some of the chunks of another; returns its hash."""
        offsets, raw_offsets, hashes = array("I", [0]), array("I", [0]), list[bytes]()
        begun = utcnow()
        with self._blobs.xorbs.writer() as writer:
            for number in numbers:
                start, end = index.offsets[number], index.offsets[number + 1]
                writer.write(memoryview(serialized)[start:end])
                offsets.append(offsets[-1] + end - start)
                raw_offsets.append(raw_offsets[-1] + index.raw_offsets[number + 1] - index.raw_offsets[number])
                hashes.append(index.hashes[number * HASH_BYTES : (number + 1) * HASH_BYTES])
            lengths = (end - start for start, end in pairwise(raw_offsets))
            xorb = to_hex(root_hash(zip(hashes, lengths, strict=True)))
            writer.finish(xorb, XorbIndex(offsets, raw_offsets, b"".join(hashes)))
        stored = self._blobs.xorbs.index(xorb)  # where there was one, its chunks may be compressed otherwise
        with self._database.write() as write:
            repository.note_xorb(write, xorb, stored)
            refuse_collected(write, "xorb", {xorb: begun})
        self._sent[xorb] = offsets[-1]
        return xorb

    def _link(self, sha256: str, xet_hash: str, recipe: Recipe) -> bool:
        """Notes the recipe as the repo's own and, where there is none, as that of the content.

        Returns whether everything is still there.
        """
        whole = self._lies_whole(sha256)
        with self._database.write() as write:
            mine = (RepoBlob.repo_id == self._repo_id, RepoBlob.sha256 == sha256)
            row = write.scalars(select(StoredBlob).where(StoredBlob.sha256 == sha256).with_for_update()).one_or_none()
            if row is None or write.scalar(select(RepoBlob.sha256).where(*mine).with_for_update()) is None:
                return False
            if recipe.xorbs - repository.held_xorbs(write, recipe.xorbs):
                return False
            # what the repo held when its chunks were looked up it may have lost since
            if recipe.xorbs - self._sent.keys() - repository.own_xorbs(write, self._repo_id, recipe.xorbs):
                return False
            repository.keep_own_recipe(write, self._repo_id, sha256, xet_hash, recipe.encode())
            repository.keep_own_xorbs(write, self._repo_id, self._sent)
            lone = write.scalar(select(BlobXorb.sha256).where(BlobXorb.sha256 == sha256).limit(1)) is None
            if lone:
                repository.link_recipe(write, sha256, xet_hash, sorted(recipe.xorbs))
            if whole:
                row.packed_at = utcnow()
        if lone:
            self._blobs.lay_recipe(sha256, recipe)
        return True

    def _lies_whole(self, sha256: str) -> bool:
        try:
            self._blobs.open_stored("blob", sha256).close()
        except BlobNotFound:
            return False
        return True


def free_bytes(home: Path, reserve: int) -> int:
    """What the disk of the server's home has to give, in bytes."""
    return shutil.disk_usage(home).free - reserve


def _hashes(index: XorbIndex) -> list[bytes]:
    return [index.hashes[at : at + HASH_BYTES] for at in range(0, len(index.hashes), HASH_BYTES)]


def _runs(chunks: Iterable[tuple[_Place, int]]) -> Iterator[Term]:
    """Terms for chunks (place, raw bytes) in their order: those that follow each other in a xorb are one."""
    run: Term | None = None
    for (xorb, number), length in chunks:
        if run is not None and run.xorb == xorb and run.end == number:
            run = Term(xorb, run.start, number + 1, run.length + length)
            continue
        if run is not None:
            yield run
        run = Term(xorb, number, number + 1, length)
    if run is not None:
        yield run
