"""What can go wrong with sandboxed code; all of it ends the job for good (422): the same code would do it again."""

from __future__ import annotations

from tholos.kit.errors import Unprocessable


class SandboxUnavailable(Unprocessable):
    """This machine has no working sandbox, and the operator has not allowed to do without."""

    code = "sandbox_unavailable"


class SandboxLimit(Unprocessable):
    """The sandboxed code was ended because it used more than it may."""

    code = "sandbox_limit"


class SandboxCrashed(Unprocessable):
    """The sandboxed code ended without a result, or said what it may not say."""

    code = "sandbox_crashed"


class SandboxResult(Unprocessable):
    """What the sandboxed code left behind is no plain file of a modest size."""

    code = "sandbox_result_invalid"
