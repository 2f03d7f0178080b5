"""The whole database as one file: taken beside a running server, and put back into an empty one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import URL, inspect
from sqlalchemy.engine import make_url

from tholos.hub.storage.errors import BackupFailed, RestoreRefused
from tholos.kit.database import Database
from tholos.kit.settings import Settings

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
_NAMES: Final = {SQLITE: "database.sqlite", POSTGRESQL: "database.pgdump"}
_PROGRAMS: Final = Path("/usr/lib/postgresql")


def kind_of(settings: Settings) -> str:
    """Which of the two databases these settings name."""
    return make_url(settings.resolved_database_url).get_backend_name()


def dump_path(folder: Path, kind: str) -> Path:
    """Where the dump of a database of that kind lies in a snapshot."""
    return folder / _NAMES[kind]


def dump(settings: Settings, folder: Path) -> None:
    """Writes the database as it is at one moment into a folder. Nobody waits for it. Raises BackupFailed."""
    kind, url = kind_of(settings), make_url(settings.resolved_database_url)
    target = dump_path(folder, kind)
    if kind == POSTGRESQL:
        _run(_program("pg_dump"), url, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
    else:
        try:
            with (
                closing(sqlite3.connect(f"{Path(str(url.database)).as_uri()}?mode=ro", uri=True, timeout=30)) as source,
                closing(sqlite3.connect(target)) as copy,
            ):
                source.backup(copy)  # all in one step: in WAL mode nobody waits for a reader
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        except sqlite3.Error as error:
            raise BackupFailed(
                f"The database cannot be read: {error}.", next="See that THOLOS_HOME names the server's home folder."
            ) from error
    target.chmod(0o600)


def load(settings: Settings, folder: Path) -> None:
    """Puts a dump into the empty database of these settings. Raises RestoreRefused when it is not empty."""
    kind, url = kind_of(settings), make_url(settings.resolved_database_url)
    source = dump_path(folder, kind)
    if kind == SQLITE:
        target = Path(str(url.database))
        if target.exists():
            raise RestoreRefused(f"There is a database already: {target}.", next="Restore into an empty home folder.")
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(source, target)
        target.chmod(0o600)
        return
    with closing(Database(settings.resolved_database_url)) as database:
        if inspect(database.engine).get_table_names():
            raise RestoreRefused("The PostgreSQL database is not empty.", next="Name a new one: THOLOS_DATABASE_URL.")
    options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    _run(_program("pg_restore"), url, *options, f"--dbname={url.database}", str(source))


def _program(name: str) -> str:
    newest = sorted(_PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = str(newest[-1]) if newest else shutil.which(name)
    if found is None:
        raise BackupFailed(
            f"{name} is not installed: PostgreSQL is backed up by its own programs.",
            next="Install them, of the server's version or newer: `apt-get install postgresql-client`.",
        )
    return found


def _run(program: str, url: URL, *arguments: str) -> None:
    """Runs one of PostgreSQL's programs on this database; the password goes by environment, where nobody sees it."""
    host = url.host or str(url.query.get("host", ""))
    given = {
        "PGHOST": host,
        "PGPORT": str(url.port or ""),
        "PGUSER": url.username or "",
        "PGPASSWORD": str(url.password or ""),
        "PGDATABASE": url.database or "",
        "PGSSLMODE": str(url.query.get("sslmode", "")),
    }
    environment = {**os.environ, **{name: value for name, value in given.items() if value}}
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - a program of PostgreSQL's, no shell
    if done.returncode:
        raise BackupFailed(
            f"{Path(program).name} failed: {done.stderr.strip()[-500:]}",
            next="See that THOLOS_DATABASE_URL is right and the program is not older than the server.",
        )
