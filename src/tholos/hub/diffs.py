"""Diffs: what changed between two revisions, as git writes it; bounded in size and in time."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tholos.hub.gitobjects import FILE_MODE, Entry
from tholos.hub.merging import changed_entries
from tholos.hub.trees import Named, git_blobs, loader
from tholos.kit.blobs import BlobStore
from tholos.kit.database import ReadSession

MAX_FILES: Final = 300
_MAX_FILE_BYTES: Final = 200_000
_MAX_TOTAL: Final = 1_000_000
_MAX_COMPARED_LINES: Final = 1000  # of each side: the comparison of hostile texts takes the cube of it
_BUDGET_S: Final = 3.0
_CONTEXT: Final = 3


@dataclass(frozen=True, slots=True)
class FileDiff:
    """A file that differs: its sizes in bytes before and after (None: it was, or is, not there)."""

    path: str
    size_before: int | None
    size_after: int | None
    lines: tuple[str, ...] | None
    """The hunks as git writes them; None for what is no text, is kept by LFS, or is too long to compare."""
    header: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it, as git writes it."""
        if self.lines is not None:
            return "\n".join([*self.header, *self.lines, ""])
        sizes = " to ".join("nothing" if size is None else f"{size} bytes" for size in self._sizes)
        before, after = (f"a/{self.path}", f"b/{self.path}")
        names = ("/dev/null" if self.size_before is None else before, "/dev/null" if self.size_after is None else after)
        return "\n".join([*self.header, f"Binary files {names[0]} and {names[1]} differ", f"# from {sizes}", ""])

    @property
    def _sizes(self) -> tuple[int | None, int | None]:
        return self.size_before, self.size_after


@dataclass(frozen=True, slots=True)
class Diff:
    """The files that differ between two trees, by path: the first 300 of ``total``."""

    files: tuple[FileDiff, ...]
    total: int

    @property
    def text(self) -> str:
        """All of it, as git writes it."""
        more = f"# and {self.total - len(self.files)} more files\n" if self.total > len(self.files) else ""
        return "".join(file.text for file in self.files) + more


def diff(read: ReadSession, blobs: BlobStore, before: str, after: str) -> Diff:
    """What changed between two root trees of a repo that the caller has authorized. Raises Unprocessable."""
    changes = changed_entries(loader(read), before, after)
    chosen = [(path, *changes[path]) for path in sorted(changes)[:MAX_FILES]]
    known = git_blobs(read, {entry.oid for _, *sides in chosen for entry in sides if entry})
    deadline = time.monotonic() + _BUDGET_S
    files: list[FileDiff] = []
    room = _MAX_TOTAL
    for path, was, now in chosen:
        old, new = (known[entry.oid] if entry else None for entry in (was, now))
        lines = None
        if room > 0 and time.monotonic() < deadline:
            before_text, after_text = _text(blobs, old), _text(blobs, new)
            if before_text is not None and after_text is not None:
                lines = tuple(_hunks(path, was, now, before_text, after_text))
            room -= sum(map(len, lines or ()))
        files.append(
            FileDiff(path, old.size if old else None, new.size if new else None, lines, tuple(_header(path, was, now)))
        )
    return Diff(tuple(files), len(changes))


def _header(path: str, was: Entry | None, now: Entry | None) -> Iterator[str]:
    yield f"diff --git a/{path} b/{path}"
    if was is None and now is not None:
        yield f"new file mode {now.mode}"
    elif now is None and was is not None:
        yield f"deleted file mode {was.mode}"
    elif was and now and was.mode != now.mode:
        yield f"old mode {was.mode}"
        yield f"new mode {now.mode}"
    mode = f" {now.mode or FILE_MODE}" if was and now and was.mode == now.mode else ""
    yield f"index {was.oid if was else '0' * 40}..{now.oid if now else '0' * 40}{mode}"


def _text(blobs: BlobStore, blob: Named | None) -> str | None:
    """The content as text; None where it is none that is shown."""
    if blob is None:
        return ""
    if blob.lfs or blob.size > _MAX_FILE_BYTES:
        return None
    with blobs.open(blob.sha256) as file:
        data = file.read()
    try:
        return None if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return None


def _hunks(path: str, was: Entry | None, now: Entry | None, before: str, after: str) -> Iterator[str]:
    old, new = _lines(before), _lines(after)
    groups = _groups(old, new)
    if not groups:
        return
    yield f"--- {'a/' + path if was else '/dev/null'}"
    yield f"+++ {'b/' + path if now else '/dev/null'}"
    for group in groups:
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@"
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                yield from (f" {line}" for line in old[old_start:old_end])
                continue
            yield from (f"-{line}" for line in old[old_start:old_end])
            yield from (f"+{line}" for line in new[new_start:new_end])


def _lines(text: str) -> list[str]:
    """The lines; of the last is said if it does not end."""
    *lines, rest = text.split("\n")
    return [*lines, f"{rest}\n\\ No newline at end of file"] if rest else lines


def _groups(old: Sequence[str], new: Sequence[str]) -> list[list[tuple[str, int, int, int, int]]]:
    """Runs of changed lines with three lines around each: (what, from and to before, from and to after)."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    codes: Sequence[tuple[str, int, int, int, int]]
    if max(len(middle_old), len(middle_new)) > _MAX_COMPARED_LINES:
        codes = [("replace", 0, len(middle_old), 0, len(middle_new))]
    else:
        codes = list(difflib.SequenceMatcher(None, middle_old, middle_new).get_opcodes())
    shifted = [(tag, a + head, b + head, c + head, d + head) for tag, a, b, c, d in codes]
    around = [
        *([("equal", 0, head, 0, head)] if head else []),
        *shifted,
        *([("equal", len(old) - tail, len(old), len(new) - tail, len(new))] if tail else []),
    ]
    return list(_grouped(around))


def _grouped(codes: Sequence[tuple[str, int, int, int, int]]) -> Iterator[list[tuple[str, int, int, int, int]]]:
    group: list[tuple[str, int, int, int, int]] = []
    for position, (tag, a, b, c, d) in enumerate(codes):
        if tag != "equal":
            group.append((tag, a, b, c, d))
            continue
        is_last = position == len(codes) - 1
        if group and not is_last and b - a <= 2 * _CONTEXT:
            group.append((tag, a, b, c, d))
            continue
        if group:
            end = min(_CONTEXT, b - a)
            yield [*group, (tag, a, a + end, c, c + end)]
        start = min(_CONTEXT, b - a)
        group = [] if is_last or not start else [(tag, b - start, b, d - start, d)]
    if any(code[0] != "equal" for code in group):
        yield group


def _range(start: int, end: int) -> str:
    length = end - start
    return f"{start + 1 if length else start},{length}"
