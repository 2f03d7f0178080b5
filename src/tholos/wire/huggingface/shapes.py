"""What repos, files and revisions look like in the protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from tholos.accounts.authorization import ANONYMOUS, Actor
from tholos.hub import service as hub
from tholos.hub.quotas import repo_bytes
from tholos.hub.trees import first_files
from tholos.kit.database import ReadSession
from tholos.kit.services import Services
from tholos.wire.huggingface.security import repo_status

Shape = dict[str, Any]
# Clients that need every file page through the tree; a list of repos shows up to a hundred repos' files at once.
_MAX_SIBLINGS: Final = 50_001
_MAX_SIBLINGS_LISTED: Final = 5_000
_POINTER_OVERHEAD: Final = len("version https://git-lfs.github.com/spec/v1\noid sha256:\nsize \n") + 64


def date(moment: datetime) -> str:
    """A moment as the clients parse it: UTC, milliseconds, a closing Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def entry(
    found: hub.TreeEntry,
    change: hub.Revision | None = None,
    xet_hash: str | None = None,
    security: Shape | None = None,
) -> Shape:
    """A file or folder of a listing; ``change`` is the revision that last touched it, if that was asked for.

    ``xet_hash`` is given only where the file is offered through Xet: clients then insist on it.
    """
    shape: Shape = {"type": found.type, "oid": found.git_oid, "size": found.size or 0, "path": found.path}
    if found.lfs:
        shape["lfs"] = {"oid": found.sha256, "size": found.size, "pointerSize": pointer_size(found.size or 0)}
    if xet_hash is not None:
        shape["xetHash"] = xet_hash
    if security is not None:
        shape["securityFileStatus"] = security
    if change is not None:
        title = change.message.partition("\n")[0]
        shape["lastCommit"] = {"id": change.commit_id, "title": title, "date": date(change.created_at)}
    return shape


def pointer_size(size: int) -> int:
    """Bytes of the LFS pointer to a content of ``size`` bytes."""
    return _POINTER_OVERHEAD + len(str(size))


def sibling(found: hub.TreeEntry, *, blobs: bool) -> Shape:
    """A file in the info of its repo, with size and ids where ``blobs`` asks for them."""
    if not blobs:
        return {"rfilename": found.path}
    shape: Shape = {"rfilename": found.path, "size": found.size, "blobId": found.git_oid}
    if found.lfs:
        shape["lfs"] = {"sha256": found.sha256, "size": found.size, "pointerSize": pointer_size(found.size or 0)}
    return shape


def repo_address(base: str, repo: hub.Repo) -> str:
    """The repo's page on this server."""
    prefix = "" if repo.kind is hub.RepoKind.MODEL else f"/{repo.kind.plural}"
    return f"{base}{prefix}/{repo.full_name}"


@dataclass(frozen=True)
class RepoFacts:
    """What the info of a repo is made from; the costly parts are read when a field asks for them."""

    services: Services
    read: ReadSession
    repo: hub.Repo
    tags: list[str]
    sha: str | None
    likes: int = 0
    revision: hub.Revision | None = None
    """The one asked for; None in lists, where the head of main counts."""
    blobs: bool = False
    actor: Actor = ANONYMOUS
    document: hub.SearchDocument | None = None
    """The repo as search sees it; None while the index lacks it."""

    @cached_property
    def details(self) -> Mapping[str, Any]:
        """What the files of the revision tell: read anew for one that was asked for, remembered in lists."""
        if self.repo.kind is not hub.RepoKind.MODEL:
            return {}
        if self.revision is not None:
            return hub.describe(self.services.blobs, hub.kept(self.read, self.repo, self.files))
        return self.document.details if self.document else {}

    @property
    def config(self) -> dict[str, Any] | None:
        """The known part of config.json, which is quoted: for those who may have the files."""
        found: dict[str, Any] | None = self.details.get("config")
        return found if found and hub.access_of(self.read, self.actor, self.repo).allowed else None

    @cached_property
    def all_tags(self) -> list[str]:
        """The card's tags and those that follow from the files."""
        return sorted({*self.tags, *hub.derived_tags(self.details)})

    @cached_property
    def files(self) -> list[hub.TreeEntry]:
        """The files, cut where there are very many."""
        if self.sha is None:
            return []
        revision = self.revision or hub.revision_of(self.read, self.repo, self.sha)
        return first_files(self.read, revision.tree_id, self._most_files)

    @property
    def used_storage(self) -> int:
        """Bytes of all contents that the repo possesses, in all its revisions."""
        return repo_bytes(self.read, self.repo.id)

    @property
    def _most_files(self) -> int:
        return _MAX_SIBLINGS if self.revision else _MAX_SIBLINGS_LISTED

    @property
    def security(self) -> Shape | None:
        """The verdict of the scan; None in an empty repo."""
        if self.sha is None:
            return None
        revision = self.revision or hub.revision_of(self.read, self.repo, self.sha)
        return repo_status(self.read, self.actor, self.repo, revision)

    @cached_property
    def card(self) -> Mapping[str, Any]:
        if self.revision is None:
            return self.repo.card
        return hub.card_of(self.read, self.services.blobs, self.revision.tree_id).metadata


