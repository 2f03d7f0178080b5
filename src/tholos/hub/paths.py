"""Rules for file paths inside a repo: what leads nowhere else, and is what it looks like, on every platform.

Names that Windows alone cannot have (`aux`, `a:b`) are allowed, as on Hugging Face's hub, whose repos use some.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from tholos.hub.errors import InvalidPath

MAX_PATH_BYTES: Final = 1024
MAX_SEGMENT_BYTES: Final = 255
MAX_DEPTH: Final = 64
_SHOWN_CHARACTERS: Final = 120

# ZERO WIDTH (NON-)JOINER are letters' glue in Persian, Hindi and emoji; every other format character (bidirectional
# overrides, byte order marks, invisible operators) only serves to make one name look like another.
_JOINERS: Final = frozenset("\u200c\u200d")
_REFUSED_CATEGORIES: Final = {
    "Cc": "a control character",
    "Cf": "an invisible or bidirectional control character",
    "Cs": "a lone surrogate",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
# Names that a case-insensitive or 8.3 file system would open as git's own files (see git's fsck rules).
_GIT_DIRECTORY = re.compile(r"\.git|git~[0-9]+")
_GIT_MODULES = re.compile(r"\.gitmodules|gitmod~[0-9]+")
_GIT_ATTRIBUTES = re.compile(r"\.gitattributes|gitatt~[0-9]+")


def clean_path(path: str) -> str:
    """Return ``path`` in Unicode NFC after checking it; a directory's trailing "/" is not accepted.

    Raises InvalidPath with the rule that was broken.
    """
    normal = unicodedata.normalize("NFC", path)
    check_path(normal)
    return normal


def check_path(path: str) -> None:
    """Check a path that cannot be rewritten any more (one inside a pushed git tree).

    Raises InvalidPath with the rule that was broken.
    """
    if not path:
        raise _refused(path, "is empty")
    _check_characters(path)
    if path.startswith("/"):
        raise _refused(path, "is absolute")
    if len(path.encode()) > MAX_PATH_BYTES:
        raise _refused(path, f"is longer than {MAX_PATH_BYTES} bytes")
    if not unicodedata.is_normalized("NFC", path):
        raise _refused(path, "is not in Unicode normal form NFC")
    segments = path.split("/")
    if len(segments) > MAX_DEPTH:
        raise _refused(path, f"is nested deeper than {MAX_DEPTH} folders")
    for index, segment in enumerate(segments):
        problem = _segment_problem(segment, last=index == len(segments) - 1)
        if problem:
            raise _refused(path, problem)


def collision_key(segment: str) -> str:
    """Return what a case-insensitive file system would take the segment for; equal keys collide."""
    return unicodedata.normalize("NFC", segment.casefold())


def _check_characters(path: str) -> None:
    for character in path:
        reason = _REFUSED_CATEGORIES.get(unicodedata.category(character))
        if reason and character not in _JOINERS:
            raise _refused(path, f"contains {reason} (U+{ord(character):04X})")
        if character == "\\":
            raise _refused(path, 'contains a backslash; folders are separated by "/"')


def _segment_problem(segment: str, *, last: bool) -> str:
    if not segment:
        return "has an empty part (a doubled or trailing slash)"
    if segment in {".", ".."}:
        return f'contains "{segment}"'
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        return f"has a part longer than {MAX_SEGMENT_BYTES} bytes"
    known_as = _as_file_systems_see(segment)
    if _GIT_DIRECTORY.fullmatch(known_as):
        return 'contains ".git", which belongs to git'
    if _GIT_MODULES.fullmatch(known_as):
        return "names git submodules, which repos here do not have"
    if _GIT_ATTRIBUTES.fullmatch(known_as) and not (last and segment == ".gitattributes"):
        return 'is too close to ".gitattributes", which git reads'
    if known_as == ".cache" and not last:
        return 'lies in ".cache", a folder that clients keep for themselves'
    return ""


def _as_file_systems_see(segment: str) -> str:
    # HFS+ ignores joiners and case, NTFS ignores trailing dots and spaces and splits a stream name off at ":"
    visible = "".join(character for character in segment if character not in _JOINERS)
    return visible.casefold().split(":", 1)[0].rstrip(". ")


def _refused(path: str, problem: str) -> InvalidPath:
    shown = "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}" for character in path[:_SHOWN_CHARACTERS]
    )
    if len(path) > _SHOWN_CHARACTERS:
        shown += "..."
    return InvalidPath(
        f'The path "{shown}" {problem}.', next="Rename the file, for example to data/train.csv.", path=shown
    )
