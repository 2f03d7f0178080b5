"""Use cases of webhooks: which address is told of what, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import delete, func, select

from tholos.accounts.authorization import Actor
from tholos.accounts.service import record_audit, require_whole
from tholos.community.errors import DeliveryNotFound, InvalidWebhook, TooManyWebhooks, WebhookNotFound
from tholos.community.models import WatchedItem, Webhook, WebhookDelivery
from tholos.hub import service as hub
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession, storable
from tholos.kit.ids import new_id
from tholos.kit.paging import Page, decode_cursor, encode_cursor
from tholos.kit.sealing import Sealer
from tholos.kit.settings import Settings

DOMAINS: Final = ("repo", "discussion")
ACCOUNT_TYPES: Final = ("user", "org")
MAX_WEBHOOKS: Final = 20
MAX_WATCHED: Final = 100
_MAX_URL: Final = 2000
_MAX_SECRET: Final = 200
_PURPOSE: Final = "webhook"


@dataclass(frozen=True, slots=True)
class Watched:
    """What is watched: a repo of a kind ("model"), or all repos of an account ("user", "org")."""

    type: str
    name: str


@dataclass(frozen=True, slots=True)
class WebhookView:
    """A webhook with what it watches."""

    webhook: Webhook
    watched: Sequence[Watched]


def sealer(settings: Settings) -> Sealer:
    """What encrypts the secrets of webhooks."""
    return Sealer(settings, _PURPOSE)


def list_webhooks(read: ReadSession, actor: Actor) -> list[WebhookView]:
    """The actor's webhooks, oldest first."""
    _require_owner(actor)
    query = select(Webhook).where(Webhook.account_id == actor.account_id).order_by(Webhook.id)
    return _viewed(read, list(read.scalars(query)))


def get_webhook(read: ReadSession, actor: Actor, webhook_id: str) -> WebhookView:
    """One of the actor's webhooks. Raises WebhookNotFound, NotAuthenticated, MissingScope, TokenLimited."""
    _require_owner(actor)
    return _viewed(read, [_own(read, actor, webhook_id)])[0]


def create_webhook(
    write: WriteSession,
    settings: Settings,
    actor: Actor,
    *,
    url: str,
    watched: Sequence[Watched],
    domains: Sequence[str] = DOMAINS,
    secret: str = "",
) -> WebhookView:
    """Makes a webhook. Raises InvalidWebhook, TooManyWebhooks, NotAuthenticated, MissingScope, TokenLimited."""
    _require_owner(actor)
    query = select(func.count()).select_from(Webhook).where(Webhook.account_id == actor.account_id)
    if (write.scalar(query) or 0) >= MAX_WEBHOOKS:
        raise TooManyWebhooks(f"You have {MAX_WEBHOOKS} webhooks.", next="Delete one, or let one watch more.")
    made = Webhook(
        id=new_id("hook"),
        account_id=actor.account_id,
        url=_checked_url(url),
        domains=_checked_domains(domains),
        sealed_secret=sealer(settings).seal(_checked_secret(secret)),
        created_at=utcnow(),
    )
    write.add(made)
    write.flush()
    _watch(write, made, _checked_items(watched))
    record_audit(write, actor, "webhook.create", f"webhook {made.id}", {"host": urlsplit(made.url).hostname})
    return _viewed(write, [made])[0]


def update_webhook(
    write: WriteSession,
    settings: Settings,
    actor: Actor,
    webhook_id: str,
    *,
    url: str | None = None,
    watched: Sequence[Watched] | None = None,
    domains: Sequence[str] | None = None,
    secret: str | None = None,
    disabled: bool | None = None,
) -> WebhookView:
    """Changes what is given and leaves the rest. Raises WebhookNotFound, InvalidWebhook."""
    _require_owner(actor)
    found = _own(write, actor, webhook_id)
    if url is not None:
        found.url = _checked_url(url)
    if domains is not None:
        found.domains = _checked_domains(domains)
    if secret is not None:
        found.sealed_secret = sealer(settings).seal(_checked_secret(secret))
    if disabled is not None:
        found.disabled_at = (found.disabled_at or utcnow()) if disabled else None
    if watched is not None:
        items = _checked_items(watched)
        write.execute(delete(WatchedItem).where(WatchedItem.webhook_id == found.id))
        _watch(write, found, items)
    record_audit(write, actor, "webhook.update", f"webhook {found.id}", {"disabled": found.disabled_at is not None})
    write.flush()
    return _viewed(write, [found])[0]


def delete_webhook(write: WriteSession, actor: Actor, webhook_id: str) -> None:
    """Removes a webhook with its deliveries. Raises WebhookNotFound."""
    _require_owner(actor)
    found = _own(write, actor, webhook_id)
    record_audit(write, actor, "webhook.delete", f"webhook {found.id}")
    write.flush()
    write.execute(delete(Webhook).where(Webhook.id == found.id))


