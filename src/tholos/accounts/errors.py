"""What accounts refuse, and why."""

from __future__ import annotations

from tholos.kit.errors import Conflict, Forbidden, InvalidInput, NotAuthenticated, NotFound


class InvalidToken(NotAuthenticated):
    """The token is not valid."""

    code = "invalid_token"


class TokenExpired(NotAuthenticated):
    """The token has expired."""

    code = "token_expired"


class AccountDisabled(Forbidden):
    """The account is disabled."""

    code = "account_disabled"


class MissingScope(Forbidden):
    """The token lacks the scope for this action."""

    code = "missing_scope"


class CrossOriginRefused(Forbidden):
    """A signed-in browser was told to do this by another site."""

    code = "cross_origin_refused"


class InvalidName(InvalidInput):
    """The name breaks the rules for names."""

    code = "invalid_name"


class NameReserved(Conflict):
    """The name is reserved by the product."""

    code = "name_reserved"


class NameTaken(Conflict):
    """The name is taken."""

    code = "name_taken"


class AccountNotFound(NotFound):
    """There is no such account."""

    code = "account_not_found"


class KeyNotFound(NotFound):
    """There is no such API key."""

    code = "key_not_found"


class LastAdministrator(Conflict):
    """The last administrator cannot be disabled or demoted."""

    code = "last_administrator"
