"""Device login: `hf auth login` without a token (RFC 8628). Errors are in OAuth's own shape, which clients poll on."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from tholos.accounts import devices
from tholos.accounts.service import NewKey
from tholos.kit.clock import utcnow
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer

DEVICE_PAGE: Final = "/login/device"
"""Where a person confirms the code."""
_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_FRESH: Final = {"cache-control": "no-store", "pragma": "no-cache"}
_SAID: Final = {
    "authorization_pending": "Nobody has confirmed the code yet.",
    "slow_down": "Leave more time between two questions.",
    "expired_token": "The code has expired, or was used already. Begin again.",
    "access_denied": "The login was refused.",
    "invalid_request": "The request lacks a parameter.",
    "unsupported_grant_type": "Only device codes are taken here; tokens are not refreshed: sign in again.",
}


def begin(call: Call) -> Response:
    """A code for the program, and one for the person."""
    settings = call.services.settings
    client = call.request.headers.get("user-agent", "")
    with call.services.database.write() as write:
        begun = devices.begin(write, client, lifetime_s=settings.device_login_s, most=settings.max_device_logins)
    page = f"{call.base}{DEVICE_PAGE}"
    return answer(
        {
            "device_code": begun.device_code,
            "user_code": begun.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?code={begun.user_code}",
            "expires_in": begun.expires_in_s,
            "interval": devices.INTERVAL_S,
        },
        headers=_FRESH,
    )


def token(call: Call) -> Response:
    """The key, once somebody has confirmed."""
    form = call.form()
    grant, code = _first(form, "grant_type"), _first(form, "device_code")
    if grant != _DEVICE_GRANT:
        return _refused("unsupported_grant_type" if grant else "invalid_request")
    if not code:
        return _refused("invalid_request")
    with call.services.database.write() as write:
        found = devices.redeem(write, code, key_days=call.services.settings.device_key_days)
    if not isinstance(found, NewKey):
        return _refused(found)
    scopes = " ".join(sorted(found.key.scopes))
    shape: dict[str, Any] = {"access_token": found.secret, "token_type": "bearer", "scope": scopes}
    if found.key.expires_at is not None:
        shape["expires_in"] = _seconds_until(found.key.expires_at)
    return answer(shape, headers=_FRESH)


def _seconds_until(moment: datetime) -> int:
    return max(1, round((moment - utcnow()).total_seconds()))


def _first(form: dict[str, list[str]], name: str) -> str:
    return (form.get(name) or [""])[0]


def _refused(error: str) -> Response:
    return answer({"error": error, "error_description": _SAID[error]}, 400, _FRESH)


ADDRESSES: Final[tuple[Address, ...]] = (
    address("POST", "/oauth/device", begin),
    address("POST", "/oauth/token", token),
)
