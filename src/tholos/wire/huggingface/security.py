"""Verdicts of scans, as the protocol has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.kit.database import ReadSession
from tholos.scanning import service as scanning
from tholos.scanning.findings import Status
from tholos.scanning.service import FileVerdict

_RANK: Final = {"innocuous": 0, "suspicious": 1, "dangerous": 2}
_IMPORTS: Final = ("safe", "suspicious", "unsafe")


def file_statuses(
    read: ReadSession, actor: Actor, repo: hub.Repo, entries: Sequence[hub.TreeEntry]
) -> dict[str, dict[str, Any]]:
    """The security status of each file, by path."""
    return {path: _shape(verdict) for path, verdict in scanning.verdicts(read, actor, repo, entries).items()}


def repo_status(read: ReadSession, actor: Actor, repo: hub.Repo, revision: hub.Revision) -> dict[str, Any]:
    """The security status of a revision: whether its scan is done, and which files are not safe."""
    found = scanning.revision_verdict(read, actor, repo, revision)
    return {
        "scansDone": found.is_done,
        "filesWithIssues": [{"path": path, "level": status.value} for path, status in found.issues],
    }


def unsafe_warning(read: ReadSession, actor: Actor, repo: hub.Repo, entry: hub.TreeEntry) -> dict[str, str]:
    """The header by which clients say to their users that a file they download is unsafe."""
    verdict = scanning.verdicts(read, actor, repo, [entry])[entry.path]
    if verdict.status is not Status.UNSAFE:
        return {}
    name = quote(f"{repo.full_name}/{entry.path}", safe="/ ")  # a header holds no other letters
    text = f"{name[:300]} was found unsafe by this server's scan. Do not load it before you have looked at what it is."
    return {"x-hf-warning": f"unsafe file {repo.id} {verdict.sha256[:16]}; {text}"}


def _shape(verdict: FileVerdict) -> dict[str, Any]:
    return {
        "status": verdict.status.value,
        # No virus scanner looks at files here, and none is said to have.
        "avScan": {"status": "unscanned"},
        "pickleImportScan": _imports(verdict) if verdict.is_pickle else None,
    }


def _imports(verdict: FileVerdict) -> dict[str, Any]:
    worst = max((_RANK[safety] for _, _, safety in verdict.imports), default=0)
    return {
        "status": _IMPORTS[worst],
        "pickleImports": [
            {"module": module, "name": name, "safety": safety} for module, name, safety in verdict.imports
        ],
        "version": verdict.version,
    }
