"""Webhooks of the signed-in account."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from tholos.community import webhooks
from tholos.community.webhooks import Watched, WebhookView
from tholos.kit.errors import InvalidInput
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer, field
from tholos.wire.huggingface.errors import NotOffered
from tholos.wire.huggingface.shapes import Shape


def list_webhooks(call: Call) -> Response:
    """The account's webhooks."""
    with call.services.database.read() as read:
        found = webhooks.list_webhooks(read, call.signed_in())
    return answer([_webhook(call, view) for view in found])


def get_webhook(call: Call) -> Response:
    """One of them."""
    with call.services.database.read() as read:
        found = webhooks.get_webhook(read, call.signed_in(), call.names["webhook"])
    return answer({"webhook": _webhook(call, found)})


def create_webhook(call: Call) -> Response:
    """Makes a webhook."""
    wanted, actor = call.json(), call.signed_in()
    _refuse_jobs(wanted)
    with call.services.database.write() as write:
        made = webhooks.create_webhook(
            write,
            call.services.settings,
            actor,
            url=field(wanted, "url", str, ""),
            watched=_watched(wanted),
            domains=_domains(wanted) or webhooks.DOMAINS,
            secret=field(wanted, "secret", str, ""),
        )
    return answer({"webhook": _webhook(call, made)})


def update_webhook(call: Call) -> Response:
    """Changes what is given; nothing watched is what the clients send where that is to stay as it is."""
    wanted, actor = call.json(), call.signed_in()
    _refuse_jobs(wanted)
    with call.services.database.write() as write:
        changed = webhooks.update_webhook(
            write,
            call.services.settings,
            actor,
            call.names["webhook"],
            url=field(wanted, "url", str),
            watched=_watched(wanted) or None,
            domains=_domains(wanted) or None,
            secret=field(wanted, "secret", str),
        )
    return answer({"webhook": _webhook(call, changed)})


def enable(call: Call) -> Response:
    """Lets a webhook be told again."""
    return _set(call, disabled=False)


def disable(call: Call) -> Response:
    """Lets a webhook rest."""
    return _set(call, disabled=True)


def delete_webhook(call: Call) -> Response:
    """Removes a webhook."""
    with call.services.database.write() as write:
        webhooks.delete_webhook(write, call.signed_in(), call.names["webhook"])
    return answer({})


def _set(call: Call, *, disabled: bool) -> Response:
    settings, name = call.services.settings, call.names["webhook"]
    with call.services.database.write() as write:
        changed = webhooks.update_webhook(write, settings, call.signed_in(), name, disabled=disabled)
    return answer({"webhook": _webhook(call, changed)})


def _refuse_jobs(wanted: dict[str, Any]) -> None:
    if wanted.get("jobSourceId") is not None:
        raise NotOffered("A webhook cannot start a job here.", next="Give the url of a program that does.")


def _watched(wanted: dict[str, Any]) -> list[Watched]:
    items = field(wanted, "watched", list, [])
    if not all(isinstance(item, dict) for item in items):
        raise InvalidInput("An item of watched is no JSON object.", next='Send {"type": "model", "name": "ada/x"}.')
    return [Watched(field(item, "type", str, ""), field(item, "name", str, "")) for item in items]


def _domains(wanted: dict[str, Any]) -> list[str]:
    domains: list[str] = field(wanted, "domains", list, [])
    if not all(isinstance(domain, str) for domain in domains):
        raise InvalidInput("A domain is no text.", next='Send ["repo", "discussion"].')
    return domains


def _webhook(call: Call, view: WebhookView) -> Shape:
    found = view.webhook
    return {
        "id": found.id,
        "url": found.url,
        "job": None,
        "watched": [{"type": item.type, "name": item.name} for item in view.watched],
        "domains": found.domains,
        "secret": webhooks.sealer(call.services.settings).open(found.sealed_secret) or None,
        "disabled": found.disabled_at is not None,
    }


_W: Final = "/api/settings/webhooks"
ADDRESSES: Final[tuple[Address, ...]] = (
    address("GET", _W, list_webhooks),
    address("POST", _W, create_webhook),
    address("GET", f"{_W}/{{webhook}}", get_webhook),
    address("POST", f"{_W}/{{webhook}}", update_webhook),
    address("DELETE", f"{_W}/{{webhook}}", delete_webhook),
    address("POST", f"{_W}/{{webhook}}/enable", enable),
    address("POST", f"{_W}/{{webhook}}/disable", disable),
)
