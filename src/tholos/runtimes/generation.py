"""What runtimes share that answer a text with a text."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal, TypeAlias

import numpy as np

from tholos.runtimes.errors import TextTooLong
from tholos.tasks.signature import Outputs

MAX_CONTEXT_TOKENS = 4096
"""Tokens of text and answer together, where the model does not hold fewer: memory is taken for all of them."""
MAX_NEW_TOKENS = 256
"""Tokens after which an answer is cut off."""
MAX_BATCH_S = 45.0
"""Seconds after which the answers of a batch are cut off: less than a caller waits."""

Finish: TypeAlias = Literal["stop", "length"]


def generated(answers: Iterable[tuple[str, Finish]]) -> Outputs:
    """A runtime's output: text and why it ended, for each row."""
    rows = list(answers)
    outputs = {name: np.empty(len(rows), dtype=object) for name in ("text", "finish_reason")}
    for row, (text, reason) in enumerate(rows):
        outputs["text"][row], outputs["finish_reason"][row] = text, reason
    return outputs


def half_of_the_cores() -> int:
    """Threads for one model.

    They wait for each other at every step of every token: with as many as there are processors, one busy neighbour
    makes all of them wait.
    """
    return max(1, len(os.sched_getaffinity(0)) // 2)


def too_long(tokens: int, limit: int, *, answered: bool = True) -> TextTooLong:
    """The error for a text of more tokens than the model holds."""
    rest = ", its answer included" if answered else ""
    return TextTooLong(f"The text has {tokens:,} tokens; the model holds {limit:,}{rest}.", next="Shorten the text.")
