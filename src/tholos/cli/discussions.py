"""``tholos discussions``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.files import Kind, Name, handle
from tholos.cli.output import AsJson, Yes, age, print_fields, print_json, print_table, say

if TYPE_CHECKING:
    from tholos.sdk.conversations import Discussion, DiscussionEvent

app = group("Read, open and answer discussions of a repo.")
Number = Annotated[int, typer.Argument(min=1, help="The discussion's number.")]
Words = Annotated[str, typer.Option("--message", "-m", help="What to say, in Markdown.")]
Status = Annotated[
    Literal["all", "open", "closed", "draft", "merged"], typer.Option(help="Only those that stand like this.")
]
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]


@app.command("list", cls=Command)
def list_discussions(
    ctx: typer.Context,
    name: Name,
    kind: Kind = "model",
    status: Status = "all",
    author: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List a repo's discussions and pull requests, newest first.

    Examples:
      tholos discussions list me/tree
      tholos discussions list me/birds --kind dataset --status open
    """
    with connect(ctx) as client:
        found = handle(client, kind, name).discussions.list(status=status, author=author, limit=limit)
    show_list(found, as_json=as_json, empty="No discussions.")


@app.command("open", cls=Command)
def open_discussion(
    ctx: typer.Context,
    name: Name,
    title: Annotated[str, typer.Argument(help="What it is about.")],
    kind: Kind = "model",
    message: Words = "",
    as_json: AsJson = False,
) -> None:
    """Open a discussion, and print its number.

    Examples:
      tholos discussions open ada/tree "Which data was it trained on?"
    """
    with connect(ctx) as client:
        made = handle(client, kind, name).discussions.open(title, message)
    if as_json:
        print_json(made.raw)
    else:
        print(made.number)


@app.command("show", cls=Command)
def show(ctx: typer.Context, name: Name, number: Number, kind: Kind = "model", as_json: AsJson = False) -> None:
    """Show a discussion or pull request with all that was said.

    Examples:
      tholos discussions show ada/tree 3
    """
    with connect(ctx) as client:
        threads = handle(client, kind, name).discussions
        found, events = threads.get(number), threads.events(number)
    show_one(found, events, as_json=as_json)


@app.command("comment", cls=Command)
def comment(
    ctx: typer.Context,
    name: Name,
    number: Number,
    text: Annotated[str, typer.Argument(help="What to say, in Markdown.")],
    kind: Kind = "model",
    as_json: AsJson = False,
) -> None:
    """Add a comment, and print its id.

    Examples:
      tholos discussions comment ada/tree 3 "On the penguins."
    """
    with connect(ctx) as client:
        said = handle(client, kind, name).discussions.comment(number, text)
    if as_json:
        print_json(said.raw)
    else:
        print(said.id)


@app.command("edit", cls=Command)
def edit(
    ctx: typer.Context,
    name: Name,
    number: Number,
    comment_id: Annotated[str, typer.Argument(metavar="COMMENT", help="The comment's id.")],
    text: Annotated[str, typer.Argument(help="What it shall say, in Markdown.")],
    kind: Kind = "model",
) -> None:
    """Change a comment of yours; what it said before is kept.

    Examples:
      tholos discussions edit ada/tree 3 evt_01jd… "On all penguins."
    """
    with connect(ctx) as client:
        handle(client, kind, name).discussions.edit(number, comment_id, text)
    say(f"Changed {comment_id}.")


@app.command("hide", cls=Command)
def hide(
    ctx: typer.Context,
    name: Name,
    number: Number,
    comment_id: Annotated[str, typer.Argument(metavar="COMMENT", help="The comment's id.")],
    kind: Kind = "model",
    yes: Yes = False,
) -> None:
    """Hide a comment for ever: one of yours, or any in a repo that you may write.

    Examples:
      tholos discussions hide me/tree 3 evt_01jd… --yes
    """
    if not yes:
        typer.confirm(f"Hide {comment_id}? What it says is gone for ever.", abort=True, err=True)
    with connect(ctx) as client:
        handle(client, kind, name).discussions.hide(number, comment_id)
    say(f"Hid {comment_id}.")


@app.command("rename", cls=Command)
def rename(
    ctx: typer.Context,
    name: Name,
    number: Number,
    title: Annotated[str, typer.Argument(help="The new title.")],
    kind: Kind = "model",
) -> None:
    """Give a discussion or pull request another title.

    Examples:
      tholos discussions rename me/tree 3 "Which penguins?"
    """
    with connect(ctx) as client:
        say(f"#{number} is called {handle(client, kind, name).discussions.rename(number, title).title!r}.")


@app.command("close", cls=Command)
def close(ctx: typer.Context, name: Name, number: Number, kind: Kind = "model", message: Words = "") -> None:
    """Close a discussion or pull request.

    Examples:
      tholos discussions close me/tree 3 -m "Answered."
    """
    with connect(ctx) as client:
        say(f"#{number} is {handle(client, kind, name).discussions.close(number, message).status}.")


@app.command("reopen", cls=Command)
def reopen(ctx: typer.Context, name: Name, number: Number, kind: Kind = "model", message: Words = "") -> None:
    """Open a discussion or pull request again; of a draft it says that it is ready.

    Examples:
      tholos discussions reopen me/tree 3
    """
    with connect(ctx) as client:
        say(f"#{number} is {handle(client, kind, name).discussions.reopen(number, message).status}.")


def show_list(found: list[Discussion], *, as_json: bool, empty: str) -> None:
    """Some discussions as a table."""
    if as_json:
        print_json([one.raw for one in found])
        return
    rows = [
        [one.number, "pull request" if one.is_pull_request else "discussion", one.status, one.title, one.author,
         age(one.updated_at)]
        for one in found
    ]  # fmt: skip
    print_table(["number", "kind", "status", "title", "by", "updated"], rows, empty=empty)


def show_one(found: Discussion, events: list[DiscussionEvent], *, as_json: bool) -> None:
    """A discussion with what happened to it."""
    if as_json:
        print_json({"discussion": found.raw, "events": [event.raw for event in events]})
        return
    proposal = found.proposal
    print_fields(
        {
            "number": found.number,
            "title": found.title,
            "status": found.status,
            "by": found.author,
            "branch": proposal.branch if proposal else None,
            "head": proposal.head if proposal else None,
            "merged as": proposal.merge_commit if proposal else None,
            "conflicts": ", ".join(proposal.conflicts or ()) if proposal else None,
        }
    )
    for event in events:
        print(f"\n{event.author}, {age(event.created_at)}, {event.kind} {event.id}")
        print(_said(event))


def _said(event: DiscussionEvent) -> str:
    if event.kind == "comment":
        return "(hidden)" if event.hidden else event.text
    if event.kind == "commit":
        return f"{(event.commit or '')[:10]} {event.details.get('subject', '')}"
    return " → ".join(event.details.values())
