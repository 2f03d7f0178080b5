"""The kinds of job that this room adds."""

from __future__ import annotations

from tholos.jobs.kinds import JobKind, Limits

_LIMITS = Limits(time_s=1800.0)

DETECT = JobKind("imports.describe", work="tholos.imports.work:describe", limits=_LIMITS, max_attempts=1)
"""Reports on the model in a revision. Payload: repo_id, revision. What a hostile file kills is not tried again."""

IMPORT = JobKind("imports.import", work="tholos.imports.work:import_model", limits=_LIMITS, max_attempts=1)
"""Makes the model in a revision deployable. Payload: repo_id, revision, corrections, data_repo_id."""

KINDS = (DETECT, IMPORT)
