"""Which server to talk to, with which token; and the saved login.

A token is only ever sent to the server it belongs to: the saved login's to the saved URL, the local administrator's to
the local server.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tholos.sdk.errors import InvalidInput

DEFAULT_URL = "http://127.0.0.1:8400"
"""Where `tholos up` listens unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server's base URL (no slash at the end) and the token to show it, if there is one."""

    url: str
    token: str | None

    def __repr__(self) -> str:
        return f"Server(url={self.url!r}, token={'…' if self.token else None})"


def find_server(
    url: str | None = None, token: str | None = None, *, environment: Mapping[str, str] | None = None
) -> Server:
    """The server to talk to.

    URL: the argument, else ``THOLOS_URL``, else the saved login, else the server running on this machine
    (``$THOLOS_HOME/run/server.json``), else http://127.0.0.1:8400. Token: the argument, else ``THOLOS_TOKEN``, else the
    saved login of that URL, else the administrator's token of the server on this machine.
    Raises InvalidInput on a URL that is not http(s).
    """
    environment = os.environ if environment is None else environment
    saved = read_login(environment)
    local = _local_server(environment)
    chosen = url or environment.get("THOLOS_URL") or (saved or local or Server(DEFAULT_URL, None)).url
    chosen = normalize_url(chosen)
    token = token or environment.get("THOLOS_TOKEN")
    for known in (saved, local):
        if not token and known is not None and _origin(known.url) == _origin(chosen):
            token = known.token
    return Server(chosen, token or None)


def normalize_url(url: str) -> str:
    """The base URL without a slash at the end. Raises InvalidInput when it is not an http(s) URL."""
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise InvalidInput(
            f"{url!r} is not the URL of a server.",
            next="Give one like http://127.0.0.1:8400 or https://tholos.example.",
        )
    return url


def login_path(environment: Mapping[str, str] | None = None) -> Path:
    """The file of the saved login: ``$XDG_CONFIG_HOME/tholos/login.json``."""
    environment = os.environ if environment is None else environment
    configured = environment.get("XDG_CONFIG_HOME")
    return (Path(configured) if configured else Path.home() / ".config") / "tholos" / "login.json"


def read_login(environment: Mapping[str, str] | None = None) -> Server | None:
    """The saved login, or None."""
    saved = _read_json(login_path(environment))
    url, token = saved.get("url"), saved.get("token")
    return Server(url, token) if isinstance(url, str) and isinstance(token, str) else None


def save_login(server: Server) -> Path:
    """Keeps URL and token for later calls, readable by its owner alone. Returns the file's path."""
    path = login_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"url": server.url, "token": server.token}, file)
    temporary.replace(path)
    return path


def forget_login() -> bool:
    """Deletes the saved login; False when there was none."""
    try:
        login_path().unlink()
    except FileNotFoundError:
        return False
    return True


def _origin(url: str) -> str:
    """The URL with one name for this machine's loopback, so that `localhost` finds the login of 127.0.0.1."""
    return url.replace("://localhost", "://127.0.0.1", 1) if urlsplit(url).hostname == "localhost" else url


def _local_server(environment: Mapping[str, str]) -> Server | None:
    configured = environment.get("THOLOS_HOME")
    home = Path(configured) if configured else Path.home() / ".tholos"
    url = _read_json(home / "run" / "server.json").get("url")
    if not isinstance(url, str):
        return None
    try:
        token: str | None = (home / "admin-token").read_text(encoding="utf-8").strip()
    except OSError:  # another user's server: its address may be known, its token not
        token = None
    return Server(url.rstrip("/"), token)


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty when there is no such file or it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
