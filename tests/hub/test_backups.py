"""A backup is whole, whatever goes on while it is made; it is restored to just that."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.hub.freshness import xet_generation
from tholos.hub.models import Repo, Revision
from tholos.hub.storage import backups, dumps
from tholos.hub.storage.backups import backup, find_snapshot, forget_old
from tholos.hub.storage.errors import BackupFailed, BackupNotFound, RestoreRefused
from tholos.hub.storage.restoring import restore
from tholos.hub.storage.verification import verify
from tholos.hub.xet import service as xet
from tholos.hub.xet.access import Grant
from tholos.kit.blobs import open_blob_store
from tholos.kit.database import Database
from tholos.kit.services import Services
from tholos.kit.settings import Settings
from tholos.kit.signing import signing_key

sys.path.insert(0, str(Path(__file__).parent / "xet"))

from xet_bodies import File, Part, Xorb, shard, stream

ON_SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def elsewhere(services: Services, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Settings of an empty home, with a database and a store of their own."""
    chosen: dict[str, Any] = {"home": tmp_path / "restored"}
    if not services.database.is_sqlite:
        chosen["database_url"] = request.getfixturevalue("empty_database")
    return Settings(**chosen)


def shown(settings: Settings) -> tuple[set[str], bool]:
    """Every revision of a restored home, and whether all of it is sound, read back in full."""
    with closing(Database(settings.resolved_database_url)) as database:
        with database.read() as read:
            revisions = set(read.scalars(select(Revision.commit_id)))
        return revisions, verify(database, open_blob_store(settings)).is_sound


async def test_all_comes_back(
    services: Services,
    settings: Settings,
    repo: Repo,
    ada: Actor,
    commit: Callable[..., Any],
    elsewhere: Any,
    tmp_path: Path,
):
    xorb = Xorb([os.urandom(9000), os.urandom(4000)])
    file = File([Part(xorb, 0, 2)])
    grant = Grant(repo.id, "main", may_write=True, key_id=ada.key_id)
    await xet.put_xorb(services, grant, xorb.hash, stream(xorb.body), len(xorb.body))
    xet.register_shard(services, grant, shard(file))
    revision = commit(hub.AddBlob("x.bin", file.oid, len(file.content)), hub.AddBytes("large.bin", os.urandom(50_000)))
    key = signing_key(settings)
    with services.database.read() as read:
        before = xet_generation(read)
    made = backup(settings, tmp_path / "backups")
    assert made.copied == made.objects > 3
    assert made.has_secret_key
    folder = find_snapshot(tmp_path / "backups")
    assert {
        stat.S_IMODE(path.stat().st_mode) for path in (folder / "secret-key", dumps.dump_path(folder, made.database))
    } == {0o600}
    snapshot, report = restore(elsewhere, tmp_path / "backups")
    assert report.is_sound, report.damage
    assert snapshot == made
    assert signing_key(elsewhere) == key
    revisions, sound = shown(elsewhere)
    assert sound
    assert revision.commit_id in revisions
    with closing(Database(elsewhere.resolved_database_url)) as database, database.read() as read:
        assert xet_generation(read) > before  # no client remembers what it sent there
        restored = open_blob_store(elsewhere)
        entry = hub.file(read, repo, revision.commit_id, "x.bin")
        with restored.open(entry.sha256 or "") as content:
            assert content.read() == file.content
    with pytest.raises(RestoreRefused, match="not empty"):
        restore(elsewhere, tmp_path / "backups")


@ON_SQLITE
def test_the_next_one_copies_only_what_is_new(
    services: Services, settings: Settings, commit: Callable[..., Any], elsewhere: Settings, tmp_path: Path
):
    target = tmp_path / "backups"
    commit(hub.AddBytes("a.bin", os.urandom(1000)))
    first = backup(settings, target)
    commit(hub.AddBytes("b.bin", b"second"))
    second = backup(settings, target)
    assert (second.copied, second.copied_bytes) == (1, len(b"second"))
    assert second.objects == first.objects + 1
    services.blobs.remove("blob", next(item.name for item in services.blobs.listing() if item.size == 1000))
    third = backup(settings, target)
    assert (third.copied, third.objects) == (0, second.objects - 1)
    assert restore(elsewhere, target, first.name)[1].is_sound
    assert forget_old(target, keep=1) == 1
    assert find_snapshot(target).name == third.name
    with pytest.raises(BackupNotFound):
        restore(Settings(home=tmp_path / "other"), target, first.name)
    assert not (tmp_path / "other").exists()


