"""The parts of a fitted pipeline: what prepares, in order, and what predicts."""

from __future__ import annotations

from typing import Any


def parts_of(pipeline: Any) -> tuple[list[Any], Any]:
    """The preparing steps and the estimator; an estimator that stands alone has none."""
    if type(pipeline).__name__ != "Pipeline":
        return [], pipeline
    *steps, estimator = [step for _, step in pipeline.steps if step is not None]
    inner, last = parts_of(estimator)
    return [*steps, *inner], last
