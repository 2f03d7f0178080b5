"""The kinds of job of this room."""

from __future__ import annotations

from tholos.jobs.kinds import JobKind

IMPORT = JobKind("data.import", work="tholos.data.work:import_source")
"""Commits a sample to a dataset. Payload: repo_id, source."""

VIEW = JobKind("data.view", work="tholos.data.work:read_revision")
"""Makes the typed view and profile of a revision. Payload: repo_id, revision."""

SPLIT = JobKind("data.split", work="tholos.data.work:split_revision")
"""Commits a split of a revision. Payload: repo_id, revision, name, ratios (pairs, in order), method, column, seed."""

KINDS = (IMPORT, VIEW, SPLIT)
