"""What can go wrong when a model is compiled.

Unprocessable (422)
  NothingToCompile · NoTrainingData · NotCompilable · ParityFailed
Conflict (409)
  NotTheHead
"""

from __future__ import annotations

from typing import ClassVar

from tholos.kit.errors import Conflict, Unprocessable


class NothingToCompile(Unprocessable):
    """The revision holds no scikit-learn pipeline."""

    code: ClassVar[str] = "nothing_to_compile"


class NoTrainingData(Unprocessable):
    """The model does not say on which data of this hub it was trained, so that there are no rows to compare on."""

    code: ClassVar[str] = "no_training_data"


class NotCompilable(Unprocessable):
    """The model has a part that the compiler does not know."""

    code: ClassVar[str] = "not_compilable"


class ParityFailed(Unprocessable):
    """The compiled model does not answer as its original does, so it was not committed."""

    code: ClassVar[str] = "parity_failed"


class NotTheHead(Conflict):
    """The revision is not the head of main any more, so that nothing can be committed on top of it."""

    code: ClassVar[str] = "revision_not_head"


def not_compilable(what: str, *, next: str = "") -> NotCompilable:  # noqa: A002 - the wire's own word
    """The error for one unsupported part: *what* names it, such as ``"the transformer PowerTransformer"``."""
    return NotCompilable(
        f"The compiler does not know {what}.",
        next=next or "Train with an algorithm that `tholos algorithms` lists, or serve the revision uncompiled.",
        part=what,
    )
