"""The ``tholos`` program: its commands, each loaded only when it is used, and what becomes of errors."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from tholos.cli.connection import Connection
from tholos.cli.failures import report

COMMANDS: Final = {
    "up": ("tholos.cli.up:up", "Start the platform on this machine."),
    "login": ("tholos.cli.login:login", "Sign in to a server and remember it."),
    "logout": ("tholos.cli.login:logout", "Forget the saved login."),
    "whoami": ("tholos.cli.login:whoami", "Show who you are and where."),
    "search": ("tholos.cli.search:search", "Find models and datasets by words, filters and use."),
    "repos": ("tholos.cli.repos:app", "List, create and delete models, datasets and algorithms."),
    "access": ("tholos.cli.access:app", "Ask for the files of gated repos, and answer those who ask."),
    "data": ("tholos.cli.data:app", "Import, push, split and look at datasets."),
    "import": ("tholos.cli.imports:import_things", "Bring in a model made elsewhere, or a folder of many."),
    "models": ("tholos.cli.imports:app", "Look at models, describe and correct them."),
    "mirror": ("tholos.cli.mirror:app", "Follow repos of another hub."),
    "push": ("tholos.cli.files:push", "Commit a file or folder to a repo."),
    "pull": ("tholos.cli.files:pull", "Download a repo's files."),
    "discussions": ("tholos.cli.discussions:app", "Read, open and answer discussions of a repo."),
    "pulls": ("tholos.cli.pulls:app", "Propose changes to a repo, look at them, merge them."),
    "webhooks": ("tholos.cli.webhooks:app", "Let programs be told of what happens to repos."),
    "algorithms": ("tholos.cli.algorithms:app", "List, show and start algorithms: what can be trained."),
    "scan": ("tholos.cli.scan:scan", "Show what was found in a repo's files, or scan them again."),
    "train": ("tholos.cli.train:train", "Train a model on a dataset."),
    "compile": ("tholos.cli.compile:compile_model", "Turn a trained model into one fast ONNX graph."),
    "evaluate": ("tholos.cli.evaluate:evaluate", "Measure a model on a dataset."),
    "evaluations": ("tholos.cli.evaluate:app", "Look at what evaluations measured."),
    "compare": ("tholos.cli.evaluate:compare", "Set two model revisions side by side."),
    "deploy": ("tholos.cli.deployments:deploy", "Serve a model."),
    "deployments": ("tholos.cli.deployments:app", "List, stop, start, roll back and delete deployments."),
    "predict": ("tholos.cli.predict:predict", "Ask a deployed model."),
    "jobs": ("tholos.cli.jobs:app", "List, watch, cancel, retry and replay jobs."),
    "logs": ("tholos.cli.jobs:logs", "Print what a job wrote."),
    "lineage": ("tholos.cli.lineage:lineage", "Show what something was made from, and what from it."),
    "keys": ("tholos.cli.keys:app", "List, create and revoke API keys."),
    "orgs": ("tholos.cli.orgs:app", "Organizations: list, create, and say who belongs to them."),
    "users": ("tholos.cli.users:app", "List and create users (administrators)."),
    "reindex": ("tholos.cli.search:reindex", "Have the search index built anew (administrators)."),
    "hub": ("tholos.cli.hub:app", "Collect garbage and check the store (administrators)."),
    "backup": ("tholos.cli.backups:backup", "Back up this machine's server, while it runs."),
    "restore": ("tholos.cli.backups:restore", "Restore a backup into an empty home folder."),
    "config": ("tholos.cli.config:config", "Print every setting: value, default, meaning."),
}
"""Name: (where it is, its line in the list of commands). The list is printed without importing any command."""

_EPILOG: Final = (
    "\b\n"
    "First steps:\n"
    "  tholos up                                     start the platform (in a terminal of its own)\n"
    "  tholos data import penguins                   get a real dataset\n"
    "  tholos data split penguins --by species\n"
    "  tholos train penguins --target species\n"
    "  tholos deploy penguins\n"
    "  tholos predict penguins @row.json\n"
    "\n"
    "\b\n"
    "Exit codes:\n"
    "  0 done    1 failed    2 wrong usage    3 no answer from the server    4 not signed in or not allowed\n"
    "  5 not found    6 the job or deployment failed    130 interrupted\n"
)


class Command(TyperCommand):
    """A command whose docstring ends with examples, which help prints as they stand."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base's signature
        """Writes the description, wrapped, and the examples, not wrapped."""
        text, _, examples = (self.help or "").partition("\nExamples:\n")
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(text)
        if examples:
            with formatter.section("Examples"):
                for line in examples.strip("\n").splitlines():
                    formatter.write(f"{line}\n")


class LazyGroup(TyperGroup):
    """The root: knows its commands by name and line, and imports one when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base's signature
        """The commands' names, in the order of the chain."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the base's signature
        """The command, imported; None when there is no such command."""
        if cmd_name not in self.commands and cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            self.commands[cmd_name] = _as_command(cmd_name, getattr(import_module(module), attribute))
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As the base, but a mistyped name is compared with all commands, not only those imported."""
        if args[0] not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=2)
            hint = f" Did you mean {' or '.join(near)}?" if near else " Run `tholos --help` for all."
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base's signature
        """Writes the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def group(help_line: str) -> typer.Typer:
    """A group of commands below the root."""
    return typer.Typer(help=help_line, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def root() -> typer.Typer:
    """The program."""
    app = typer.Typer(
        cls=LazyGroup,
        name="tholos",
        help="Tholos: train, compile, measure and serve models on your own machines.",
        epilog=_EPILOG,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from tholos import __version__

        typer.echo(f"tholos {__version__}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    url: Annotated[str | None, typer.Option(help="The server's URL.", envvar="THOLOS_URL", show_envvar=True)] = None,
    token: Annotated[
        str | None, typer.Option(help="The API key to show it.", envvar="THOLOS_TOKEN", show_envvar=True)
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    ctx.obj = Connection(url, token)


def _as_command(name: str, target: Any) -> Any:
    if not isinstance(target, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name, cls=Command)(target)
        target = app
    target.pretty_exceptions_enable = False
    command = get_command(target)
    command.name = name
    return command


def run(arguments: Sequence[str]) -> int:
    """Runs one command; returns the exit code. Errors become one line and the next step on stderr, no traceback."""
    try:
        get_command(root()).main(args=list(arguments), prog_name="tholos")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except Exception as error:  # `report` raises again what it does not know
        return report(error)
    return 0
