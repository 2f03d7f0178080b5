"""The database's schema, version by version (Alembic). ``docs/develop.md`` says how to add one.

Forward only: a step back is a restored backup.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData

from tholos.kit.database import Base, Database

_ROOMS_WITH_TABLES = (
    "accounts",
    "jobs",
    "hub",
    "hub.search",
    "hub.mirror",
    "community",
    "scanning",
    "data",
    "imports",
    "evaluation",
    "serving",
)


def migrate(database: Database) -> None:
    """Brings the database to this version's schema; safe to call at every start.

    Runs under the writer lock, so that two processes that start at once do not both migrate.
    """
    with database.write() as write:
        command.upgrade(configuration(write.connection()), "head")


def configuration(connection: object) -> Config:
    """Alembic's configuration on an open connection."""
    config = Config()
    config.set_main_option("script_location", "tholos:migrations")
    config.attributes["connection"] = connection
    return config


def metadata() -> MetaData:
    """Every table of every room, as the models have them now."""
    import_module("tholos.kit.outbox")
    for room in _ROOMS_WITH_TABLES:
        import_module(f"tholos.{room}.models")
    return Base.metadata


def has_model(name: str | None, kind: str, _parents: Any) -> bool:
    """Whether Alembic shall compare what it finds in a database with the models.

    The inverted index of search is made in its migration: by tables of FTS5 on SQLite, by an expression on PostgreSQL.
    """
    return not (name or "").startswith("search_terms" if kind == "table" else "ix_search_documents_terms")
