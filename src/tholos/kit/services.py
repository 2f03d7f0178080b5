"""What every room of a server process shares: settings, database, blobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from tholos.kit.blobs import BlobStore
from tholos.kit.database import Database
from tholos.kit.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Built once in ``app.create_app`` and handed down; there are no module globals."""

    settings: Settings
    database: Database
    blobs: BlobStore


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]
"""The parameter type by which an endpoint asks for the server's services."""
