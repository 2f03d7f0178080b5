"""What a `.gitignore` leaves out of a commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tholos.hub.attributes import matches

MAX_RULES: Final = 200  # the rest is passed over: every path is held against every rule
_MAX_LINE: Final = 255


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: str
    ignores: bool
    folders_only: bool


@dataclass(frozen=True)
class IgnoreRules:
    """The rules of one `.gitignore` at the root of a repo; the last that matches decides, as in git."""

    rules: Sequence[_Rule]
    _folders: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> IgnoreRules:
        """Reads the rules; lines that git could not mean are passed over."""
        rules = [rule for line in text.splitlines() if (rule := _rule(line)) is not None]
        return cls(rules[:MAX_RULES])

    def ignore(self, path: str) -> bool:
        """Whether a file at this path is left out: it, or a folder that it lies in."""
        folder, _, _ = path.rpartition("/")
        return bool(self.rules) and (self._ignores_folder(folder) or self._matched(path, is_folder=False))

    def _ignores_folder(self, folder: str) -> bool:
        if not folder:
            return False
        if folder not in self._folders:
            above, _, _ = folder.rpartition("/")
            self._folders[folder] = self._ignores_folder(above) or self._matched(folder, is_folder=True)
        return self._folders[folder]

    def _matched(self, path: str, *, is_folder: bool) -> bool:
        segments = path.split("/")
        for rule in reversed(self.rules):
            if (is_folder or not rule.folders_only) and matches(rule.pattern, segments):
                return rule.ignores
        return False


def _rule(line: str) -> _Rule | None:
    text = line.rstrip()
    if not text or text.startswith("#") or len(text) > _MAX_LINE:
        return None
    ignores = not text.startswith("!")
    pattern = text.removeprefix("!").removeprefix("\\")
    folders_only = pattern.endswith("/")
    pattern = pattern.rstrip("/")
    return _Rule(pattern, ignores, folders_only) if pattern else None
