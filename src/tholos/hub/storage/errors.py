"""What can be wrong with a backup."""

from __future__ import annotations

from tholos.kit.errors import Conflict, NotFound, Unavailable


class BackupFailed(Unavailable):
    """The backup could not be made; the one before is as it was."""

    code = "backup_failed"


class BackupNotFound(NotFound):
    """There is no such backup."""

    code = "backup_not_found"


class RestoreRefused(Conflict):
    """A backup is restored only where nothing is lost by it."""

    code = "restore_refused"
