"""Accounts: who the token belongs to, and what one may know of others."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from tholos.accounts import organizations
from tholos.accounts import service as accounts
from tholos.accounts.authorization import Scope
from tholos.accounts.models import Account, ApiKey
from tholos.hub import service as hub
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer
from tholos.wire.huggingface.shapes import date


def whoami(call: Call) -> Response:
    """The account behind the token."""
    actor = call.signed_in()
    with call.services.database.read() as read:
        account = accounts.get_account(read, actor.name)
        key = accounts.own_key(read, actor)
        found = [(each, role) for each, role in organizations.of_user(read, actor, account.id)]
    token: dict[str, Any] = {"displayName": "session", "role": "write" if Scope.WRITE in actor.scopes else "read"}
    if key is not None:
        token |= {"displayName": key.name, "createdAt": date(key.created_at)}
        if key.limits is not None:
            token |= {"role": "fineGrained", "fineGrained": _fine_grained(account, key)}
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
            "orgs": [{**_shape(each), "roleInOrg": role.value, "isEnterprise": False} for each, role in found],
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


def overview(call: Call) -> Response:
    """A user, with the number of their repos that the actor may see."""
    with call.services.database.read() as read:
        account = accounts.get_user(read, call.names["user"])
        found = organizations.of_user(read, call.actor, account.id)
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
            "orgs": [_shape(each) for each, _ in found],
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
    """An organization, with the number of its repos that the actor may see."""
    with call.services.database.read() as read:
        found = organizations.get(read, call.names["organization"])
        counts = organizations.count_members(read, [found])
        models = hub.count_repos(read, call.actor, hub.RepoKind.MODEL, found)
        datasets = hub.count_repos(read, call.actor, hub.RepoKind.DATASET, found)
    return answer(
        {
            **_shape(found),
            "_id": found.id,
            "type": "org",
            "details": "",
            "createdAt": date(found.created_at),
            "isVerified": False,
            "isFollowing": False,
            "numUsers": counts[found.id] if organizations.sees_members(call.actor, found) else None,
            "numModels": models,
            "numDatasets": datasets,
            "numSpaces": 0,
            "numPapers": 0,
            "numFollowers": 0,
        }
    )


def members(call: Call) -> Response:
    """Who belongs to an organization, for those who do."""
    with call.services.database.read() as read:
        found = organizations.members(read, call.actor, call.names["organization"])
    return answer(
        [
            {
                "_id": each.account.id,
                "user": each.account.name,
                "fullname": each.account.name,
                "avatarUrl": "",
                "type": "user",
                "isPro": False,
                "role": each.role.value,
            }
            for each in found
        ]
    )


def followers(call: Call) -> Response:
    """Who follows an organization: nobody does here."""
    with call.services.database.read() as read:
        organizations.get(read, call.names["organization"])
    return answer([])


def _shape(account: Account) -> dict[str, Any]:
    return {
        "type": "org",
        "id": account.id,
        "name": account.name,
        "fullname": account.full_name or account.name,
        "avatarUrl": "",
        "email": None,
        "canPay": False,
        "periodEnd": None,
        "plan": "",
    }


def _fine_grained(account: Account, key: ApiKey) -> dict[str, Any]:
    """What a limited key reaches, as the public service lists it."""
    write = ["repo.write"] if Scope.WRITE in key.scopes else []
    return {
        "canReadGatedRepos": False,
        "global": [],
        "scoped": [
            {
                "entity": {"type": "namespace" if name.endswith("/*") else "repo", "name": name, "_id": account.id},
                "permissions": ["repo.content.read", *(write if reach == "write" else [])],
            }
            for name, reach in sorted((key.limits or {}).items())
        ],
    }


def tags(call: Call) -> Response:
    """The tags in use, by what they tell."""
    with call.services.database.read() as read:
        found = hub.tags_by_type(read, call.actor, call.kind)
    groups = {
        group: [{"id": tag, "label": label, "type": group} for tag, label in tags] for group, tags in found.items()
    }
    return answer(groups)


ADDRESSES: Final[tuple[Address, ...]] = (
    address("GET", "/api/whoami-v2", whoami),
    address("GET", "/api/users/{user}/overview", overview),
    address("GET", "/api/organizations/{organization}/overview", organization),
    address("GET", "/api/organizations/{organization}/members", members),
    address("GET", "/api/organizations/{organization}/followers", followers),
    address("GET", "/api/{kinds}-tags-by-type", tags),
)
