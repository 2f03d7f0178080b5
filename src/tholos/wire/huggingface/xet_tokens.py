"""Tokens for the Xet store, and when a download is offered through it."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from tholos.hub import service as hub
from tholos.hub.xet.repository import own_xet_hashes
from tholos.kit.database import ReadSession
from tholos.wire import xet
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call
from tholos.wire.huggingface.repos import R
from tholos.wire.huggingface.targets import committable, target_of


def read_token(call: Call) -> Response:
    """A token that fetches from the store."""
    with call.services.database.read() as read:
        repo = hub.get_repo(read, call.actor, call.kind, call.repo_name)
        hub.require_content(read, call.actor, repo)
    return xet.token_answer(call.services, call.actor, repo, call.rev, "read", call.base)


def write_token(call: Call) -> Response:
    """A token that sends to the store: for a branch, or for a pull request."""
    target = target_of(call)
    with call.services.database.read() as read:
        repo = committable(call, read, call.actor, target)
    return xet.token_answer(call.services, call.actor, repo, call.rev, "write", call.base, proposes=target.proposes)


def advertised(call: Call, read: ReadSession, repo_id: str, found: hub.TreeEntry) -> str | None:
    """The Xet hash by which a file is offered: only of files too large for the clients' plain downloads.

    Everything smaller goes by plain HTTP, which is faster here and resumes as well.
    """
    if found.sha256 is None or (found.size or 0) <= call.services.settings.xet_download_bytes:
        return None
    return own_xet_hashes(read, repo_id, [found.sha256]).get(found.sha256)


def offer(call: Call, xet_hash: str, commit_id: str) -> dict[str, str]:
    """The headers that offer a file of a revision through Xet."""
    return xet.advertisement(
        xet_hash, f"{call.base}/api/{call.kind.plural}/{call.repo_name}/xet-read-token/{commit_id}"
    )


ADDRESSES: Final[tuple[Address, ...]] = (
    address("GET", f"{R}/xet-read-token/{{rev}}", read_token),
    address("GET", f"{R}/xet-write-token/{{rev}}", write_token),
)
