"""``tholos backup`` and ``tholos restore``."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tholos.cli.failures import fail
from tholos.cli.output import AsJson

_NEEDED = ("sqlalchemy", "pydantic_settings")
_Home = Annotated[Path | None, typer.Option(help="The server's home folder; by default THOLOS_HOME.")]


def backup(
    folder: Annotated[Path, typer.Argument(help="Where backups are kept.")],
    home: _Home = None,
    keep: Annotated[int, typer.Option(min=0, help="Remove all but the last so many; 0 keeps all.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Back up this machine's server, while it runs: the database, all files, the secret key.

    Each backup is whole; files that FOLDER has already are not copied again. Give it the settings that the server has
    (THOLOS_HOME, THOLOS_DATABASE_URL, THOLOS_BLOB_STORE …).

    Examples:
      tholos backup /mnt/backups/tholos
      tholos backup /mnt/backups/tholos --keep 14
    """
    options = ["--keep", str(keep)]
    _run("backup", folder, home, options, as_json=as_json)


def restore(
    folder: Annotated[Path, typer.Argument(help="Where backups are kept.")],
    home: _Home = None,
    snapshot: Annotated[str | None, typer.Option(help="Name of the backup; by default the last.")] = None,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty home folder, and check that all of it is there.

    Examples:
      tholos restore /mnt/backups/tholos --home /srv/tholos-restored
      tholos restore /mnt/backups/tholos --snapshot 20261122T120000.000000Z
    """
    options = ["--snapshot", snapshot] if snapshot else []
    _run("restore", folder, home, options, as_json=as_json)


def _run(action: str, folder: Path, home: Path | None, options: list[str], *, as_json: bool) -> NoReturn:
    if not all(find_spec(name) for name in _NEEDED):
        fail("The platform is not installed, only the client.", "Install it: pip install 'tholos[server]'")
    options += ["--home", str(home)] if home else []
    options += ["--json"] if as_json else []
    command = [sys.executable, "-m", "tholos.agent.backups", action, *options, "--", str(folder)]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606 - our own module, no shell
