"""Every setting of the server, typed, in one place.

Each comes from the environment as ``THOLOS_<NAME>``; ``tholos config`` and ``docs/reference/settings.md`` are made from
this class. Read once at the start of a process and handed down; never a global.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1 << 20
GIB = 1 << 30


class Settings(BaseSettings):
    """What an operator can choose."""

    model_config = SettingsConfigDict(env_prefix="THOLOS_", frozen=True, extra="ignore", validate_default=True)

    # -- where things are
    home: Path = Field(
        default_factory=lambda: Path.home() / ".tholos",
        description="The folder that holds everything: database, blobs, job logs, the administrator's token.",
    )
    database_url: str = Field(
        "",
        description="SQLAlchemy URL of the database. Empty: SQLite in the home folder. "
        "PostgreSQL: postgresql+psycopg://user:password@host/name.",
        json_schema_extra={"secret": True},
    )

    # -- the server
    host: str = Field("127.0.0.1", description="Address to listen on. 0.0.0.0 opens the server to the network.")
    port: int = Field(8400, ge=0, le=65535, description="TCP port to listen on; 0 picks a free one.")
    workers: int = Field(1, ge=1, le=64, description="Gateway processes that share the port.")
    public_url: str = Field(
        "", description="Base URL under which users reach the server, when it differs from host and port."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severe log record that is written."
    )
    shutdown_grace_s: PositiveFloat = Field(
        10.0, description="Seconds that open requests get to finish when the server stops."
    )
    max_request_bytes: PositiveInt = Field(
        16 * MIB, description="Largest JSON or form body, in bytes, for routes without a limit of their own."
    )

    # -- accounts
    session_days: PositiveFloat = Field(14.0, le=365, description="Days until a web sign-in ends.")

    @property
    def blobs_dir(self) -> Path:
        return self.home / "blobs"

    @property
    def jobs_dir(self) -> Path:
        return self.home / "jobs"

    @property
    def run_dir(self) -> Path:
        """Sockets, the server's address: nothing here outlives a running server."""
        return self.home / "run"

    @property
    def admin_token_path(self) -> Path:
        return self.home / "admin-token"

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'tholos.db'}"

    def environment(self) -> dict[str, str]:
        """The settings that differ from their defaults, as the environment of a child process."""
        chosen = {f"THOLOS_{name.upper()}": str(getattr(self, name)) for name in self.model_fields_set}
        return {**chosen, "THOLOS_HOME": str(self.home)}
