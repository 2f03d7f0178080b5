"""What happened, told to the rooms that scan and gate."""

from __future__ import annotations

from tholos.kit.outbox import combined, dispatch
from tholos.kit.services import Services
from tholos.scanning import service as scanning
from tholos.serving.admission import HANDLERS


def deliver(services: Services) -> None:
    """Has the outbox say what happened, as the agent does."""
    handlers = combined(scanning.handlers(services.settings), HANDLERS)
    dispatch(services.database, handlers)
