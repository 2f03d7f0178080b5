from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tholos.kit.database import Database
from tholos.migrations import has_model, metadata, migrate


def test_the_migrations_make_exactly_the_models_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": has_model})
        assert compare_metadata(context, metadata()) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.engine.connect() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
    migrate(database)
    with database.engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == before
