"""Secrets: made here, shown once, kept only as hashes."""

from __future__ import annotations

import hashlib
import secrets


def new_secret(prefix: str) -> str:
    """A bearer secret of 256 random bits: ``prefix_`` and 43 URL-safe characters."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def hash_secret(secret: str) -> str:
    """SHA-256 in hex. A slow hash is for guessable secrets; these have 256 bits of entropy."""
    return hashlib.sha256(secret.encode()).hexdigest()
