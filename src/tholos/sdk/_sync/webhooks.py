# Generated from sdk/_async/webhooks.py by scripts/generate_sync_client.py; do not edit.
"""Webhooks: addresses that are told of what happens to repos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tholos.sdk.conversations import Delivery, Webhook
from tholos.sdk.references import segment

if TYPE_CHECKING:
    from tholos.sdk._sync.transport import Transport


class Webhooks:
    """Your webhooks."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        url: str,
        watched: Sequence[Mapping[str, str]],
        *,
        domains: Sequence[str] = ("repo", "discussion"),
        secret: str = "",
    ) -> Webhook:
        """Lets an address be told.

        ``watched`` are repos and accounts: ``{"type": "model", "name": "ada/penguins"}``, ``{"type": "user", "name":
        "ada"}``. The secret travels with each delivery, which is also signed with it.
        """
        items = [dict(item) for item in watched]
        body = {"url": url, "watched": items, "domains": list(domains), "secret": secret}
        return Webhook.of(self._transport.call("POST", "/api/v1/webhooks", body=body))

    def get(self, webhook_id: str) -> Webhook:
        """One of yours. Raises NotFound."""
        return Webhook.of(self._transport.call("GET", _path(webhook_id)))

    def update(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        watched: Sequence[Mapping[str, str]] | None = None,
        domains: Sequence[str] | None = None,
        secret: str | None = None,
        disabled: bool | None = None,
    ) -> Webhook:
        """Changes what is given and leaves the rest; disabled, it is told nothing."""
        changes: dict[str, Any] = {"url": url, "secret": secret, "disabled": disabled}
        if watched is not None:
            changes["watched"] = [dict(item) for item in watched]
        if domains is not None:
            changes["domains"] = list(domains)
        body = {key: value for key, value in changes.items() if value is not None}
        return Webhook.of(self._transport.call("PATCH", _path(webhook_id), body=body))

    def delete(self, webhook_id: str) -> None:
        """Deletes it with its deliveries."""
        self._transport.call("DELETE", _path(webhook_id))

    def deliveries(self, webhook_id: str, *, limit: int | None = None) -> list[Delivery]:
        """What it was told and what came of it, newest first."""
        path = f"{_path(webhook_id)}/deliveries"
        return [Delivery.of(item) for item in self._transport.pages(path, limit=limit)]

    def replay(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Sends a delivery once more, as a new one."""
        path = f"{_path(webhook_id)}/deliveries/{segment(delivery_id)}/replay"
        return Delivery.of(self._transport.call("POST", path))

    def list(self) -> list[Webhook]:
        """All of yours."""
        return [Webhook.of(item) for item in self._transport.pages("/api/v1/webhooks")]


def _path(webhook_id: str) -> str:
    return f"/api/v1/webhooks/{segment(webhook_id)}"
