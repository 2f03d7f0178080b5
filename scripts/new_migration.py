"""Writes a migration from the difference between the migrations so far and the models.

python scripts/new_migration.py "add organizations"
"""

from __future__ import annotations

import sys
import tempfile

from alembic import command

from tholos.kit.database import Database
from tholos.migrations import configuration, migrate


def main() -> None:
    """Migrates an empty database to the last version, compares it with the models, and writes what is missing."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/tholos.db")
        migrate(database)
        with database.engine.connect() as connection:
            config = configuration(connection)
            config.attributes["compare"] = True
            command.revision(config, sys.argv[1], autogenerate=True)
        database.close()


if __name__ == "__main__":
    main()
