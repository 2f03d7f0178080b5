"""How Alembic reaches the database: on the connection it is given, inside the transaction that is open there."""

from typing import Any, Literal

from alembic import context

from tholos.kit.database import UtcDateTime
from tholos.migrations import has_model, metadata


def _render(kind: str, value: Any, _context: Any) -> str | Literal[False]:
    return "UtcDateTime()" if kind == "type" and isinstance(value, UtcDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata() if context.config.attributes.get("compare") else None,
    render_as_batch=True,
    render_item=_render,
    include_name=has_model,
    compare_type=True,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
