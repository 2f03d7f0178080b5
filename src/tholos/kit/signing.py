"""Signed, short-lived texts: what a client may carry back to us, in a link or as a token, and cannot make itself.

A text is ``base64url(claims) "." base64url(HMAC-SHA256)`` with the purpose inside what is signed, so that one made for
an upload is worth nothing at a download. It is not encrypted: put no secret into the claims.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tholos.kit.errors import NotAuthenticated
from tholos.kit.home import write_private
from tholos.kit.settings import Settings

_KEY_BYTES = 32


class InvalidSignature(NotAuthenticated):
    """The link or token was not made by this server, was made for something else, or has expired."""

    code = "invalid_signature"


class Signer:
    """Signs and verifies with one key: the setting's, or else the home folder's, made at first use."""

    def __init__(self, settings: Settings) -> None:
        self._key = signing_key(settings)

    def sign(self, purpose: str, claims: dict[str, Any], lifetime_s: float) -> str:
        """A text that carries ``claims`` (small JSON), URL-safe, good for ``lifetime_s`` seconds."""
        body = json.dumps([purpose, int(time.time() + lifetime_s), claims], separators=(",", ":")).encode()
        return f"{_encode(body)}.{_encode(self._mac(body))}"

    def verify(self, purpose: str, text: str) -> dict[str, Any]:
        """The claims of a text signed for this purpose. Raises InvalidSignature."""
        refused = InvalidSignature(next="Ask for a new one: repeat the request that gave you the link or token.")
        body_part, _, mac_part = text.partition(".")
        try:
            body, mac = _decode(body_part), _decode(mac_part)
        except (ValueError, binascii.Error):
            raise refused from None
        if not hmac.compare_digest(mac, self._mac(body)):
            raise refused
        signed_for, expires, claims = json.loads(body)
        if signed_for != purpose or expires < time.time():
            raise refused
        signed: dict[str, Any] = claims
        return signed

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)


def signing_key(settings: Settings) -> bytes:
    """The server's own key: the setting's, or else the home folder's, made at first use."""
    return settings.secret_key.encode() or _home_key(settings.home / "secret-key")


def _home_key(path: Path) -> bytes:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    write_private(draft, secrets.token_hex(_KEY_BYTES))
    with suppress(FileExistsError):  # another process of this home was first: its key counts
        os.link(draft, path)
    draft.unlink()
    return path.read_bytes()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
