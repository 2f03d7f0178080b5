"""What every room of a server process shares: settings, database, blobs."""

from __future__ import annotations

from dataclasses import dataclass

from tholos.kit.blobs import BlobStore
from tholos.kit.database import Database
from tholos.kit.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Built once in ``app.create_app`` and handed down; there are no module globals."""

    settings: Settings
    database: Database
    blobs: BlobStore
