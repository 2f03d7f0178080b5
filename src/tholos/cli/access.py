"""``tholos access``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.files import Kind, Name, handle
from tholos.cli.output import AsJson, age, print_fields, print_json, print_table, say

app = group("Ask for the files of gated repos, and answer those who ask for yours.")
User = Annotated[str, typer.Argument(help="The account.")]


@app.command("show", cls=Command)
def show(ctx: typer.Context, name: Name, kind: Kind = "model", as_json: AsJson = False) -> None:
    """Show how you stand to a repo's files, and what its form asks.

    Examples:
      tholos access show ada/llama
    """
    with connect(ctx) as client:
        found = handle(client, kind, name).access.show()
    if as_json:
        print_json(found.raw)
        return
    print_fields(
        {
            "gated": found.gated or "no",
            "you may download": "yes" if found.allowed else "no",
            "your request": found.state or "none",
            "reason": found.reason,
        }
    )
    questions = found.form.get("questions", [])
    if questions:
        print()
        rows = [[item["label"], item["type"], ", ".join(item["options"])] for item in questions]
        print_table(["question", "type", "options"], rows, empty="")


@app.command("request", cls=Command)
def request(
    ctx: typer.Context,
    name: Name,
    kind: Kind = "model",
    field: Annotated[
        list[str] | None, typer.Option("--field", help="An answer, QUESTION=ANSWER; QUESTION alone agrees. Repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask for the files of a gated repo.

    Examples:
      tholos access request ada/llama
      tholos access request ada/llama --field "Affiliation=Athens" --field "I agree to the terms"
    """
    with connect(ctx) as client:
        made = handle(client, kind, name).access.request(_answers(field or []))
    if as_json:
        print_json(made.raw)
    elif made.state == "accepted":
        say("Accepted: you may download its files.")
    else:
        say("Asked: its owner will accept or reject it.")


@app.command("withdraw", cls=Command)
def withdraw(ctx: typer.Context, name: Name, kind: Kind = "model") -> None:
    """Take your request back, or give up the access that came of it.

    Examples:
      tholos access withdraw ada/llama
    """
    with connect(ctx) as client:
        handle(client, kind, name).access.withdraw()
    say("Withdrawn.")


@app.command("list", cls=Command)
def list_requests(
    ctx: typer.Context,
    name: Name,
    kind: Kind = "model",
    state: Annotated[
        Literal["pending", "accepted", "rejected"] | None, typer.Option(help="Only those in this state.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List who asked for the files of your repo, oldest first.

    Examples:
      tholos access list me/llama
      tholos access list me/llama --state pending --json
    """
    with connect(ctx) as client:
        found = handle(client, kind, name).access.requests(state)
    if as_json:
        print_json([item.raw for item in found])
        return
    rows = [[item.account, item.state, age(item.created_at), _told(item.fields), item.reason] for item in found]
    print_table(["account", "state", "asked", "answers", "reason"], rows, empty="Nobody has asked.")


@app.command("accept", cls=Command)
def accept(ctx: typer.Context, name: Name, user: User, kind: Kind = "model", as_json: AsJson = False) -> None:
    """Give an account the files of your gated repo, whether it has asked or not.

    Examples:
      tholos access accept me/llama bob
    """
    with connect(ctx) as client:
        made = handle(client, kind, name).access.accept(user)
    _tell(made, as_json=as_json)


@app.command("reject", cls=Command)
def reject(
    ctx: typer.Context,
    name: Name,
    user: User,
    kind: Kind = "model",
    reason: Annotated[str, typer.Option(help="Why; the account is told.")] = "",
    as_json: AsJson = False,
) -> None:
    """Reject an account's request, or take away what you accepted.

    Examples:
      tholos access reject me/llama bob --reason "Research use only"
    """
    with connect(ctx) as client:
        made = handle(client, kind, name).access.reject(user, reason)
    _tell(made, as_json=as_json)


@app.command("cancel", cls=Command)
def cancel(ctx: typer.Context, name: Name, user: User, kind: Kind = "model", as_json: AsJson = False) -> None:
    """Set an account's request back to pending.

    Examples:
      tholos access cancel me/llama bob
    """
    with connect(ctx) as client:
        made = handle(client, kind, name).access.cancel(user)
    _tell(made, as_json=as_json)


def _tell(made: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(made.raw)
    else:
        say(f"{made.account}: {made.state}.")


def _answers(fields: list[str]) -> dict[str, Any]:
    parted = [field.partition("=") for field in fields]
    return {label: answer if equals else True for label, equals, answer in parted}


def _told(fields: Any) -> str:
    return "; ".join(f"{label}: {'yes' if value is True else value}" for label, value in fields.items())
