"""Connections to upstreams, and to where upstreams send us: decided on the address that is connected to."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

import httpcore2

from tholos.hub.mirror.errors import UpstreamBroken
from tholos.kit.addresses import is_public


class CheckedBackend(httpcore2.NetworkBackend):
    """Looks a name up once, checks every address it has, and connects to one of these: no name is looked up again."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._backend = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connects. Raises UpstreamBroken where an address of the host is not public, and httpcore2's errors."""
        found = addresses(host, port)
        if not self._allow_private and not all(map(is_public, found)):
            raise UpstreamBroken(
                f"The upstream leads to {host}, which is not an address of the public internet.",
                next="Tell the upstream's operator; a public hub has no reason to do that.",
            )
        failure: Exception | None = None
        for address in found:
            try:
                return self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError("the name has no address")

    def connect_unix_socket(self, path: str, *_: Any, **__: Any) -> httpcore2.NetworkStream:
        """Refuses: no upstream is a socket of this machine."""
        raise UpstreamBroken(f"{path} is no address on the internet.", next="Name a host.")


def addresses(host: str, port: int) -> list[str]:
    """The IP addresses of a host. Raises httpcore2.ConnectError."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError(f"the name cannot be looked up: {error}") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
