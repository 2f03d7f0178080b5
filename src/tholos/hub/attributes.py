"""Which files are kept as Git LFS pointers: `.gitattributes` rules, size, and a look at the first bytes."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tholos.hub.errors import InvalidAttributes

SAMPLE_BYTES: Final = 8000  # what git itself looks at to call a file binary
MAX_ATTRIBUTES_BYTES: Final = 100_000
MAX_LINE_BYTES: Final = 2047  # git refuses longer lines and `git fsck` reports them

_COMMON = """
    *.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gguf *.gz *.h5 *.joblib *.keras *.lfs.* *.mlmodel *.model *.msgpack *.npy
    *.npz *.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors *.skops saved_model/**/* *.tar.*
    *.tar *.tflite *.tgz *.wasm *.xz *.zip *.zst *tfevents*
    """
_MEDIA = """
    *.lz4 *.mds *.pcm *.sam *.raw *.aac *.flac *.mp3 *.ogg *.wav *.bmp *.gif *.png *.tiff *.jpg *.jpeg *.webp *.mp4
    *.webm
    """


def default_attributes(*, media: bool) -> bytes:
    """Return the `.gitattributes` that a new repo starts with; ``media`` adds formats of images, sound and video."""
    patterns = _COMMON + _MEDIA if media else _COMMON
    return "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in patterns.split()).encode()


def is_binary(sample: bytes, *, complete: bool) -> bool:
    """Tell whether the first bytes of a file hold a NUL or are not UTF-8.

    ``complete`` says that ``sample`` is the whole file; otherwise a character cut off at its end is forgiven.
    """
    if b"\0" in sample:
        return True
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        cut_off = not complete and error.reason == "unexpected end of data" and len(sample) - error.start < 4
        return not cut_off
    return False


@dataclass(frozen=True)
class Attributes:
    """The LFS rules of one `.gitattributes` file at the root of a repo; the last rule that matches a path decides."""

    rules: tuple[tuple[str, bool], ...]

    @classmethod
    def parse(cls, data: bytes) -> Attributes:
        """Read the rules.

        Raises InvalidAttributes when the file is not text or has lines longer than git allows.
        """
        if len(data) > MAX_ATTRIBUTES_BYTES:
            raise _refused(f"is larger than {MAX_ATTRIBUTES_BYTES} bytes")
        if is_binary(data, complete=True):
            raise _refused("is not UTF-8 text")
        rules: list[tuple[str, bool]] = []
        for number, line in enumerate(data.split(b"\n"), start=1):
            if len(line) > MAX_LINE_BYTES:
                raise _refused(f"has more than {MAX_LINE_BYTES} bytes in line {number}")
            pattern, *settings = line.decode().split() or ["#"]
            lfs = _filter_setting(settings)
            if not pattern.startswith(("#", "[attr]", "!")) and lfs is not None:
                rules.append((pattern, lfs))
        return cls(tuple(rules))

    def wants_lfs(self, path: str) -> bool:
        """Tell whether the rules send this path to LFS."""
        segments = path.split("/")
        return next((lfs for pattern, lfs in reversed(self.rules) if matches(pattern, segments)), False)


def _refused(problem: str) -> InvalidAttributes:
    return InvalidAttributes(
        f"The file .gitattributes {problem}.", next='Keep it to short lines such as "*.bin filter=lfs".'
    )


def _filter_setting(settings: list[str]) -> bool | None:
    decided: bool | None = None
    for setting in settings:
        if setting == "filter=lfs":
            decided = True
        elif setting in {"-filter", "!filter"} or setting.startswith("filter="):
            decided = False
    return decided


def matches(pattern: str, segments: list[str]) -> bool:
    """Tell whether a pattern of git's matches the path of these segments, in time linear in both."""
    if "/" not in pattern:
        return _segment_pattern(pattern).fullmatch(segments[-1]) is not None
    return _matches_folders(pattern.lstrip("/").split("/"), segments)


def _matches_folders(patterns: list[str], segments: list[str]) -> bool:
    # Which prefixes of the path the patterns so far can cover: "**" keeps every longer one alive. Linear in both.
    reachable = {0}
    for index, pattern in enumerate(patterns):
        if pattern == "**":
            start = min(reachable, default=len(segments) + 1)
            # a closing "**" stands for at least one name, as in git
            reachable = set(range(start + (index == len(patterns) - 1), len(segments) + 1))
        else:
            expression = _segment_pattern(pattern)
            reachable = {
                position + 1
                for position in reachable
                if position < len(segments) and expression.fullmatch(segments[position])
            }
    return len(segments) in reachable


@lru_cache(maxsize=1024)
def _segment_pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern.replace("[[:space:]]", "[ ]")))
