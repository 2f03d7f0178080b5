from __future__ import annotations

from datetime import timedelta

import pytest

from tholos.accounts import service
from tholos.accounts.authorization import ALL_SCOPES, ANONYMOUS, Action, Actor, Scope, authorize
from tholos.accounts.errors import (
    AccountDisabled,
    InvalidName,
    InvalidToken,
    KeyNotFound,
    LastAdministrator,
    MissingScope,
    NameReserved,
    NameTaken,
    TokenExpired,
)
from tholos.accounts.models import ApiKey, AuditEntry
from tholos.kit.clock import utcnow
from tholos.kit.database import Database
from tholos.kit.errors import Forbidden, NotAuthenticated


def test_first_start_makes_one_administrator_and_says_the_token_once(database: Database) -> None:
    with database.write() as write:
        token = service.create_administrator(write)
    assert token is not None
    with database.write() as write:
        assert service.create_administrator(write) is None
    with database.read() as read:
        actor = service.authenticate(read, token)
    assert (actor.name, actor.has_admin_power) == ("admin", True)


def test_no_secret_is_kept_in_the_database(database: Database, admin_token: str) -> None:
    with database.read() as read:
        stored = read.query(ApiKey).one()
    assert admin_token not in repr(vars(stored))
    assert admin_token.startswith(stored.prefix)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("predict", NameReserved),
        ("API", NameReserved),
        ("", InvalidName),
        ("a/b", InvalidName),
        ("..", InvalidName),
        ("a--b", InvalidName),
        (".ada", InvalidName),
        ("ada.git", InvalidName),
        ("x" * 97, InvalidName),
        ("adá", InvalidName),
    ],
)
def test_a_name_that_may_not_be_had(database: Database, admin: Actor, name: str, error: type[Exception]) -> None:
    with pytest.raises(error), database.write() as write:
        service.create_user(write, admin, name)


def test_names_that_differ_in_case_are_one_name(database: Database, admin: Actor, ada: Actor) -> None:
    with pytest.raises(NameTaken), database.write() as write:
        service.create_user(write, admin, "ADA")


def test_only_an_administrator_makes_users(database: Database, ada: Actor) -> None:
    with pytest.raises(Forbidden), database.write() as write:
        service.create_user(write, ada, "eve")


def test_an_administrator_without_the_admin_scope_has_no_power(database: Database, admin: Actor) -> None:
    with database.write() as write:
        secret = service.create_key(write, admin, "narrow", frozenset({Scope.READ, Scope.WRITE}), None).secret
    with database.read() as read:
        narrow = service.authenticate(read, secret)
    with pytest.raises(Forbidden), database.write() as write:
        service.create_user(write, narrow, "eve")


def test_an_expired_a_revoked_and_an_unknown_token_are_refused(database: Database, ada: Actor) -> None:
    with database.write() as write:
        expired = service.create_key(write, ada, "short", frozenset({Scope.READ}), 1)
        revoked = service.create_key(write, ada, "gone", frozenset({Scope.READ}), None)
        write.flush()
        expired.key.expires_at = utcnow() - timedelta(seconds=1)
        service.revoke_key(write, ada, revoked.key.id)
    with database.read() as read:
        for secret, error in [
            (expired.secret, TokenExpired),
            (revoked.secret, InvalidToken),
            ("tholos_nothing", InvalidToken),
        ]:
            with pytest.raises(error) as refused:
                service.authenticate(read, secret)
            assert refused.value.next


def test_a_key_cannot_give_more_than_it_has(database: Database, ada: Actor) -> None:
    with pytest.raises(MissingScope), database.write() as write:
        service.create_key(write, ada, "too much", ALL_SCOPES, None)


def test_another_users_key_cannot_be_revoked(database: Database, ada: Actor, bob: Actor) -> None:
    with database.write() as write:
        key = service.create_key(write, ada, "mine", frozenset({Scope.READ}), None).key
    with pytest.raises(KeyNotFound), database.write() as write:
        service.revoke_key(write, bob, key.id)


def test_a_disabled_user_is_out_at_once(database: Database, admin: Actor, ada_token: str) -> None:
    with database.write() as write:
        service.set_user(write, admin, "ada", disabled=True)
    with pytest.raises(AccountDisabled), database.read() as read:
        service.authenticate(read, ada_token)


def test_the_last_administrator_stays(database: Database, admin: Actor) -> None:
    with pytest.raises(LastAdministrator), database.write() as write:
        service.set_user(write, admin, "admin", is_admin=False)
    with database.read() as read:
        assert service.get_account(read, "admin").is_admin


def test_a_web_session_ends_with_its_key(database: Database, ada: Actor, ada_token: str) -> None:
    with database.write() as write:
        cookie = service.open_session(write, ada_token, days=1)
    with database.read() as read:
        assert service.authenticate_session(read, cookie) == ada
    with database.write() as write:
        assert ada.key_id is not None
        service.revoke_key(write, ada, ada.key_id)
    with database.read() as read:
        assert service.authenticate_session(read, cookie) is None


def test_the_audit_log_cannot_be_changed(database: Database, admin: Actor) -> None:
    for change in ("UPDATE audit SET action = 'nothing'", "DELETE FROM audit"):
        with pytest.raises(Exception, match="append-only"), database.write() as write:
            write.connection().exec_driver_sql(change)
    with database.read() as read:
        assert read.query(AuditEntry).count() > 0


def test_each_reads_their_own_audit_entries(database: Database, admin: Actor, ada: Actor) -> None:
    with database.write() as write:
        service.create_key(write, ada, "k", frozenset({Scope.READ}), None)
    with database.read() as read:
        assert {entry.actor_name for entry in service.read_audit(read, ada, None, 10).items} == {"ada"}
        assert {entry.actor_name for entry in service.read_audit(read, admin, None, 10).items} == {"admin", "ada"}


def test_a_namespace_takes_only_its_owner(database: Database, ada: Actor, bob: Actor) -> None:
    with database.read() as read:
        assert service.namespace_for(read, ada, "ada").name == "ada"
        with pytest.raises(Forbidden):
            service.namespace_for(read, bob, "ada")
        with pytest.raises(NotAuthenticated):
            authorize(ANONYMOUS, Action.WRITE, service.get_account(read, "ada"))
