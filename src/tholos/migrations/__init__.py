"""The database's schema, version by version."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from tholos.kit.database import Base, Database


def migrate(database: Database) -> None:
    """Brings the database to this version's schema; safe to call at every start."""
    for room in ("accounts", "jobs", "hub", "data", "training", "evaluation", "serving"):
        if find_spec(f"tholos.{room}") and find_spec(f"tholos.{room}.models"):
            import_module(f"tholos.{room}.models")
    import_module("tholos.kit.outbox")
    if find_spec("tholos.hub") and find_spec("tholos.hub.facts"):
        import_module("tholos.hub.facts")
    Base.metadata.create_all(database.engine)
    with database.write() as write:
        for statement in APPEND_ONLY["sqlite" if database.is_sqlite else "postgresql"]:
            write.connection().exec_driver_sql(statement)


APPEND_ONLY = {
    "sqlite": [
        f"""CREATE TRIGGER IF NOT EXISTS audit_no_{event.lower()} BEFORE {event} ON audit
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"""
        for event in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        """CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$""",
        """CREATE OR REPLACE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()""",
    ],
}
