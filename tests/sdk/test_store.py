"""The upkeep of the store through the SDK."""

from __future__ import annotations

import tholos


def test_collect_and_fsck(client: tholos.Client):
    found = client.store.collect(dry_run=True).result(timeout=120)
    assert found["dry_run"] is True
    assert found["generation"] >= 1
    report = client.store.fsck(quick=True).result(timeout=120)
    assert (report["sound"], report["quick"], report["repaired"]) == (True, True, [])
