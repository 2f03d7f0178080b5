"""What accounts refuse, and why."""

from __future__ import annotations

from tholos.kit.errors import Conflict, Forbidden, InvalidInput, NotAuthenticated, NotFound, TooManyRequests


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


class TokenLimited(Forbidden):
    """The token is limited to other repos, or to less than this."""

    code = "token_limited"


class InvalidLimit(InvalidInput):
    """A limit of a token cannot be read."""

    code = "invalid_limit"


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


class OrganizationNotFound(NotFound):
    """There is no such organization."""

    code = "organization_not_found"


class OrganizationNotEmpty(Conflict):
    """The organization still owns something."""

    code = "organization_not_empty"


class MemberNotFound(NotFound):
    """The account is not a member."""

    code = "member_not_found"


class LastOrganizationAdmin(Conflict):
    """The last admin of an organization can neither leave nor become less."""

    code = "last_organization_admin"


class TooManyMemberships(Conflict):
    """The account belongs to as many organizations as one may."""

    code = "too_many_memberships"


class TooManyMembers(Conflict):
    """The organization has as many members as one may."""

    code = "too_many_members"


class DeviceLoginNotFound(NotFound):
    """No device waits with this code."""

    code = "device_login_not_found"


class TooManyDeviceLogins(TooManyRequests):
    """Too many devices wait to be let in."""

    code = "too_many_device_logins"
    retry_after_s = 60
