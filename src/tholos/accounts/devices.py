"""Device login (RFC 8628): a program shows a code, somebody who is signed in confirms it, the program gets a key."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from sqlalchemy import delete, func, select

from tholos.accounts import repository
from tholos.accounts.authorization import Actor, Scope, hidden
from tholos.accounts.errors import DeviceLoginNotFound, MissingScope, TooManyDeviceLogins
from tholos.accounts.models import DeviceLogin
from tholos.accounts.service import NewKey, issue_key, record_audit, require_whole
from tholos.kit.clock import utcnow
from tholos.kit.crypto import hash_secret, new_secret
from tholos.kit.database import ReadSession, WriteSession

INTERVAL_S: Final = 5
_SLOWER_S: Final = 5
_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no words; no letter that looks like a digit
_LENGTH: Final = 8
_KEPT: Final = timedelta(minutes=10)  # so that who comes late hears why
_SCOPES: Final = frozenset({Scope.READ, Scope.WRITE, Scope.PREDICT})

Answer = Literal["authorization_pending", "slow_down", "expired_token", "access_denied"]
"""Why there is no key (yet), in the words of RFC 8628."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What a program is told: the device code is its own, the user code is for a person."""

    device_code: str
    user_code: str
    expires_in_s: int


def begin(write: WriteSession, client: str, *, lifetime_s: int, most: int) -> Begun:
    """Notes a program that wants to be let in; ``client`` is what it calls itself. Raises TooManyDeviceLogins."""
    now = utcnow()
    write.execute(delete(DeviceLogin).where(DeviceLogin.expires_at < now - _KEPT))
    if (write.scalar(select(func.count()).select_from(DeviceLogin)) or 0) >= most:
        raise TooManyDeviceLogins(next="Try again in a minute, or sign in with a token.")
    device_code, user_code = new_secret("device"), "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    shown = "".join(character for character in client if character.isascii() and character.isprintable())
    write.add(
        DeviceLogin(
            hash=hash_secret(device_code),
            user_code=user_code,
            client=shown[:96],
            state="waiting",
            account_id=None,
            scope_names=[],
            interval_s=INTERVAL_S,
            asked_at=None,
            expires_at=now + timedelta(seconds=lifetime_s),
            created_at=now,
        )
    )
    write.flush()
    return Begun(device_code, f"{user_code[:4]}-{user_code[4:]}", lifetime_s)


def find(read: ReadSession, user_code: str) -> DeviceLogin:
    """The program that shows this code and still waits. Raises DeviceLoginNotFound."""
    code = "".join(character for character in user_code.upper() if character in _LETTERS)
    login = read.scalar(select(DeviceLogin).where(DeviceLogin.user_code == code)) if len(code) == _LENGTH else None
    if login is None or login.state != "waiting" or login.expires_at < utcnow():
        raise DeviceLoginNotFound(
            "No program waits with this code.", next="Check the code; if it is right it has expired: begin again."
        )
    return login


def decide(write: WriteSession, actor: Actor, user_code: str, *, approve: bool) -> None:
    """Lets the program with this code in as the actor, or turns it away.

    It will get a key with the actor's own scopes, never with ``admin``. Raises DeviceLoginNotFound, TokenLimited,
    MissingScope.
    """
    require_whole(actor)
    if actor.is_anonymous or Scope.WRITE not in actor.scopes:
        raise MissingScope("A program is let in only by whoever may write.", next="Sign in with such a token.")
    found = find(write, user_code)
    login = write.get(DeviceLogin, found.hash, with_for_update=True, populate_existing=True)
    if login is None or login.state != "waiting":
        raise hidden(DeviceLoginNotFound, "program that waits with this code")
    login.state = "approved" if approve else "denied"
    login.account_id = actor.account_id
    login.scope_names = sorted(actor.scopes & _SCOPES)
    record_audit(write, actor, f"device.{'approve' if approve else 'deny'}", login.client or "a program")
    write.flush()


def redeem(write: WriteSession, device_code: str, *, key_days: float) -> NewKey | Answer:
    """The key of a program that was let in, this once; else why there is none."""
    query = select(DeviceLogin).where(DeviceLogin.hash == hash_secret(device_code)).with_for_update()
    login = write.scalar(query)
    now = utcnow()
    if login is None or login.expires_at < now:
        return "expired_token"
    too_soon = login.asked_at is not None and now - login.asked_at < timedelta(seconds=login.interval_s - 0.5)
    login.asked_at = now
    if too_soon:
        login.interval_s = min(login.interval_s + _SLOWER_S, 60)
        return "slow_down"
    if login.state == "waiting":
        return "authorization_pending"
    account = repository.account_by_id(write, login.account_id) if login.account_id else None
    write.delete(login)
    if login.state == "denied" or account is None or account.disabled_at is not None:
        return "access_denied"
    actor = Actor(account.id, account.name)
    scopes = frozenset(Scope(name) for name in login.scope_names)
    return issue_key(
        write, actor, account, f"device login {now:%Y-%m-%d %H:%M}", scopes, expires_at=now + timedelta(days=key_days)
    )
