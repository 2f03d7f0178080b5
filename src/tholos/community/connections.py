"""Connections to addresses that users named: to public ones only, decided on the address that is connected to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpcore2

from tholos.community.errors import AddressRefused
from tholos.kit.addresses import is_public

# A name server may take its time: threads of its own, so that nothing else of the process waits for one.
_LOOKUPS = ThreadPoolExecutor(32, "webhook-names")


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Looks a name up once, checks every address it has, and connects to one of these: no name is looked up again."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connects. Raises AddressRefused where an address of the host is not public, and httpcore2's errors."""
        failure: Exception | None = None
        for address in await self._addresses(host, port):
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError("the name has no address")

    async def connect_unix_socket(self, path: str, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        """Refuses: no user names a socket of this machine."""
        raise AddressRefused(f"{path} is no address on the internet.", next="Name a host.")

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await self._backend.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                _LOOKUPS, partial(socket.getaddrinfo, host.strip("[]"), port, type=socket.SOCK_STREAM)
            )
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"the name cannot be looked up: {error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self._allow_private and not all(map(is_public, addresses)):
            raise AddressRefused(
                f"{host} is not an address of the public internet.",
                next="Use a public address, or ask the operator to set THOLOS_WEBHOOK_ALLOW_PRIVATE_ADDRESSES.",
            )
        return addresses
