"""Pages of webhooks: one's own, and what each was told."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from tholos.accounts.dependencies import CurrentActor, Cursor, Read
from tholos.community import webhooks as service
from tholos.community.errors import InvalidWebhook
from tholos.community.webhooks import Watched
from tholos.kit.http import ServicesDep
from tholos.web.rendering import page

router = APIRouter(prefix="/settings/webhooks", include_in_schema=False)
_HERE = "/settings/webhooks"
_PAGE = 30


@router.get("")
def show_webhooks(request: Request, actor: CurrentActor, read: Read) -> Response:
    """The reader's webhooks, and a form for another."""
    return page(request, "webhooks.html", actor, views=service.list_webhooks(read, actor))


@router.post("")
def create_webhook(
    actor: CurrentActor,
    services: ServicesDep,
    url: Annotated[str, Form(max_length=4000)],
    watched: Annotated[str, Form(max_length=30_000)],
    domains: Annotated[list[str], Form()],
    secret: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Makes a webhook by the form."""
    with services.database.write() as write:
        made = service.create_webhook(
            write,
            services.settings,
            actor,
            url=url.strip(),
            watched=[_item(line) for line in watched.split()],
            domains=domains,
            secret=secret,
        )
    return RedirectResponse(f"{_HERE}/{made.webhook.id}", 303)


@router.get("/{webhook}")
def show_webhook(request: Request, webhook: str, actor: CurrentActor, read: Read, cursor: Cursor = None) -> Response:
    """A webhook with its deliveries."""
    view = service.get_webhook(read, actor, webhook)
    found = service.deliveries(read, actor, webhook, cursor=cursor, limit=_PAGE)
    return page(request, "webhook.html", actor, view=view, deliveries=found.items, next_cursor=found.next_cursor)


@router.post("/{webhook}")
def change_webhook(
    webhook: str,
    actor: CurrentActor,
    services: ServicesDep,
    action: Annotated[Literal["enable", "disable", "delete"], Form()],
) -> Response:
    """Enables, disables or deletes it."""
    with services.database.write() as write:
        if action == "delete":
            service.delete_webhook(write, actor, webhook)
            return RedirectResponse(_HERE, 303)
        service.update_webhook(write, services.settings, actor, webhook, disabled=action == "disable")
    return RedirectResponse(f"{_HERE}/{webhook}", 303)


@router.post("/{webhook}/deliveries/{delivery}/replay")
def replay(webhook: str, delivery: str, actor: CurrentActor, services: ServicesDep) -> Response:
    """Sends a delivery once more."""
    with services.database.write() as write:
        service.replay(write, actor, webhook, delivery)
    return RedirectResponse(f"{_HERE}/{webhook}", 303)


def _item(text: str) -> Watched:
    kind, separator, name = text.partition(":")
    if not separator:
        raise InvalidWebhook(f'"{text[:100]}" says not what it is.', next="Write model:ada/penguins or user:ada.")
    return Watched(kind, name)
