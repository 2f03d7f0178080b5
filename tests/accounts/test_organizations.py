"""Organizations and limits by the rules that no other door can get around."""

from __future__ import annotations

import threading

import pytest

from tholos.accounts import organizations, service
from tholos.accounts.authorization import Actor, OrganizationRole, Scope
from tholos.accounts.errors import (
    AccountNotFound,
    InvalidLimit,
    InvalidName,
    KeyNotFound,
    LastOrganizationAdmin,
    MemberNotFound,
    NameReserved,
    NameTaken,
    OrganizationNotFound,
    TokenLimited,
    TooManyMembers,
    TooManyMemberships,
)
from tholos.accounts.limits import parse_limits, written
from tholos.accounts.models import Account, ApiKey, AuditEntry
from tholos.kit.database import Database
from tholos.kit.errors import Forbidden, InvalidInput

ALL = frozenset({Scope.READ, Scope.WRITE, Scope.PREDICT})


def create(database: Database, actor: Actor, name: str, full_name: str = "", most: int = 5) -> Account:
    with database.write() as write:
        return organizations.create(write, actor, name, full_name, max_memberships=most)


def put(
    database: Database, actor: Actor, user: str, role: OrganizationRole, *, members: int = 5, most: int = 5
) -> None:
    with database.write() as write:
        organizations.set_member(write, actor, "acme", user, role, max_members=members, max_memberships=most)


def remove(database: Database, actor: Actor, user: str) -> None:
    with database.write() as write:
        organizations.remove_member(write, actor, "acme", user)


def again(database: Database, token: str) -> Actor:
    with database.read() as read:
        return service.authenticate(read, token)


@pytest.fixture
def acme(database: Database, ada: Actor, ada_token: str) -> Actor:
    """Ada, as the admin of acme."""
    create(database, ada, "acme")
    return again(database, ada_token)


def test_names_are_one_for_users_and_organizations_whatever_their_case(
    database: Database, ada: Actor, admin: Actor, acme: Actor
) -> None:
    for name in ("acme", "ACME", "Ada", "admin"):
        with pytest.raises(NameTaken):
            create(database, ada, name)
    with pytest.raises(NameTaken), database.write() as write:
        service.create_user(write, admin, "Acme")
    for name, error in (("settings", NameReserved), ("a--b", InvalidName), ("a\0", InvalidName)):
        with pytest.raises(error):
            create(database, acme, name)
    for full_name in ("two\nlines", "a\0b", "x" * 201, "\ud800"):
        with pytest.raises(InvalidInput):
            create(database, acme, "fine", full_name)


def test_of_many_that_take_one_name_one_gets_it(database: Database, ada: Actor, bob: Actor) -> None:
    outcomes: list[str] = []

    def attempt(actor: Actor) -> None:
        try:
            outcomes.append(create(database, actor, "wanted").kind)
        except NameTaken as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=attempt, args=(actor,)) for actor in (ada, bob) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["name_taken"] * 5 + ["organization"]


def test_an_admin_always_remains(database: Database, acme: Actor, bob: Actor, admin: Actor, bob_token: str) -> None:
    for _ in range(2):
        with pytest.raises(LastOrganizationAdmin):
            remove(database, acme, "ada")
        with pytest.raises(LastOrganizationAdmin):
            put(database, acme, "ADA", OrganizationRole.WRITE)
        put(database, acme, "bob", OrganizationRole.WRITE)
    put(database, acme, "bob", OrganizationRole.ADMIN)
    with database.write() as write:
        service.set_user(write, admin, "bob", disabled=True)
    with pytest.raises(LastOrganizationAdmin):  # who cannot sign in keeps nothing going
        remove(database, acme, "ada")
    with database.write() as write:
        service.set_user(write, admin, "bob", disabled=False)
    remove(database, acme, "ada")
    with pytest.raises(LastOrganizationAdmin):
        remove(database, again(database, bob_token), "bob")


