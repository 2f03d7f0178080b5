"""``tholos orgs``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tholos.cli.app import Command, group
from tholos.cli.connection import connect
from tholos.cli.output import AsJson, Yes, age, print_fields, print_json, print_table, say

app = group("Organizations: list, create, and say who belongs to them.")
Name = Annotated[str, typer.Argument(metavar="ORGANIZATION", help="The organization's name, and its namespace.")]
User = Annotated[str, typer.Argument(help="The user's name.")]
FullName = Annotated[str, typer.Option(help="What it calls itself, for people.")]


@app.command("list", cls=Command)
def list_organizations(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the organizations that you belong to.

    Examples:
      tholos orgs list
    """
    with connect(ctx) as client:
        found = client.organizations.list()
    if as_json:
        print_json([each.raw for each in found])
        return
    rows = [[each.name, each.full_name, each.role or "", each.members, age(each.created_at)] for each in found]
    print_table(["name", "full name", "your role", "members", "created"], rows, empty="No organizations.")


@app.command("create", cls=Command)
def create(ctx: typer.Context, name: Name, full_name: FullName = "", as_json: AsJson = False) -> None:
    """Make an organization, with you as its first admin.

    Examples:
      tholos orgs create acme --full-name "Acme Research"
    """
    with connect(ctx) as client:
        found = client.organizations.create(name, full_name=full_name)
    if as_json:
        print_json(found.raw)
    else:
        print(found.name)


@app.command("show", cls=Command)
def show(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show an organization, and its members to those who belong to it.

    Examples:
      tholos orgs show acme
    """
    with connect(ctx) as client:
        found = client.organizations.get(name)
        members = client.organizations.members(name) if found.members is not None else []
    if as_json:
        print_json({"organization": found.raw, "members": [each.raw for each in members]})
        return
    print_fields({"name": found.name, "full name": found.full_name, "your role": found.role})
    if members:
        print()
        rows = [[each.name, each.role, age(each.since)] for each in members]
        print_table(["member", "role", "since"], rows, empty="")


@app.command("update", cls=Command)
def update(
    ctx: typer.Context,
    name: Name,
    full_name: Annotated[str, typer.Option(help="What it calls itself, for people.")],
    as_json: AsJson = False,
) -> None:
    """Change what an organization calls itself.

    Examples:
      tholos orgs update acme --full-name "Acme Laboratories"
    """
    with connect(ctx) as client:
        found = client.organizations.update(name, full_name=full_name)
    if as_json:
        print_json(found.raw)
    else:
        say(f"{found.name} is {found.full_name}.")


@app.command("add", cls=Command)
def add(
    ctx: typer.Context,
    name: Name,
    user: User,
    role: Annotated[
        Literal["read", "contributor", "write", "admin"],
        typer.Option(
            help="read; contributor: also create repos; write: write everywhere; admin: also share and delete."
        ),
    ] = "read",
    as_json: AsJson = False,
) -> None:
    """Add a user to an organization, or give a member another role.

    Examples:
      tholos orgs add acme ada --role write
    """
    with connect(ctx) as client:
        member = client.organizations.set_member(name, user, role)
    if as_json:
        print_json(member.raw)
    else:
        say(f"{member.name} is in {name} with the role {member.role}.")


@app.command("remove", cls=Command)
def remove(ctx: typer.Context, name: Name, user: User) -> None:
    """Take a member out of an organization.

    Examples:
      tholos orgs remove acme ada
    """
    with connect(ctx) as client:
        client.organizations.remove_member(name, user)
    say(f"{user} is not in {name} any more.")


@app.command("leave", cls=Command)
def leave(ctx: typer.Context, name: Name) -> None:
    """Leave an organization; its last admin cannot.

    Examples:
      tholos orgs leave acme
    """
    with connect(ctx) as client:
        client.organizations.remove_member(name, client.whoami().name)
    say(f"You left {name}.")


@app.command("delete", cls=Command)
def delete(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Delete an organization that owns nothing any more.

    Examples:
      tholos orgs delete acme --yes
    """
    with connect(ctx) as client:
        found = client.organizations.get(name)
        if not yes:
            typer.confirm(f"Delete the organization {found.name}?", abort=True, err=True)
        client.organizations.delete(found.name)
    say(f"Deleted {found.name}.")
