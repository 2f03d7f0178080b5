"""Everybody who may have a role in a repo: ada's collaborators, the members of acme, and limited tokens of theirs."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import FastAPI
from fastapi.testclient import TestClient

from tholos.accounts import organizations
from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor, OrganizationRole, Role, Scope
from tholos.hub import service as hub
from tholos.hub.collaborators import set_collaborator
from tholos.hub.names import RepoKind
from tholos.kit.services import Services

NONE, READ, WRITE, ADMIN = range(4)
ORDINARY = frozenset({Scope.READ, Scope.WRITE, Scope.PREDICT})

# who: (what they may do with ada/penguins, with acme/model, whether they may make repos as ada, as acme)
TABLE: dict[str, tuple[int, int, bool, bool]] = {
    "anonymous": (NONE, NONE, False, False),
    "stranger": (NONE, NONE, False, False),
    "reader": (READ, NONE, False, False),
    "writer": (WRITE, NONE, False, False),
    "repo_admin": (ADMIN, NONE, False, False),
    "org_read": (NONE, READ, False, False),
    "org_contributor": (NONE, READ, False, True),
    "org_write": (NONE, WRITE, False, True),
    "org_admin": (NONE, ADMIN, False, True),
    "ada": (ADMIN, NONE, True, False),
    "admin": (ADMIN, ADMIN, True, True),
    # tokens of ada's, and of org_write's
    "ada, to read the repo": (READ, NONE, False, False),
    "ada, to write the repo": (WRITE, NONE, False, False),
    "ada, to write her namespace": (WRITE, NONE, True, False),
    "ada, elsewhere": (NONE, NONE, False, False),
    "org_write, to read the repo": (NONE, READ, False, False),
    "org_write, to write the namespace": (NONE, WRITE, False, True),
    "org_read, to write the namespace": (NONE, READ, False, False),
    "admin, to read the repo": (NONE, NONE, False, False),
}
LIMITED = {
    "ada, to read the repo": "Ada/Penguins:read",
    "ada, to write the repo": "ada/penguins:write",
    "ada, to write her namespace": "ada/*:write",
    "ada, elsewhere": "ada/others:write",
    "org_write, to read the repo": "acme/model:read",
    "org_write, to write the namespace": "acme/*:write",
    "org_read, to write the namespace": "acme/*:write",
    # a limited token has no administrator's powers, and the administrator owns none of this
    "admin, to read the repo": "ada/penguins:read",
}


@dataclass
class World:
    """Everybody, each with a way to talk to the server."""

    services: Services
    app: FastAPI
    actors: dict[str, Actor] = field(default_factory=dict)
    clients: dict[str, TestClient] = field(default_factory=dict)

    def add(self, who: str, token: str | None) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.clients[who] = TestClient(self.app, headers=headers, follow_redirects=False, raise_server_exceptions=False)
        if token:
            with self.services.database.read() as read:
                self.actors[who] = accounts.authenticate(read, token)

    def limited(self, who: str, limit: str) -> None:
        with self.services.database.write() as write:
            made = accounts.create_key(
                write, self.actors[who.split(",", maxsplit=1)[0]], "limited", ORDINARY, None, [limit]
            )
        self.add(who, made.secret)

    def refresh(self, tokens: dict[str, str]) -> None:
        for who, token in tokens.items():
            self.add(who, token)


def make_world(services: Services, app: FastAPI, admin_token: str, ada_token: str) -> World:
    """Ada with her collaborators, acme with its members, an administrator, a stranger, and limited tokens."""
    made = World(services, app)
    tokens = {"admin": admin_token, "ada": ada_token}
    made.add("anonymous", None)
    made.refresh(tokens)
    people = ["stranger", "reader", "writer", "repo_admin", "org_read", "org_contributor", "org_write", "org_admin"]
    for who in people:
        with services.database.write() as write:
            tokens[who] = accounts.create_user(write, made.actors["admin"], who)[1].secret
    made.refresh(tokens)
    with services.database.write() as write:
        organizations.create(write, made.actors["org_admin"], "acme", max_memberships=9)
    made.refresh(tokens)
    for role in (OrganizationRole.READ, OrganizationRole.CONTRIBUTOR, OrganizationRole.WRITE):
        with services.database.write() as write:
            organizations.set_member(
                write, made.actors["org_admin"], "Acme", f"org_{role}", role, max_members=9, max_memberships=9
            )
    made.refresh(tokens)
    for owner, name in (("ada", "ada/penguins"), ("ada", "ada/others"), ("org_admin", "acme/model")):
        hub.create_repo(services.database, services.blobs, made.actors[owner], RepoKind.MODEL, name)
    for who, role in (("reader", Role.READER), ("writer", Role.WRITER), ("repo_admin", Role.ADMIN)):
        with services.database.write() as write:
            set_collaborator(write, made.actors["ada"], RepoKind.MODEL, "ada/penguins", who, role, most=9)
    for who, limit in LIMITED.items():
        made.limited(who, limit)
    return made
