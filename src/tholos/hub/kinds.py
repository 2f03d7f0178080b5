"""The kinds of job of this room."""

from __future__ import annotations

from typing import Final

from tholos.jobs.kinds import JobKind

COLLECT: Final = JobKind("hub.collect", work="tholos.hub.work:collect_garbage")
"""Collects garbage. Payload: dry_run."""

FSCK: Final = JobKind("hub.fsck", work="tholos.hub.work:check_store")
"""Checks the store and the record. Payload: quick, repair."""

PACK: Final = JobKind("hub.pack", work="tholos.hub.work:pack_store")
"""Cuts what lies whole in the store into chunks that are shared. No payload."""

KINDS: Final = (COLLECT, FSCK, PACK)
