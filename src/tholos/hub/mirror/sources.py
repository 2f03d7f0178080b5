"""Which upstreams may be asked, and with which token."""

from __future__ import annotations

from urllib.parse import urlsplit

from tholos.accounts.authorization import Actor
from tholos.hub.mirror.errors import UpstreamNotAllowed
from tholos.kit.errors import InvalidInput
from tholos.kit.settings import Settings

_MAX_CHARACTERS = 500


def checked_base(settings: Settings, actor: Actor, base: str) -> str:
    """The base URL of an upstream that the actor may name. Raises InvalidInput, UpstreamNotAllowed."""
    wanted = cleaned(base or settings.upstream_url)
    if not wanted:
        raise InvalidInput(
            "There is no upstream to mirror from.",
            next="Name one with --from URL, or ask the operator to set THOLOS_UPSTREAM_URL.",
        )
    allowed = {cleaned(each) for each in (settings.upstream_url, *settings.mirror_upstreams.split(","))}
    if wanted in allowed or actor.has_admin_power:
        return wanted
    raise UpstreamNotAllowed(
        f"The operator has not allowed to mirror from {wanted[:200]}.",
        next="Ask the operator to add it to THOLOS_MIRROR_UPSTREAMS, or an administrator to mirror the repo.",
    )


def cleaned(base: str) -> str:
    """A base URL without its closing slash. Raises InvalidInput."""
    text = base.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        sound = not text or (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and not (parts.username or parts.password or parts.query or parts.fragment)
            and parts.port != 0
            and text.isprintable()
            and text.isascii()
        )
    except ValueError:
        sound = False
    if not sound or len(text) > _MAX_CHARACTERS or " " in text:
        raise InvalidInput(
            "The upstream is not a base URL such as https://huggingface.co.",
            next="Give http(s)://host without a user, a query or a fragment.",
        )
    return text


def token_for(settings: Settings, base: str, *, is_admin: bool) -> str:
    """The token to show there: the operator's, to the operator's upstream, for administrators' mirrors alone."""
    return settings.upstream_token if is_admin and base == cleaned(settings.upstream_url) else ""
