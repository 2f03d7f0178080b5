"""The kinds of job of this room. They run beside the others, in places of their own."""

from __future__ import annotations

from tholos.jobs.kinds import JobKind, Limits

SCAN = JobKind("scan.repo", work="tholos.scanning.work:scan_repo", limits=Limits(time_s=6 * 3600.0), background=True)
"""Scans the revisions of a repo that wait for it. Payload: repo_id."""

RESCAN = JobKind("scan.all", work="tholos.scanning.work:rescan_all", background=True)
"""Asks for a new scan of every branch and tag whose verdict is another scanner version's. Payload: force."""

KINDS = (SCAN, RESCAN)
