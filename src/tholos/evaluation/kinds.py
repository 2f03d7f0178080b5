"""The kinds of job that this room adds."""

from __future__ import annotations

from tholos.jobs.kinds import JobKind

EVALUATE = JobKind("evaluation.evaluate", work="tholos.evaluation.work:evaluate")
KINDS = (EVALUATE,)
