"""Which addresses of the network belong to the public internet."""

from __future__ import annotations

import ipaddress
from typing import Final

# Addresses that carry another inside, through which a gateway may lead anywhere.
_TUNNELS: Final = (
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("2001::/32"),
)


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
