"""What the hub's jobs run."""

from __future__ import annotations

from typing import Any

from tholos.hub.mirror.leftovers import sweep_leftovers
from tholos.hub.storage.collection import collect
from tholos.hub.storage.packing import READERS_S, free_bytes, pack
from tholos.hub.storage.verification import verify
from tholos.jobs.context import JobContext, Publish
from tholos.kit.database import WriteSession


def collect_garbage(ctx: JobContext) -> Publish:
    """Removes what nothing leads to any more; says what it freed."""
    found = collect(
        ctx.database,
        ctx.blobs,
        ctx.actor,
        grace_s=ctx.settings.gc_grace_s,
        dry_run=bool(ctx.payload["dry_run"]),
        told=lambda step: ctx.progress(0.5, step),
    )
    if not found.dry_run:
        found.temporaries += sweep_leftovers(ctx.settings, ctx.database, ctx.settings.gc_grace_s)
    return _result(found.to_json())


def check_store(ctx: JobContext) -> Publish:
    """Reads back everything; says what is missing or damaged."""
    report = verify(
        ctx.database,
        ctx.blobs,
        quick=bool(ctx.payload["quick"]),
        repair=bool(ctx.payload["repair"]),
        told=ctx.progress,
    )
    return _result(report.to_json())


def pack_store(ctx: JobContext) -> Publish:
    """Packs what came whole; says what that saved."""
    settings = ctx.settings
    found = pack(
        ctx.database,
        ctx.blobs,
        min_bytes=settings.pack_min_bytes,
        readers_s=min(READERS_S, settings.gc_grace_s),
        room=lambda: free_bytes(settings.home, settings.disk_reserve_bytes),
        scratch=ctx.folder,
        told=ctx.progress,
    )
    return _result(found.to_json())


def _result(result: dict[str, Any]) -> Publish:
    def publish(_write: WriteSession) -> dict[str, Any]:
        return result

    return publish