@ON_SQLITE
def test_made_while_commits_go_on(
    services: Services, settings: Settings, repo: Repo, ada: Actor, elsewhere: Settings, tmp_path: Path
):
    over = threading.Event()
    landed: list[str] = []

    def work() -> None:
        while not over.is_set():
            content = hub.AddBytes(f"f{len(landed)}.bin", os.urandom(500))
            landed.append(hub.commit(services.database, services.blobs, ada, repo, [content], "Add").commit_id)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while len(landed) < 3:
            time.sleep(0.01)
        before = list(landed)
        backup(settings, tmp_path / "backups")
    finally:
        over.set()
        thread.join()
    assert restore(elsewhere, tmp_path / "backups")[1].is_sound
    revisions, sound = shown(elsewhere)
    assert sound
    assert set(before) <= revisions


@ON_SQLITE
def test_killed_halfway_the_last_one_stays(
    services: Services, settings: Settings, commit: Callable[..., Any], elsewhere: Settings, tmp_path: Path
):
    target = tmp_path / "backups"
    commit(hub.AddBytes("a.bin", b"first"))
    first = backup(settings, target)
    commit(*[hub.AddBytes(f"{number}.bin", os.urandom(100)) for number in range(20)])
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom tholos.hub.storage import backups\n"
        "from tholos.kit.settings import Settings\ncopy, done = backups._copy, []\n"
        "def dying(*given):\n    done.append(copy(*given))\n    len(done) == 10 and os.kill(os.getpid(), 9)\n"
        "    return done[-1]\n"
        "backups._copy = dying\nbackups.backup(Settings(home=Path(sys.argv[1])), Path(sys.argv[2]))\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(settings.home), str(target)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert find_snapshot(target).name == first.name
    assert restore(elsewhere, target)[1].is_sound
    with services.database.write() as write:  # ten minutes later
        backups.state.state(write).held_until = backups.utcnow()
    second = backup(settings, target)
    assert {path.name for path in (target / "snapshots").iterdir()} == {first.name, second.name}
    assert restore(settings.model_copy(update={"home": tmp_path / "other"}), target)[0] == second


@ON_SQLITE
def test_what_is_refused(services: Services, settings: Settings, repo: Repo, elsewhere: Settings, tmp_path: Path):
    target = tmp_path / "backups"
    with pytest.raises(BackupNotFound):
        restore(elsewhere, target)
    with pytest.raises(BackupFailed, match="no database"):
        backup(elsewhere, target)
    backup(settings, target)
    manifest = find_snapshot(target) / "manifest.json"
    whole = manifest.read_text()
    manifest.write_text(whole.replace('"schema": "', '"schema": "9'))
    with pytest.raises(RestoreRefused, match="does not know"):
        restore(elsewhere, target)
    manifest.write_text(whole.replace('"sqlite"', '"postgresql"'))
    with pytest.raises(RestoreRefused, match="postgresql"):
        restore(elsewhere, target)
    assert not elsewhere.home.exists()


@ON_SQLITE
def test_by_the_command_line(settings: Settings, repo: Repo, tmp_path: Path):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = "import sys; from tholos.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    target, restored = str(tmp_path / "backups"), tmp_path / "restored"
    made = run("backup", target, "--home", str(settings.home), "--keep", "2")
    assert made.returncode == 0, made.stderr
    assert "secret key" in made.stderr
    done = run("restore", target, "--home", str(restored))
    assert done.returncode == 0, done.stderr
    assert "1 revisions" in done.stdout
    assert "Everything is there." in done.stderr
    again = run("restore", target, "--home", str(restored))
    assert again.returncode == 1
    assert "is not empty" in again.stderr
