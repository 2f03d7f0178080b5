"""Sealing: secrets that the server must be able to read again, encrypted where they are kept."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

from tholos.kit.errors import Unprocessable
from tholos.kit.settings import Settings
from tholos.kit.signing import signing_key


class SecretUnreadable(Unprocessable):
    """The secret was kept under another THOLOS_SECRET_KEY."""

    code = "secret_unreadable"


class Sealer:
    """Encrypts and decrypts with a key that is made from the server's own, for one purpose."""

    def __init__(self, settings: Settings, purpose: str) -> None:
        key = hmac.digest(signing_key(settings), f"seal:{purpose}".encode(), hashlib.sha256)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, secret: str) -> str:
        """The secret, encrypted and authenticated; an empty one stays empty."""
        return self._fernet.encrypt(secret.encode()).decode() if secret else ""

    def open(self, sealed: str) -> str:
        """The secret again. Raises SecretUnreadable."""
        try:
            return self._fernet.decrypt(sealed).decode() if sealed else ""
        except InvalidToken as error:
            raise SecretUnreadable(next="Set the secret again.") from error
