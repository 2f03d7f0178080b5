"""``python -m tholos.agent.backups``: backs up a home, or restores one.

Exits with 1 and a clear sentence when it cannot.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from tholos.hub.storage.backups import backup, forget_old
from tholos.hub.storage.restoring import restore
from tholos.kit.blobs import DamagedBlob
from tholos.kit.errors import TholosError
from tholos.kit.settings import Settings, invalid_setting


def main() -> None:
    """Does what the command line says, on the home that the settings name."""
    parser = argparse.ArgumentParser(prog="python -m tholos.agent.backups", description="Back up, restore.")
    parser.add_argument("action", choices=["backup", "restore"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--keep", type=int, default=0)
    parser.add_argument("--snapshot")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    os.umask(0o077)  # what a home holds is for its owner alone
    try:
        settings = Settings(home=given.home) if given.home else Settings()
        (_backup if given.action == "backup" else _restore)(settings, given)
    except TholosError as error:
        sys.exit(f"error: {error.message}\n  → {error.next}" if error.next else f"error: {error.message}")
    except DamagedBlob as error:
        sys.exit(f"error: The backup is damaged: {error}.\n  → Restore another one: --snapshot NAME.")
    except DBAPIError as error:
        sys.exit(f"error: The database cannot be used: {error.orig}\n  → See that it is Tholos's and can be reached.")
    except ValidationError as error:
        sys.exit(f"error: {invalid_setting(error)}\n  → Change or unset it; docs/reference/settings.md has the bounds.")


def _backup(settings: Settings, given: argparse.Namespace) -> None:
    target = given.folder.absolute()
    made = backup(settings, target, _say)
    removed = forget_old(target, given.keep) if given.keep else 0
    if given.json:
        print(json.dumps(asdict(made)))
        return
    print(f"{made.name}: {made.objects:,} objects ({made.bytes:,} bytes), of them {made.copied:,} new")
    if removed:
        print(f"Removed {removed:,} objects that only older backups needed.")
    if made.has_secret_key:
        _say(f"The server's secret key is in it: {target} is to be kept as closely as the home folder.")
    else:
        _say("The secret key is not in it: keep THOLOS_SECRET_KEY yourself.")


def _restore(settings: Settings, given: argparse.Namespace) -> None:
    snapshot, report = restore(settings, given.folder.absolute(), given.snapshot, _say)
    if given.json:
        print(json.dumps({"backup": asdict(snapshot), "check": report.to_json()}))
    else:
        print(f"Restored the backup of {snapshot.created_at} to {settings.home}.")
        print("Looked at: " + ", ".join(f"{count:,} {what}" for what, count in report.checked.items()) + ".")
        for item in report.damage:
            print(f"{item.what} {item.name} {item.problem}")
        _say("Everything is there." if report.is_sound else f"{len(report.damage)} things are damaged.")
        _say("  → `tholos up` starts it; then `tholos hub fsck` reads all of it back.")
    if not report.is_sound:
        sys.exit(1)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
