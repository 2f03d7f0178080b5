"""Makes ``docs/reference/cli.md`` from the commands themselves.

python scripts/generate_cli_reference.py          writes the page
python scripts/generate_cli_reference.py --check  exits 1 if it is not what would be written
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from tholos.cli import failures
from tholos.cli.app import root

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"
EXIT_CODES = (
    (0, "done"),
    (failures.FAILED, "failed; the message says why"),
    (failures.USAGE, "wrong usage"),
    (failures.UNREACHABLE, "no answer from the server"),
    (failures.NOT_ALLOWED, "not signed in, or not allowed"),
    (failures.NOT_FOUND, "not found, or not yours to see"),
    (failures.WORK_FAILED, "the job or deployment failed or was cancelled"),
    (failures.INTERRUPTED, "interrupted (Ctrl-C); a job that was watched goes on"),
)
HEAD = """# Command line

Generated from the program by `scripts/generate_cli_reference.py`.

Results go to stdout, messages and progress to stderr. `--json` prints what the REST API answered. Off a terminal,
tables are tab-separated lines without a heading. Errors are one line and the next command to try.

The server is found in this order: `--url`, `THOLOS_URL`, the login saved by `tholos login`, the server running on
this machine, `http://127.0.0.1:8400`; the token likewise: `--token`, `THOLOS_TOKEN`, the saved login, the local
administrator's. A saved token is only sent to the server it was saved for.
Shell completion: `tholos --install-completion`.
"""


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its full name."""
    if not isinstance(command, TyperGroup):
        yield path, command
        return
    for name in command.list_commands(None):
        yield from commands(command.get_command(None, name), f"{path} {name}")


def page() -> str:
    """The page's text."""
    lines = [HEAD, "| exit code | meaning |", "|---|---|", *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES)]
    for path, command in commands(get_command(root()), "tholos"):
        text, _, examples = command.help.partition("\nExamples:\n")
        arguments = " ".join(_argument(item) for item in command.params if item.param_type_name == "argument")
        lines += ["", f"## `{path}`", "", text.strip(), "", "```", f"{path} {arguments}".rstrip() + " [options]", "```"]
        rows = [_row(item) for item in command.params if item.name != "help"]
        if rows:
            lines += ["", "| argument or option | default | meaning |", "|---|---|---|", *rows]
        lines += ["", "```sh", *(line.strip() for line in examples.strip().splitlines()), "```"]
    return "\n".join([*lines, ""])


def _argument(item: Any) -> str:
    name = item.metavar or item.name.upper()
    return name if item.required else f"[{name}]"


def _row(item: Any) -> str:
    if item.param_type_name == "argument":
        shown = item.metavar or item.name.upper()
    else:
        shown = ", ".join([*item.opts, *item.secondary_opts])
    default = item.default if not (item.is_flag if item.param_type_name == "option" else False) else None
    text = "" if default in (None, "", (), []) else f"`{default}`"
    return f"| `{shown}` | {text} | {(item.help or '').replace('|', chr(92) + '|')} |"


def main() -> int:
    wanted = page()
    if "--check" in sys.argv[1:]:
        if TARGET.exists() and TARGET.read_text(encoding="utf-8") == wanted:
            return 0
        print(f"{TARGET} is not up to date: run python scripts/generate_cli_reference.py")
        return 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
