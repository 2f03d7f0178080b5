"""Kinds of job: what a name stands for. Rooms declare theirs as data; the engine imports none of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tholos.jobs.errors import KindTaken, KindUnknown


@dataclass(frozen=True, slots=True)
class Limits:
    """What one attempt may use; None leaves it to the operator's settings."""

    time_s: float | None = None
    """Seconds from the start of the child process to its end."""
    memory_mb: int | None = None
    """Resident memory of the child and all its own children, in MiB."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of work, e.g. ``JobKind("training.train", work="tholos.training.work:train")``.

    ``work`` names a function ``(JobContext) -> Publish`` as ``module:function``; only the child process imports it.
    """

    name: str
    work: str
    limits: Limits = Limits()
    max_attempts: int = 3
    """How often the work is begun at most, when its process is killed or its machine is lost."""
    background: bool = False
    """Work that nobody waits for, run in places of its own: it takes none from the others, nor they from it."""
    libraries: tuple[str, ...] = ()
    """Modules that the work imports as it goes and that take seconds; they must start no thread when imported. The
    first job of the kind has them loaded where children are forked, so that the next find them there."""

    @property
    def module(self) -> str:
        """The module of its work."""
        return self.work.partition(":")[0]


class Kinds:
    """The kinds that a runner can run, by name."""

    def __init__(self, kinds: Iterable[JobKind] = ()) -> None:
        self._by_name: dict[str, JobKind] = {}
        for kind in kinds:
            self.register(kind)

    def register(self, kind: JobKind) -> None:
        """Adds a kind. Raises KindTaken when its name already stands for another."""
        if kind.name in self._by_name:
            raise KindTaken(
                f"Two kinds of job are called {kind.name!r}: {self._by_name[kind.name].work} and {kind.work}.",
                next="Rename one of them.",
            )
        self._by_name[kind.name] = kind

    def get(self, name: str) -> JobKind:
        """The kind of that name. Raises KindUnknown, which says what is known."""
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(self.names) or "none"
            raise KindUnknown(f"There is no kind of job {name!r}.", next=f"Known kinds: {known}.") from None

    def __iter__(self) -> Iterator[JobKind]:
        return iter(self._by_name.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The known names, sorted."""
        return tuple(sorted(self._by_name))

    def of(self, *, background: bool) -> tuple[str, ...]:
        """The names of the kinds that run in the background, or of those that do not, sorted."""
        return tuple(name for name in self.names if self._by_name[name].background == background)
