"""Names: kinds of repo, `namespace/name`, branches and tags."""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Final

from tholos.accounts.errors import InvalidName
from tholos.accounts.names import check_name
from tholos.hub.errors import InvalidRefName
from tholos.hub.gitobjects import is_commit_id

MAX_REF_BYTES: Final = 200
MAIN: Final = "main"
HEADS: Final = "refs/heads/"
TAGS: Final = "refs/tags/"
PULLS: Final = "refs/pr/"
"""Below it the proposals lie, by the number of their pull request."""

_FORBIDDEN_IN_REF = frozenset(" ~^:?*[\\")


class RepoKind(StrEnum):
    """What a repo holds."""

    MODEL = "model"
    DATASET = "dataset"
    ALGORITHM = "algorithm"

    @property
    def plural(self) -> str:
        """The kind as paths and addresses write it."""
        return f"{self.value}s"


def split_name(full_name: str, kind: RepoKind, default_namespace: str | None = None) -> tuple[str, str]:
    """Returns (namespace, name) of "namespace/name", or of a bare "name" within ``default_namespace``.

    Raises InvalidName, with the rules.
    """
    namespace, slash, name = full_name.partition("/")
    if not slash and default_namespace is None:
        raise InvalidName(
            f'"{_cut(full_name)}" has no namespace.', next='Write "namespace/name", for example "ada/penguins".'
        )
    if not slash:
        namespace, name = str(default_namespace), full_name
    return check_name(namespace, "namespace"), check_name(name, kind.value)


def check_ref_name(name: str) -> str:
    """Returns the short name of a branch or tag after checking it against git's rules and ours.

    Raises InvalidRefName.
    """
    problem = _ref_problem(name)
    if problem:
        raise InvalidRefName(
            f'"{_cut(name)}" cannot name a branch or tag: {problem}.',
            next='Choose another name, for example "experiment-2" or "v1.0".',
        )
    return name


def _ref_problem(name: str) -> str:
    parts = name.split("/")
    if not name or len(name.encode("utf-8", "surrogatepass")) > MAX_REF_BYTES:
        return f"it must have 1 to {MAX_REF_BYTES} bytes"
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"} for character in name):
        return "it holds a blank, control or invisible character"
    if not unicodedata.is_normalized("NFC", name):
        return "it is not in Unicode normal form NFC"
    if _FORBIDDEN_IN_REF.intersection(name) or ".." in name or "@{" in name or name in {"@", "HEAD"}:
        return 'git forbids "..", "@{" and any of ~ ^ : ? * [ \\ in it'
    if name.startswith(("-", "refs/")) or name.endswith("."):
        return 'it must not begin with "-" or "refs/" nor end in "."'
    if any(not part or part.startswith(".") or part.endswith(".lock") for part in parts):
        return 'no part of it may be empty, begin with "." or end in ".lock"'
    if is_commit_id(name.lower()):
        return "it looks like the id of a commit"
    return ""


def _cut(text: str) -> str:
    shown = "".join(character if character.isprintable() else "?" for character in text[:100])
    return shown + ("..." if len(text) > 100 else "")
