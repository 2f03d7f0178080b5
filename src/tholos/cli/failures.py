"""What the user sees of an error: one line, the next step, and an exit code."""

from __future__ import annotations

import sys
from typing import NoReturn

FAILED = 1
USAGE = 2
UNREACHABLE = 3
NOT_ALLOWED = 4
NOT_FOUND = 5
WORK_FAILED = 6
INTERRUPTED = 130


def report(error: Exception) -> int:
    """Prints an error for people on stderr and returns the exit code. Raises again what is a bug."""
    from tholos.sdk.errors import TholosError

    if isinstance(error, TholosError):
        say_error(error.message, error.next)
        return exit_code(error)
    if isinstance(error, OSError):
        place = f" ({error.filename})" if error.filename else ""
        say_error(f"{error.strerror or error}{place}.", "Check the path, its permissions and the free space.")
        return FAILED
    raise error


def exit_code(error: Exception) -> int:
    """The documented exit code of an error."""
    from tholos.sdk import errors

    kinds = (
        (errors.ServerUnreachable, UNREACHABLE),
        (errors.NotAuthenticated, NOT_ALLOWED),
        (errors.Forbidden, NOT_ALLOWED),
        (errors.NotFound, NOT_FOUND),
        (errors.JobFailed, WORK_FAILED),
        (errors.DeploymentFailed, WORK_FAILED),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), FAILED)


def say_error(message: str, next_step: str) -> None:
    """One line about what happened and one about what to do."""
    print(f"error: {message}", file=sys.stderr)
    if next_step:
        print(f"  → {next_step}", file=sys.stderr)


def fail(message: str, next_step: str, code: int = FAILED) -> NoReturn:
    """Ends the program with an error of the command line's own."""
    say_error(message, next_step)
    sys.exit(code)
