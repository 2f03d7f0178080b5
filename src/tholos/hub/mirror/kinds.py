"""The kinds of job of mirrors."""

from __future__ import annotations

from tholos.jobs.kinds import JobKind

PULL = JobKind("mirror.pull", work="tholos.hub.mirror.work:pull", max_attempts=5)
"""Brings a mirror level with its upstream. Payload: repo_id, revisions, content, all_history, prune."""

KINDS = (PULL,)
