"""The kinds of job that this room adds."""

from __future__ import annotations

from tholos.jobs.kinds import JobKind

TRAIN = JobKind(
    "training.train", work="tholos.training.work:train", libraries=("sklearn.compose", "sklearn.ensemble", "skops.io")
)
"""Trains on a dataset revision and commits the model. Payload: `service.Order`."""

KINDS = (TRAIN,)