def deliveries(
    read: ReadSession, actor: Actor, webhook_id: str, *, cursor: str | None, limit: int
) -> Page[WebhookDelivery]:
    """What a webhook was told, newest first. Raises WebhookNotFound, BadCursor."""
    _require_owner(actor)
    found = _own(read, actor, webhook_id)
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == found.id)
    if cursor:
        query = query.where(WebhookDelivery.id < decode_cursor(cursor, str)[0])
    rows = list(read.scalars(query.order_by(WebhookDelivery.id.desc()).limit(limit + 1)))
    return Page(rows[:limit], encode_cursor(rows[limit - 1].id) if len(rows) > limit else None)


def replay(write: WriteSession, actor: Actor, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    """Sends a delivery once more, as a new one. Raises WebhookNotFound, DeliveryNotFound."""
    _require_owner(actor)
    found = _own(write, actor, webhook_id)
    before = write.get(WebhookDelivery, delivery_id) if storable(delivery_id) else None
    if before is None or before.webhook_id != found.id:
        raise DeliveryNotFound(next="List the webhook's deliveries: old ones are forgotten.")
    made = new_delivery(found.id, before.repo_id, before.payload)
    write.add(made)
    write.flush()
    return made


def new_delivery(webhook_id: str, repo_id: str | None, payload: dict[str, object]) -> WebhookDelivery:
    """A delivery that is due at once."""
    now = utcnow()
    return WebhookDelivery(
        id=new_id("dlv"),
        webhook_id=webhook_id,
        repo_id=repo_id,
        payload=payload,
        state="pending",
        attempts=0,
        error="",
        next_at=now,
        created_at=now,
    )


def _require_owner(actor: Actor) -> None:
    """Webhooks hear of all that their account may read: a token that is limited has no business with them.

    Raises NotAuthenticated, MissingScope, TokenLimited.
    """
    hub.require_proposer(actor)
    require_whole(actor)


def _own(read: ReadSession, actor: Actor, webhook_id: str) -> Webhook:
    found = read.get(Webhook, webhook_id) if storable(webhook_id) else None
    if found is None or found.account_id != actor.account_id:
        raise WebhookNotFound(next="List your webhooks for their ids.")
    return found


def _viewed(read: ReadSession, found: Sequence[Webhook]) -> list[WebhookView]:
    query = select(WatchedItem).where(WatchedItem.webhook_id.in_([one.id for one in found]))
    items: dict[str, list[Watched]] = {one.id: [] for one in found}
    for item in read.scalars(query.order_by(WatchedItem.type, WatchedItem.name_key)):
        items[item.webhook_id].append(Watched(item.type, item.name))
    return [WebhookView(one, items[one.id]) for one in found]


def _watch(write: WriteSession, webhook: Webhook, items: Sequence[Watched]) -> None:
    keys = {(item.type, item.name.lower()): item for item in items}
    write.add_all(
        WatchedItem(webhook_id=webhook.id, type=item.type, name_key=key, name=item.name)
        for (_, key), item in keys.items()
    )
    write.flush()


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    odd = len(url) > _MAX_URL or not url.isascii() or not url.isprintable() or " " in url
    if odd or parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise InvalidWebhook(
            f"The address is no http or https URL of at most {_MAX_URL:,} ASCII characters, without a password.",
            next='Give one such as "https://example.org/hook"; use the secret to prove who sends.',
        )
    return url


def _checked_domains(domains: Sequence[str]) -> list[str]:
    if not domains or not set(domains) <= set(DOMAINS):
        raise InvalidWebhook("The domains are not known.", next="Give repo, discussion, or both.")
    return [domain for domain in DOMAINS if domain in domains]


def _checked_secret(secret: str) -> str:
    # it travels as a header
    if len(secret) > _MAX_SECRET or not secret.isascii() or (secret and not secret.isprintable()):
        raise InvalidWebhook(f"A secret has at most {_MAX_SECRET} printable ASCII characters.", next="Choose another.")
    if secret != secret.strip():
        raise InvalidWebhook("A secret neither begins nor ends with a blank.", next="Leave it out.")
    return secret


def _checked_items(watched: Sequence[Watched]) -> Sequence[Watched]:
    kinds = [kind.value for kind in hub.RepoKind]
    if not 0 < len(watched) <= MAX_WATCHED:
        raise InvalidWebhook(f"A webhook watches 1 to {MAX_WATCHED} repos or accounts.", next="Name at least one.")
    for item in watched:
        parts = item.name.split("/")
        wanted = 1 if item.type in ACCOUNT_TYPES else 2
        known = item.type in (*ACCOUNT_TYPES, *kinds)
        if not known or len(parts) != wanted or not all(parts) or len(item.name) > 200 or not storable(item.name):
            raise InvalidWebhook(
                "What is to be watched cannot be.",
                next=f'Name a user or org ("ada"), or a {" or ".join(kinds)} ("ada/penguins").',
            )
    return watched
