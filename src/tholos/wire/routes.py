"""Every protocol, in the order in which addresses are matched."""

from __future__ import annotations

from fastapi import FastAPI

from tholos.wire import xet
from tholos.wire.git import routes as git
from tholos.wire.huggingface import table as huggingface


def install(app: FastAPI) -> None:
    """Adds the protocols to the application, before the pages."""
    app.router.routes.append(xet.routes())
    git.install(app)
    app.router.routes.append(huggingface.route())


def counts_for_itself(path: str) -> bool:
    """Whether a (decoded) path belongs to a protocol, each of which bounds its bodies in its own way."""
    return xet.is_ours(path) or git.counts_for_itself(path) or huggingface.counts_for_itself(path)
