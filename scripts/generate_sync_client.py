"""Makes the synchronous client (``sdk/_sync``) from the asynchronous one (``sdk/_async``).

    python scripts/generate_sync_client.py          writes the files
    python scripts/generate_sync_client.py --check  exits 1 if they are not what would be written

The text is taken token by token, so that strings, comments and formatting stay as they are: ``async`` and ``await`` go,
names of asynchronous things become those of their synchronous twins. ``concurrency.py`` is written by hand on both
sides and holds what cannot be had by renaming.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

SDK = Path(__file__).resolve().parent.parent / "src" / "tholos" / "sdk"
BY_HAND = frozenset({"__init__.py", "concurrency.py"})
HEADER = "# Generated from sdk/_async/{name} by scripts/generate_sync_client.py; do not edit.\n"
TWINS = {
    "_async": "_sync",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "aclose": "close",
    "aread": "read",
    "aiter_raw": "iter_raw",
    "asynccontextmanager": "contextmanager",
}


def synchronous(source: str) -> str:
    """The synchronous twin of a module's text."""
    parts: list[str] = []
    row, column = 1, 0
    dropped = False
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        gap = token.start[1] if token.start[0] > row else token.start[1] - column
        row, column = token.end
        if token.type == tokenize.NAME and token.string in ("async", "await"):
            parts.append(" " * gap)
            dropped = True  # and with it the space behind it
            continue
        parts.append(("" if dropped else " " * gap) + _twin(token))
        dropped = False
    return "".join(parts)


def _twin(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.NAME:
        return TWINS.get(token.string) or re.sub(r"^(_?)Async(?=[A-Z])", r"\1", token.string)
    if token.type == tokenize.COMMENT:
        return re.sub(r"\s*# (ruff: )?noqa: ASYNC\d+.*", "", token.string)
    if token.type == tokenize.STRING:  # docstrings name the classes too; up to Python 3.11 an f-string is one token
        return re.sub(r"\bAsync(?=[A-Z])", "", token.string.replace("{await ", "{"))
    return token.string


def generated() -> dict[Path, str]:
    """Every file of the synchronous client with the text it should have."""
    files = {}
    for path in sorted((SDK / "_async").glob("*.py")):
        if path.name not in BY_HAND:
            text = HEADER.format(name=path.name) + synchronous(path.read_text(encoding="utf-8"))
            target = SDK / "_sync" / path.name
            files[target] = _formatted(text, target)
    return files


def _formatted(text: str, path: Path) -> str:
    for command in (["check", "--quiet", "--fix-only", "--select", "I,F401,RUF022"], ["format", "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(path), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        text = done.stdout
    return text


def main() -> int:
    files = generated()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    extra = [path for path in (SDK / "_sync").glob("*.py") if path.name not in BY_HAND and path not in files]
    if "--check" in sys.argv[1:]:
        for path in [*stale, *extra]:
            print(f"{path} is not up to date: run python scripts/generate_sync_client.py")
        return 1 if stale or extra else 0
    for path in stale:
        path.write_text(files[path], encoding="utf-8")
    for path in extra:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