def test_two_admins_that_leave_at_once_do_not_both(
    database: Database, acme: Actor, bob_token: str, ada_token: str
) -> None:
    put(database, acme, "bob", OrganizationRole.ADMIN)
    outcomes: list[str] = []

    def attempt(token: str) -> None:
        actor = again(database, token)
        try:
            remove(database, actor, actor.name)
            outcomes.append("left")
        except LastOrganizationAdmin:
            outcomes.append("stays")

    threads = [threading.Thread(target=attempt, args=(token,)) for token in (ada_token, bob_token)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["left", "stays"]


def test_only_admins_change_who_belongs_and_all_may_leave(
    database: Database, acme: Actor, bob: Actor, bob_token: str, admin: Actor
) -> None:
    with pytest.raises(Forbidden):
        put(database, bob, "bob", OrganizationRole.ADMIN)
    with pytest.raises(Forbidden), database.read() as read:
        organizations.members(read, bob, "acme")
    put(database, acme, "bob", OrganizationRole.WRITE)
    member = again(database, bob_token)
    with pytest.raises(Forbidden):
        put(database, member, "bob", OrganizationRole.ADMIN)
    with pytest.raises(Forbidden):
        remove(database, member, "ada")
    with database.read() as read:
        assert [(each.account.name, each.role) for each in organizations.members(read, member, "ACME")] == [
            ("ada", "admin"),
            ("bob", "write"),
        ]
    remove(database, member, "Bob")
    assert again(database, bob_token).memberships == {}
    with pytest.raises(MemberNotFound):
        remove(database, acme, "bob")
    for user in ("nobody", "acme", "a\0b"):
        with pytest.raises(AccountNotFound):
            put(database, acme, user, OrganizationRole.READ)
    with pytest.raises(OrganizationNotFound), database.read() as read:
        organizations.get(read, "ada")
    put(database, admin, "bob", OrganizationRole.READ)  # a platform's administrator may help out
    with database.read() as read:
        done = [entry.action for entry in read.query(AuditEntry).order_by(AuditEntry.id)]
    assert {"organization.create", "member.set", "member.remove"} <= set(done)


def test_there_are_bounds(database: Database, acme: Actor, bob: Actor) -> None:
    with pytest.raises(TooManyMembers):
        put(database, acme, "bob", OrganizationRole.READ, members=1)
    with pytest.raises(TooManyMemberships):
        put(database, acme, "bob", OrganizationRole.READ, most=0)
    with pytest.raises(TooManyMemberships):
        create(database, acme, "second", most=1)
    assert bob.memberships == {}


def test_an_organization_is_no_user(database: Database, acme: Actor, admin: Actor) -> None:
    with pytest.raises(AccountNotFound), database.write() as write:
        service.set_user(write, admin, "acme", is_admin=True)
    with database.read() as read:
        assert [user.name for user in service.list_accounts(read, admin, None, 9).items] == ["ada", "admin"]
    assert acme.owners > {acme.account_id}


@pytest.mark.parametrize(
    "text",
    ["", "ada", "ada:read", "ada/x", "ada/x:delete", "ada/x:READ", "*/x:read", "*/*:read", "a/b/c:read", "a/..:read",
     "key:key_1:write", "ada/x :read", "ada/\0:read", ":read", "/x:read", "ada/:read"],
)  # fmt: skip
def test_a_limit_that_cannot_be_read(database: Database, ada: Actor, text: str) -> None:
    with pytest.raises(InvalidLimit), database.write() as write:
        service.create_key(write, ada, "k", ALL, None, [text])


def test_limits_are_kept_without_case_and_the_wider_counts() -> None:
    limits = parse_limits(["Ada/X:read", "ada/x:write", "ada/x:read", "Acme/*:read"])
    assert written(limits) == ["acme/*:read", "ada/x:write"]
    with pytest.raises(InvalidLimit):
        parse_limits(f"ada/n{number}:read" for number in range(101))


def test_a_limited_token_makes_nothing_wider(database: Database, admin: Actor, admin_token: str) -> None:
    with pytest.raises(InvalidLimit), database.write() as write:
        service.create_key(write, admin, "k", frozenset({Scope.ADMIN}), None, ["admin/x:read"])
    with database.write() as write:
        made = service.create_key(write, admin, "k", ALL, None, ["admin/x:write"])
    limited = again(database, made.secret)
    assert not limited.has_admin_power
    with database.write() as write:
        with pytest.raises(TokenLimited):
            service.create_key(write, limited, "k", ALL, None)
        with pytest.raises(TokenLimited):
            organizations.create(write, limited, "mine", max_memberships=5)
        with pytest.raises(KeyNotFound):
            service.revoke_key(write, limited, str(admin.key_id))
    with database.read() as read:
        assert [key.id for key in service.list_keys(read, limited)] == [made.key.id]
        assert service.read_audit(read, limited, None, 9).items == []
    with database.write() as write:
        service.revoke_key(write, limited, made.key.id)
        assert write.get(ApiKey, made.key.id).revoked_at is not None
