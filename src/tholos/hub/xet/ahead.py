"""Hashing a file before its shard comes: a SHA-256 goes on over the xorbs of an upload while more of them arrive.

A shard is answered only when every byte of its files is hashed. Clients send the xorbs of a file in its order, so most
of that can be done by then: an upload has a *run* of xorbs, in the order in which they began to arrive, with the
SHA-256 of everything up to the end of each. A file whose terms begin with the whole xorbs of a run goes on from there.

Nobody is trusted for it: what is hashed are the bytes of exactly these xorbs, read back from the store. Where the order
was another, all of the file is hashed when its shard comes.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from tholos.hub.xet.access import LIFETIME_S, Grant
from tholos.kit.blobs import Recipe, Term, XorbStore
from tholos.kit.blobs.recipes import RecipeFile
from tholos.kit.logs import get_logger

if TYPE_CHECKING:
    from hashlib import _Hash

_PIECE_BYTES: Final = 1 << 20
_MOST_RUNS: Final = 16
_MOST_XORBS: Final = 4096
"""Of a run: a file of 256 GiB, and some 4 MB of memory."""
log = get_logger("xet")

_Upload = tuple[str | None, str]
"""By whom (their key) and to which repo."""


class Prefix(NamedTuple):
    """The SHA-256 of the first ``size`` bytes of a file, to go on with."""

    digest: _Hash
    size: int

    @classmethod
    def empty(cls) -> Prefix:
        """Of nothing yet."""
        return cls(hashlib.sha256(), 0)

    def copy(self) -> Prefix:
        """To go on with, while this one stays."""
        return Prefix(self.digest.copy(), self.size)


@dataclass(slots=True)
class _Arrival:
    """A xorb of a run."""

    xorb: str
    whole: Term | None = None
    """All of its chunks, once they are durable."""
    prefix: Prefix | None = None
    """From the beginning of the run to the end of this xorb, once that is hashed."""


@dataclass(slots=True)
class _Run:
    """The xorbs of an upload in the order in which they began to arrive."""

    xorbs: XorbStore
    arrivals: list[_Arrival] = field(default_factory=list)
    hashed: int = 0
    """So many of them, from the first on, have their prefix."""
    used: int = 0
    """So many of them were the beginning of a file, at most."""
    busy: bool = False
    """The one after those is being hashed."""
    closed: bool = False
    """No more is hashed: a shard has come, or there was no reading on."""
    touched_s: float = field(default_factory=time.monotonic)

    def find(self, xorb: str) -> _Arrival | None:
        return next((arrival for arrival in self.arrivals if arrival.xorb == xorb), None)

    def next(self) -> _Arrival | None:
        """What there is to hash; a xorb that is still under way holds up those after it."""
        if self.closed or self.hashed == len(self.arrivals) or self.arrivals[self.hashed].whole is None:
            return None
        return self.arrivals[self.hashed]

    def prefix(self, count: int) -> Prefix:
        """Of the first ``count`` xorbs, which are hashed."""
        prefix = self.arrivals[count - 1].prefix if count else None
        return prefix.copy() if prefix else Prefix.empty()

    def was_in_vain(self) -> bool:
        """Whether most of the hashing served no file: files that are sent at the same time have mixed their xorbs."""
        return self.closed and self.used * 2 < self.hashed


class HashingAhead:
    """The runs of the uploads to this process, hashed by at most one thread. Safe to use from several threads.

    An upload is known by key and repo; two at the same time spoil each other's run, and are hashed as their shards
    come. So are, for a while, the uploads after one whose run was in vain.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._runs: OrderedDict[_Upload, _Run] = OrderedDict()
        self._working = False

    @contextmanager
    def arriving(self, xorbs: XorbStore, grant: Grant, xorb: str) -> Iterator[None]:
        """While a xorb (its hash) arrives in this store; without ``stored`` it leaves no trace."""
        self._begin(xorbs, _upload(grant), xorb)
        try:
            yield
        finally:
            self._end(_upload(grant), xorb)

    def stored(self, grant: Grant, whole: Term) -> None:
        """A xorb is verified and durable: ``whole`` are all of its chunks."""
        with self._changed:
            run = self._runs.get(_upload(grant))
            arrival = run.find(whole.xorb) if run else None
            if arrival is not None:
                arrival.whole = whole
                self._work()

    def prefix(self, grant: Grant, terms: Sequence[Term]) -> Prefix:
        """The longest beginning of a file that is hashed already. The run ends here: what is left is the caller's.

        Waits where the xorb that is just being hashed belongs to it.
        """
        with self._changed:
            run = self._runs.get(_upload(grant))
            if run is None:
                return Prefix.empty()
            run.closed = True
            same = 0
            while same < min(len(terms), len(run.arrivals)) and run.arrivals[same].whole == terms[same]:
                same += 1
            self._changed.wait_for(lambda: not run.busy or run.hashed >= same)
            same = min(same, run.hashed)
            run.used = max(run.used, same)
            return run.prefix(same)

    def _begin(self, xorbs: XorbStore, upload: _Upload, xorb: str) -> None:
        with self._changed:
            self._forget()
            run = self._runs.get(upload)
            if run is None or (run.closed and not run.was_in_vain()):
                run = self._runs[upload] = _Run(xorbs)
            if not run.closed and len(run.arrivals) < _MOST_XORBS and run.find(xorb) is None:
                run.arrivals.append(_Arrival(xorb))
                run.touched_s = time.monotonic()
                self._runs.move_to_end(upload)

    def _end(self, upload: _Upload, xorb: str) -> None:
        with self._changed:
            run = self._runs.get(upload)
            arrival = run.find(xorb) if run else None
            if run is not None and arrival is not None and arrival.whole is None:
                run.arrivals.remove(arrival)
                self._work()  # others may have waited for it

    def _forget(self) -> None:
        """Drops the runs that nobody has gone on with for long, and those that are too many. The lock is held."""
        horizon = time.monotonic() - LIFETIME_S
        while self._runs:
            upload, oldest = next(iter(self._runs.items()))
            if len(self._runs) < _MOST_RUNS and oldest.touched_s > horizon:
                return
            oldest.closed = True
            del self._runs[upload]

    def _work(self) -> None:
        """Has a thread hash what is ready. The lock is held."""
        if not self._working and any(run.next() for run in self._runs.values()):
            threading.Thread(target=self._hash, name="xet-ahead", daemon=True).start()
            self._working = True

    def _hash(self) -> None:
        while True:
            with self._changed:
                run = next((run for run in self._runs.values() if run.next()), None)
                arrival = run.next() if run else None
                if run is None or arrival is None or arrival.whole is None:
                    self._working = False
                    return
                run.busy = True
                before = run.prefix(run.hashed)
            try:
                digest_on(before.digest, Recipe.of((arrival.whole,)), run.xorbs)
                arrival.prefix = Prefix(before.digest, before.size + arrival.whole.length)
            except Exception:  # whoever reads it next meets it again, and tells the client
                log.exception("a xorb could not be hashed ahead", xorb=arrival.xorb)
            with self._changed:
                run.busy = False
                run.closed = run.closed or arrival.prefix is None
                run.hashed += arrival.prefix is not None
                self._changed.notify_all()


def digest_on(digest: _Hash, recipe: Recipe, xorbs: XorbStore, start: int = 0) -> None:
    """Hashes the bytes of a recipe from ``start`` on. Raises DamagedBlob."""
    buffer = memoryview(bytearray(_PIECE_BYTES))
    with RecipeFile(recipe, xorbs) as content:
        content.seek(start)
        while size := content.readinto(buffer):
            digest.update(buffer[:size])


def _upload(grant: Grant) -> _Upload:
    return grant.key_id, grant.repo_id
