"""Connections to addresses that users named: to public ones only, decided on the address that is connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import httpcore2

from tholos.community.errors import AddressRefused

# Addresses that carry another inside, through which a gateway may lead anywhere.
_TUNNELS: Final = (
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("2001::/32"),
)

# A name server may take its time: threads of its own, so that nothing else of the process waits for one.
_LOOKUPS = ThreadPoolExecutor(32, "webhook-names")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, and to one machine in it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if any(found in network for network in _TUNNELS):
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


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
