"""What every room of a server process shares: settings, database, blobs, counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from tholos.kit.blobs import BlobStore
from tholos.kit.database import Database
from tholos.kit.settings import Settings
from tholos.kit.tallies import Tally


@dataclass(frozen=True, slots=True)
class Services:
    """Built once in ``app.create_app`` and handed down; there are no module globals."""

    settings: Settings
    database: Database
    blobs: BlobStore
    downloads: Tally = field(default_factory=Tally)
    """Downloads of repos, by their ids, that are not yet in the database."""
