"""``tholos webhooks``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.output import AsJson, Yes, age, print_json, print_table, say

app = group("Let programs be told of what happens to repos.")
Hook = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's id.")]
Watch = Annotated[
    list[str] | None,
    typer.Option("--watch", help="What: model:ns/name, dataset:ns/name, user:name or org:name; repeatable."),
]
Secret = Annotated[
    str | None, typer.Option(help="Sent with each delivery, which is signed with it.", envvar="THOLOS_WEBHOOK_SECRET")
]


class Domain(StrEnum):
    """What a webhook is told of; an enumeration because Typer takes no list of literals."""

    REPO = "repo"
    DISCUSSION = "discussion"


Domains = Annotated[
    list[Domain] | None, typer.Option("--domain", help="repo or discussion; repeatable. By default both.")
]


@app.command("list", cls=Command)
def list_webhooks(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List your webhooks.

    Examples:
      tholos webhooks list
    """
    with connect(ctx) as client:
        found = client.webhooks.list()
    if as_json:
        print_json([one.raw for one in found])
        return
    rows = [
        [
            one.id,
            one.url,
            ", ".join(f"{item.type}:{item.name}" for item in one.watched),
            ", ".join(one.domains),
            "disabled" if one.disabled else "enabled",
        ]
        for one in found
    ]
    print_table(["id", "url", "watches", "domains", "state"], rows, empty="No webhooks.")


@app.command("create", cls=Command)
def create(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="The address to tell.")],
    watch: Watch = None,
    domain: Domains = None,
    secret: Secret = None,
    as_json: AsJson = False,
) -> None:
    """Let an address be told, and print the webhook's id.

    Examples:
      tholos webhooks create https://ci.example.org/hook --watch model:me/tree --domain repo
    """
    items = [_item(text) for text in watch or []]
    if not items:
        raise typer.BadParameter("Name what to watch: --watch model:ns/name.")
    with connect(ctx) as client:
        made = client.webhooks.create(
            url, items, domains=[one.value for one in domain or list(Domain)], secret=secret or ""
        )
    if as_json:
        print_json(made.raw)
    else:
        print(made.id)


@app.command("update", cls=Command)
def update(
    ctx: typer.Context,
    webhook: Hook,
    url: Annotated[str | None, typer.Option(help="The new address.")] = None,
    watch: Watch = None,
    domain: Domains = None,
    secret: Secret = None,
    as_json: AsJson = False,
) -> None:
    """Change a webhook; what is left out stays.

    Examples:
      tholos webhooks update hook_01jd… --url https://ci.example.org/other
    """
    with connect(ctx) as client:
        changed = client.webhooks.update(
            webhook,
            url=url,
            watched=[_item(text) for text in watch] if watch else None,
            domains=[one.value for one in domain] if domain else None,
            secret=secret,
        )
    if as_json:
        print_json(changed.raw)
    else:
        say(f"Changed {webhook}.")


@app.command("enable", cls=Command)
def enable(ctx: typer.Context, webhook: Hook) -> None:
    """Let a webhook be told again.

    Examples:
      tholos webhooks enable hook_01jd…
    """
    with connect(ctx) as client:
        client.webhooks.update(webhook, disabled=False)
    say(f"Enabled {webhook}.")


@app.command("disable", cls=Command)
def disable(ctx: typer.Context, webhook: Hook) -> None:
    """Let a webhook rest.

    Examples:
      tholos webhooks disable hook_01jd…
    """
    with connect(ctx) as client:
        client.webhooks.update(webhook, disabled=True)
    say(f"Disabled {webhook}.")


@app.command("delete", cls=Command)
def delete(ctx: typer.Context, webhook: Hook, yes: Yes = False) -> None:
    """Delete a webhook with its deliveries.

    Examples:
      tholos webhooks delete hook_01jd… --yes
    """
    if not yes:
        typer.confirm(f"Delete {webhook}?", abort=True, err=True)
    with connect(ctx) as client:
        client.webhooks.delete(webhook)
    say(f"Deleted {webhook}.")


@app.command("deliveries", cls=Command)
def deliveries(
    ctx: typer.Context,
    webhook: Hook,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what a webhook was told and what came of it, newest first.

    Examples:
      tholos webhooks deliveries hook_01jd…
      tholos webhooks deliveries hook_01jd… --json
    """
    with connect(ctx) as client:
        found = client.webhooks.deliveries(webhook, limit=limit)
    if as_json:
        print_json([one.raw for one in found])
        return
    rows = [
        [one.id, one.event, one.state, one.attempts, one.status_code or "", one.error, age(one.created_at)]
        for one in found
    ]
    print_table(["id", "event", "state", "attempts", "answer", "error", "when"], rows, empty="No deliveries.")


@app.command("replay", cls=Command)
def replay(
    ctx: typer.Context,
    webhook: Hook,
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="The delivery's id.")],
) -> None:
    """Send a delivery once more, and print the new one's id.

    Examples:
      tholos webhooks replay hook_01jd… dlv_01jd…
    """
    with connect(ctx) as client:
        print(client.webhooks.replay(webhook, delivery).id)


def _item(text: str) -> dict[str, str]:
    kind, separator, name = text.partition(":")
    if not separator or not name:
        raise typer.BadParameter(f"{text!r} is not written as model:ns/name or user:name.")
    return {"type": kind, "name": name}
