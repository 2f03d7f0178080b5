"""Accounts: who the token belongs to, and what one may know of others."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Scope
from tholos.hub import service as hub
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer
from tholos.wire.huggingface.errors import OrganizationNotFound
from tholos.wire.huggingface.shapes import date


def whoami(call: Call) -> Response:
    """The account behind the token."""
    actor = call.signed_in()
    with call.services.database.read() as read:
        account = accounts.get_account(read, actor.name)
        key = next((key for key in accounts.list_keys(read, actor) if key.id == actor.key_id), None)
    token: dict[str, Any] = {
        "displayName": key.name if key else "session",
        "role": "write" if Scope.WRITE in actor.scopes else "read",
    }
    if key is not None:
        token["createdAt"] = date(key.created_at)
    return answer(
        {
            "type": "user",
            "id": account.id,
            "name": account.name,
            "fullname": account.name,
            "email": None,
            "emailVerified": False,
            "canPay": False,
            "isPro": False,
            "periodEnd": None,
            "avatarUrl": "",
            "orgs": [],
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


def overview(call: Call) -> Response:
    """A user, with the number of their repos that the actor may see."""
    with call.services.database.read() as read:
        account = accounts.get_account(read, call.names["user"])
        models = hub.count_repos(read, call.actor, hub.RepoKind.MODEL, account)
        datasets = hub.count_repos(read, call.actor, hub.RepoKind.DATASET, account)
    return answer(
        {
            "_id": account.id,
            "user": account.name,
            "fullname": account.name,
            "type": "user",
            "avatarUrl": "",
            "isPro": False,
            "isFollowing": False,
            "createdAt": date(account.created_at),
            "details": "",
            "orgs": [],
            "numModels": models,
            "numDatasets": datasets,
            "numSpaces": 0,
            "numDiscussions": 0,
            "numPapers": 0,
            "numUpvotes": 0,
            "numLikes": 0,
            "numFollowers": 0,
            "numFollowing": 0,
        }
    )


def organization(call: Call) -> Response:
    """There are no organizations yet."""
    raise OrganizationNotFound(f'There is no organization "{call.names["user"][:96]}".', next="Use a user's namespace.")


def tags(call: Call) -> Response:
    """The tags in use, by what they tell."""
    with call.services.database.read() as read:
        found = hub.list_tags(read, call.actor, call.kind)
    groups: dict[str, list[dict[str, str]]] = {}
    for tag in found:
        group, colon, label = tag.partition(":")
        kind = group if colon else "other"
        groups.setdefault(kind, []).append({"id": tag, "label": label if colon else tag, "type": kind})
    return answer(groups)


ADDRESSES: Final[tuple[Address, ...]] = (
    address("GET", "/api/whoami-v2", whoami),
    address("GET", "/api/users/{user}/overview", overview),
    address("GET", "/api/organizations/{user}", organization),
    address("GET", "/api/organizations/{user}/{rest}", organization),
    address("GET", "/api/{kinds}-tags-by-type", tags),
)
