"""Every address of the protocol, in the order in which they are matched."""

from __future__ import annotations

from typing import Final

from tholos.wire.huggingface import (
    access,
    accounts,
    cards,
    commits,
    discussions,
    files,
    large_files,
    lfs,
    likes,
    multipart,
    oauth,
    refs,
    repos,
    unsupported,
    webhooks,
    xet_tokens,
)
from tholos.wire.huggingface.addresses import Address
from tholos.wire.huggingface.routing import HubRoute, counts_for_itself

ADDRESSES: Final[tuple[Address, ...]] = (
    *accounts.ADDRESSES,
    *cards.ADDRESSES,
    *repos.ADDRESSES,
    *refs.ADDRESSES,
    *commits.ADDRESSES,
    *files.ADDRESSES,
    *lfs.ADDRESSES,
    *multipart.ADDRESSES,
    *likes.ADDRESSES,
    *oauth.ADDRESSES,
    *discussions.ADDRESSES,
    *webhooks.ADDRESSES,
    *access.ADDRESSES,
    *large_files.ADDRESSES,
    *xet_tokens.ADDRESSES,
    *unsupported.ADDRESSES,
)


def route() -> HubRoute:
    """The protocol, to stand before the pages."""
    return HubRoute(ADDRESSES)


__all__ = ["ADDRESSES", "counts_for_itself", "route"]