_EVERY: Final[dict[str, Callable[[RepoFacts], Any]]] = {
    "author": lambda facts: facts.repo.namespace,
    "baseModels": lambda facts: _base_models(facts.card),
    "securityRepoStatus": lambda facts: facts.security,
    "cardData": lambda facts: dict(facts.card) or None,
    "createdAt": lambda facts: date(facts.repo.created_at),
    "description": lambda facts: facts.repo.description or None,
    "disabled": lambda _facts: False,
    "downloads": lambda facts: facts.document.downloads if facts.document else 0,
    "downloadsAllTime": lambda facts: facts.document.downloads_all if facts.document else 0,
    "gated": lambda facts: facts.repo.gated or False,
    "lastModified": lambda facts: date(_changed(facts)),
    "likes": lambda facts: facts.likes,
    "private": lambda facts: facts.repo.visibility == "private",
    "sha": lambda facts: facts.sha,
    "siblings": lambda facts: [sibling(found, blobs=facts.blobs) for found in facts.files],
    "tags": lambda facts: facts.all_tags,
    "trendingScore": lambda facts: facts.document.trending if facts.document else 0,
    "usedStorage": lambda facts: facts.used_storage,
    "xetEnabled": lambda _facts: False,
}
_OF_MODELS: Final[dict[str, Callable[[RepoFacts], Any]]] = {
    "config": lambda facts: facts.config,
    "gguf": lambda facts: facts.details.get("gguf"),
    "library_name": lambda facts: _word(facts.card.get("library_name")) or facts.details.get("library_name"),
    "modelId": lambda facts: facts.repo.full_name,
    "pipeline_tag": lambda facts: _word(facts.card.get("pipeline_tag")) or facts.details.get("pipeline_tag"),
    "safetensors": lambda facts: facts.details.get("safetensors"),
    "transformersInfo": lambda facts: facts.details.get("transformersInfo"),
}
_LISTED: Final = (
    "author",
    "createdAt",
    "disabled",
    "downloads",
    "gated",
    "lastModified",
    "library_name",
    "likes",
    "modelId",
    "pipeline_tag",
    "private",
    "sha",
    "tags",
    "trendingScore",
)
_SHOWN: Final = (
    *_LISTED,
    "cardData",
    "config",
    "description",
    "gguf",
    "safetensors",
    "siblings",
    "transformersInfo",
    "usedStorage",
)
_IF_ANY: Final = frozenset({"config", "gguf", "safetensors", "transformersInfo"})
"""Left out where there is nothing to tell: some clients read into whatever is there."""


def repo_info(facts: RepoFacts, expand: Iterable[str], *, listed: bool, more: Iterable[str] = ()) -> Shape:
    """The info of a repo: what ``expand`` names, or else what is usual in a list or alone, and ``more``."""
    known = _EVERY | (_OF_MODELS if facts.repo.kind is hub.RepoKind.MODEL else {})
    wanted = list(expand) or [*(_LISTED if listed else _SHOWN), *more]
    found = {name: known[name](facts) for name in wanted if name in known}
    found = {name: value for name, value in found.items() if value is not None or name not in _IF_ANY}
    return {"_id": facts.repo.id, "id": facts.repo.full_name, **found}


def _base_models(card: Mapping[str, Any]) -> dict[str, Any] | None:
    names = card.get("base_model")
    names = [name for name in (names if isinstance(names, list) else [names]) if isinstance(name, str)]
    relation = _word(card.get("base_model_relation")) or "finetune"
    return {"relation": relation, "models": [{"id": name} for name in names]} if names else None


def _changed(facts: RepoFacts) -> datetime:
    return facts.revision.created_at if facts.revision else facts.repo.updated_at


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None
