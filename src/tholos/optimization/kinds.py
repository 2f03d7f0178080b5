"""The kinds of job that this room adds."""

from __future__ import annotations

from tholos.jobs.kinds import JobKind

COMPILE = JobKind(
    "optimization.compile", work="tholos.optimization.work:compile_model", libraries=("sklearn.ensemble", "skops.io")
)
"""Compiles a model revision to ONNX. Payload: see `optimization.service.Request`."""

KINDS = (COMPILE,)
