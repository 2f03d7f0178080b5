"""The scan of one content as the checks see it: what there is to read, what was found, and what is too much."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO, Final

from tholos.scanning.findings import Finding, Import, Report, Safety, Severity

HEAD_BYTES: Final = 4096
_MAX_FINDINGS: Final = 100
_MAX_IMPORTS: Final = 300
_MAX_TEXT: Final = 120


class CannotScan(Exception):
    """The content cannot be scanned to its end; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a scan goes."""

    depth: int = 4
    """Archives within archives."""
    members: int = 100_000
    """Entries of one archive."""
    unpacked_bytes: int = 4 << 30
    """What all archives of one content may give out together."""
    member_bytes: int = 64 << 20
    """Members that are kept in memory; of larger ones only streams are read."""
    text_bytes: int = 64 << 20
    """Text in which secrets are looked for, from its beginning."""
    sample_bytes: int = 16 << 20
    """Text in which personal data are looked for, in pieces spread over the whole."""


@dataclass
class Source:
    """Bytes to look at: a file, or a member of an archive. ``name`` is a lower-case file name or suffix."""

    name: str
    file: BinaryIO
    size: int
    where: str = ""
    """What leads to it: empty for the file itself, "a.zip / b.pkl" for a member."""
    depth: int = 0
    data: bool = False
    """Whether it is part of a data set, where personal data are looked for."""

    @cached_property
    def head(self) -> bytes:
        """The first bytes."""
        self.file.seek(0)
        return self.file.read(HEAD_BYTES)

    @property
    def suffix(self) -> str:
        """The last suffix of its name with the dot; empty where there is none."""
        _, dot, last = self.name.rpartition(".")
        return dot + last

    def at(self, position: str) -> str:
        """A position in it, as findings name it."""
        return f"{self.where}, {position}" if self.where and position else self.where or position


@dataclass
class Inspection:
    """What was found so far, and what may still be unpacked."""

    bounds: Bounds = field(default_factory=Bounds)
    result: Report = field(default_factory=Report)
    _unpacked: int = 0
    _seen: set[tuple[str, str, str]] = field(default_factory=set)
    _imported: set[tuple[str, str]] = field(default_factory=set)

    def find(
        self,
        kind: str,
        severity: Severity,
        message: str,
        step: str,
        where: str = "",
        *,
        private: bool = False,
    ) -> None:
        """Notes a finding, once; beyond a hundred only those that are worse than what they replace."""
        if (kind, message, where) in self._seen:
            return
        finding = Finding(kind, severity, printable(message, 600), step, printable(where, 300), private)
        if len(self.result.findings) >= _MAX_FINDINGS:
            notes = [i for i, other in enumerate(self.result.findings) if other.severity < severity]  # "n" < "s" < "u"
            if not notes:
                return
            del self.result.findings[notes[-1]]
        self._seen.add((kind, message, where))
        self.result.findings.append(finding)

    def imported(self, module: str, name: str, safety: Safety) -> bool:
        """Notes what a pickle imports; returns whether that is new."""
        self.result.is_pickle = True
        if (module, name) in self._imported or len(self._imported) >= _MAX_IMPORTS:
            return (module, name) not in self._imported
        self._imported.add((module, name))
        self.result.imports.append(Import(printable(module), printable(name), safety))
        return True

    def unpack(self, count: int) -> None:
        """Takes ``count`` unpacked bytes from the allowance. Raises CannotScan when it is used up."""
        self._unpacked += count
        if self._unpacked > self.bounds.unpacked_bytes:
            raise CannotScan(f"It unpacks to more than {self.bounds.unpacked_bytes >> 20:,} MiB.")

    def read_only(self, share: float) -> None:
        """Notes that only this share of a text was read."""
        self.result.read_share = min(self.result.read_share, share)


def printable(text: str, length: int = _MAX_TEXT) -> str:
    """Text of a stranger as it may stand in a sentence: short, in one line, storable."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: length + 1])
    return shown if len(shown) <= length else shown[: length - 1] + "…"
