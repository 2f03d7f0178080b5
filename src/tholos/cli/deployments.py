"""``tholos deploy`` and ``tholos deployments``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.files import Pinned
from tholos.cli.output import AsJson, Yes, age, print_fields, print_json, print_table, say, short

if TYPE_CHECKING:
    from tholos.sdk import Deployment

app = group("List, stop, start, roll back and delete deployments.")
Name = Annotated[str, typer.Argument(help="The deployment: namespace/name; a name alone is in your own namespace.")]


def deploy(
    ctx: typer.Context,
    model: Pinned,
    name: Annotated[str | None, typer.Option(help="The deployment; by default called like the model.")] = None,
    home: Annotated[
        Literal["auto", "inline", "process"], typer.Option(help="Where it runs: in the gateway or in its own process.")
    ] = "auto",
    allow_unsafe: Annotated[
        bool, typer.Option("--allow-unsafe", help="Serve it whatever its scan says (administrators; audited).")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not wait until it serves.")] = False,
    as_json: AsJson = False,
) -> None:
    """Serve a model; a deployment of that name switches to it without dropping a request.

    A revision is served once its scan is done; one with unsafe files that it would load is refused (see `tholos scan`).

    Examples:
      tholos deploy me/penguins
      tholos deploy me/penguins@v2 --name me/production
    """
    with connect(ctx) as client:
        try:
            deployment = client.deployments.create(
                model, name=name, home=home, allow_unsafe=allow_unsafe, wait=not detach
            )
        except KeyboardInterrupt:
            say("\nThe deployment goes on.\n  → Look at it with `tholos deployments list`.")
            raise typer.Exit(130) from None
        if as_json:
            print_json(deployment.raw)
            return
        _show(deployment)
        if deployment.state == "ready":
            say(f"  → Ask it with `tholos predict {deployment.name} ROW`, or POST {client.url}{deployment.url}")


@app.command("list", cls=Command)
def list_deployments(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List deployments, newest first.

    Examples:
      tholos deployments list
    """
    with connect(ctx) as client:
        found = client.deployments.list()
    if as_json:
        print_json([item.raw for item in found])
        return
    rows = [[item.name, item.state, item.model, short(item.serving_revision), age(item.updated_at)] for item in found]
    print_table(
        ["name", "state", "model", "serving", "updated"],
        rows,
        empty="No deployments.\n  → Make one with `tholos deploy MODEL`.",
    )


@app.command("show", cls=Command)
def show(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show a deployment, and a command that calls it.

    Examples:
      tholos deployments show me/penguins
    """
    with connect(ctx) as client:
        deployment = client.deployments.get(name)
        schema = client.deployments.schema(name)
    if as_json:
        print_json({"deployment": deployment.raw, "schema": schema})
        return
    _show(deployment)
    print(f"\n{schema['curl']}")


@app.command("stop", cls=Command)
def stop(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Stop serving; the deployment stays and can be started again.

    Examples:
      tholos deployments stop me/penguins
    """
    with connect(ctx) as client:
        _answer(client.deployments.stop(name), as_json=as_json)


@app.command("start", cls=Command)
def start(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Serve a stopped deployment again, and wait until it does.

    Examples:
      tholos deployments start me/penguins
    """
    with connect(ctx) as client:
        deployment = client.deployments.start(name)
        _answer(client.deployments.wait_ready(deployment.name), as_json=as_json)


@app.command("rollback", cls=Command)
def rollback(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Go back to the revision served before, and wait until it serves.

    Examples:
      tholos deployments rollback me/penguins
    """
    with connect(ctx) as client:
        deployment = client.deployments.rollback(name)
        _answer(client.deployments.wait_ready(deployment.name), as_json=as_json)


@app.command("delete", cls=Command)
def delete(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Stop serving and remove the deployment; the model stays.

    Examples:
      tholos deployments delete me/penguins --yes
    """
    with connect(ctx) as client:
        full = client.full_name(name)
        if not yes:
            typer.confirm(f"Delete the deployment {full}?", abort=True, err=True)
        client.deployments.delete(full)
    say(f"Deleted {full}.")


def _answer(deployment: Deployment, *, as_json: bool) -> None:
    if as_json:
        print_json(deployment.raw)
    else:
        say(f"{deployment.name} is {deployment.state}, revision {short(deployment.revision)}.")


def _show(deployment: Deployment) -> None:
    print_fields(
        {
            "name": deployment.name,
            "state": deployment.state,
            "error": deployment.error,
            "model": deployment.model,
            "revision": deployment.revision,
            "serving": deployment.serving_revision,
            "previous": deployment.previous_revision,
            "home": deployment.home,
            "url": deployment.url,
        }
    )
