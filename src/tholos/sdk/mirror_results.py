"""What the server answers about mirrors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tholos.sdk.decoding import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorRef(Result):
    """A branch or tag as the mirror last put it; ``note`` says why it does not follow the upstream."""

    name: str
    commit: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror(Result):
    """A repo that follows ``source`` at ``url``. ``waiting_files`` are fetched when somebody asks for them."""

    kind: str
    name: str
    url: str
    source: str
    automatic: bool = False
    checked_at: datetime | None = None
    error: str = ""
    waiting_files: int = 0
    waiting_bytes: int = 0
    refs: tuple[MirrorRef, ...] = ()
