"""Likes. The public service lets only browsers like; here a program may, too."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from tholos.accounts import service as accounts
from tholos.hub import service as hub
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer
from tholos.wire.huggingface.repos import R
from tholos.wire.huggingface.shapes import date


def like(call: Call) -> Response:
    """Likes a repo."""
    with call.services.database.write() as write:
        hub.like(write, call.signed_in(), call.kind, call.repo_name)
    return answer({})


def unlike(call: Call) -> Response:
    """Takes a like back."""
    with call.services.database.write() as write:
        hub.unlike(write, call.signed_in(), call.kind, call.repo_name)
    return answer({})


def likers(call: Call) -> Response:
    """Who likes a repo."""
    with call.services.database.read() as read:
        found = hub.likers(read, call.actor, call.kind, call.repo_name)
    return answer([{"user": account.name, "fullname": account.name, "avatarUrl": ""} for account in found])


def likes(call: Call) -> Response:
    """What a user likes, as far as the actor may see it."""
    with call.services.database.read() as read:
        found = hub.likes_of(read, call.actor, accounts.get_account(read, call.names["user"]))
    return answer(
        [
            {"createdAt": date(moment), "repo": {"name": repo.full_name, "type": repo.kind.value}}
            for repo, moment in found
        ]
    )


ADDRESSES: Final[tuple[Address, ...]] = (
    address("POST", f"{R}/like", like),
    address("DELETE", f"{R}/like", unlike),
    address("GET", f"{R}/likers", likers),
    address("GET", "/api/users/{user}/likes", likes),
)
