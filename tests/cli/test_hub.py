from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("signed_in")


def test_garbage_and_checks(tholos, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"kept" * 1000)
    assert tholos("push", "kept", tmp_path / "weights.bin").code == 0
    told = tholos("hub", "gc", "--dry-run")
    assert told.code == 0
    assert "Would go:" in told.out + told.err
    done = tholos("hub", "gc", "--json")
    assert (done.code, done.json["state"]) == (0, "succeeded")
    quick = tholos("hub", "fsck", "--quick")
    assert quick.code == 0
    assert "Everything is whole." in quick.err
    report = tholos("hub", "fsck", "--json")
    assert (report.code, report.json["sound"], report.json["damage"]) == (0, True, [])
    assert report.json["checked"]["revisions"] >= 2
    queued = tholos("hub", "gc", "--dry-run", "--detach", "--json")
    assert (queued.code, queued.json["kind"]) == (0, "hub.collect")


def test_for_administrators(tholos, client, monkeypatch):
    token = client.users.create("gc-no-admin").secret
    monkeypatch.setenv("THOLOS_TOKEN", token)
    assert tholos("hub", "gc").code == 4
    assert tholos("hub", "fsck").code == 4
