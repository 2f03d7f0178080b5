"""From the program's options to a client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from tholos.sdk import Client


@dataclass(frozen=True, slots=True)
class Connection:
    """Which server the user named, if any; the rest is found as the SDK finds it."""

    url: str | None
    token: str | None


def connect(ctx: typer.Context) -> Client:
    """The client of this call; close it, or use it in a ``with`` statement."""
    from tholos.sdk import Client

    connection = ctx.find_object(Connection) or Connection(None, None)
    return Client(connection.url, connection.token)
