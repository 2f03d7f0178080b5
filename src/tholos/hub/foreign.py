"""Commits and tags that git made: read as strictly as ``git fsck`` reads them, and never rewritten."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tholos.hub.errors import InvalidObject

MAX_COMMIT_BYTES: Final = 1 << 20
MAX_AUTHOR_CHARACTERS: Final = 200
MAX_MESSAGE_CHARACTERS: Final = 10_000
MAX_PARENTS: Final = 64
_LAST_SECOND: Final = 253402300799  # of the year 9999, beyond which neither Python nor a database has dates

_IDENT = rb"([^<>\n\0]*)<[^<>\n\0]*> (0|[1-9][0-9]{0,17}) [+-][0-9]{4}"
_EXTRA = rb"(?:[A-Za-z][A-Za-z0-9-]* [^\n\0]*\n(?: [^\n\0]*\n)*)*"
_COMMIT = re.compile(
    rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)author "
    + _IDENT
    + rb"\ncommitter "
    + _IDENT
    + rb"\n("
    + _EXTRA
    + rb")(?:\n([^\0]*))?"
)
_TAG = re.compile(
    rb"object ([0-9a-f]{40})\ntype (commit|tag|tree|blob)\ntag [^\n\0]+\n(?:tagger " + _IDENT + rb"\n)?(?:\n[^\0]*)?"
)


@dataclass(frozen=True, slots=True)
class ForeignCommit:
    """A commit as it came: its bytes, and what the hub shows of it (which may be shortened)."""

    oid: str
    raw: bytes
    tree: str
    parents: tuple[str, ...]
    author: str
    message: str
    committed_at: datetime


def parse_commit(oid: str, raw: bytes) -> ForeignCommit:
    """Reads a commit. Raises InvalidObject."""
    if len(raw) > MAX_COMMIT_BYTES:
        raise _refused(f"The commit {oid} has {len(raw):,} bytes.", "Shorten its message, then push again.")
    match = _COMMIT.fullmatch(raw)
    if match is None:
        raise _refused(f"The commit {oid} is not well-formed.", "Run `git fsck` on your side and make it anew.")
    seconds = int(match[6])
    if seconds > _LAST_SECOND or int(match[4]) > _LAST_SECOND:
        raise _refused(
            f"The commit {oid} has a date that does not exist.", "Amend it with a date before the year 9999."
        )
    parents = tuple(line[7:].decode() for line in match[2].splitlines())
    if len(parents) > MAX_PARENTS:
        raise _refused(f"The commit {oid} has {len(parents)} parents.", f"Merge at most {MAX_PARENTS} at once.")
    return ForeignCommit(
        oid=oid,
        raw=raw,
        tree=match[1].decode(),
        parents=parents,
        author=_shown(match[3])[:MAX_AUTHOR_CHARACTERS] or "unknown",
        message=_shown(match[8] or b"")[:MAX_MESSAGE_CHARACTERS] or "(no message)",
        committed_at=datetime.fromtimestamp(seconds, UTC),
    )


def parse_tag(oid: str, raw: bytes) -> tuple[str, bool]:
    """What an annotated tag points at, and whether that is a tag again. Raises InvalidObject."""
    match = _TAG.fullmatch(raw) if len(raw) <= MAX_COMMIT_BYTES else None
    if match is None:
        raise _refused(f"The tag {oid} is not well-formed.", "Run `git fsck` on your side and make it anew.")
    if match[2] not in (b"commit", b"tag"):
        raise _refused(f"The tag {oid} points at a {match[2].decode()}.", "Make tags of commits only.")
    return match[1].decode(), match[2] == b"tag"


def _shown(text: bytes) -> str:
    """Text as lists show it, without what only moves cursors or turns writing around; the commit itself keeps it."""
    kept = (
        character
        for character in text.decode("utf-8", "replace")
        if character in "\n\t\u200c\u200d" or unicodedata.category(character) not in ("Cc", "Cf", "Cs")
    )
    return "".join(kept).strip()


def _refused(message: str, advice: str) -> InvalidObject:
    return InvalidObject(message, next=advice)
