"""How much a repo is used and how large its model is: the side of its card."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tholos.hub import service as hub
from tholos.kit.database import ReadSession


@dataclass(frozen=True, slots=True)
class Usage:
    """What the side of a card shows."""

    days: list[tuple[date, int]]
    """Downloads of the last 30 days, today last."""
    downloads: int
    downloads_all: int
    likes: int
    parameters: int | None
    types: list[tuple[str, int]]
    """Parameters by the type they are stored as, the most frequent first."""
    architecture: str | None
    context_length: int | None


def usage_of(read: ReadSession, repo: hub.Repo) -> Usage:
    """The usage of a repo that the reader may see."""
    days = hub.downloads_by_day(read, repo)
    document = hub.documents_of(read, [repo]).get(repo.id)
    details = document.details if document else {}
    tensors = details.get("safetensors") or {}
    gguf = details.get("gguf") or {}
    config = details.get("config") or {}
    architectures = config.get("architectures")
    first = architectures[0] if isinstance(architectures, list) and architectures else gguf.get("architecture")
    return Usage(
        days=days,
        downloads=sum(count for _, count in days),
        downloads_all=document.downloads_all if document else 0,
        likes=document.likes if document else 0,
        parameters=document.parameters if document else None,
        types=sorted((tensors.get("parameters") or {}).items(), key=lambda item: -item[1]),
        architecture=first if isinstance(first, str) else None,
        context_length=gguf.get("context_length"),
    )
