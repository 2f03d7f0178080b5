"""A process that commits in a loop is killed at any moment: what it acknowledged is whole, and nothing else shows."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

from tholos.hub import service as hub
from tholos.hub.gitobjects import EMPTY_TREE_ID, blob_id, commit_id, parse_tree, tree_id
from tholos.hub.models import GitBlob, GitTree, Repo, Revision
from tholos.kit.database import ReadSession
from tholos.kit.services import Services

COMMITTER = """
import os, sys
from pathlib import Path
from tholos.accounts.authorization import Actor
from tholos.hub import service as hub
from tholos.kit.blobs import open_blob_store
from tholos.kit.database import Database
from tholos.kit.settings import Settings

home, url, account = sys.argv[1:]
settings = Settings(home=home, database_url=url)  # and the store, from the environment
database, blobs = Database(settings.resolved_database_url), open_blob_store(settings)
actor = Actor.system(account, "ada")
with database.read() as read:
    repo = hub.get_repo(read, actor, hub.RepoKind.MODEL, "ada/penguins")
while True:
    content = os.urandom(8).hex()
    large = Path(home) / f"large-{os.getpid()}"
    large.write_bytes(os.urandom(200_000))
    operations = [hub.AddBytes(f"{content[:2]}/{n}.txt", f"{content}{n}".encode()) for n in range(8)]
    operations.append(hub.AddFile("model.onnx", large))
    revision = hub.commit(database, blobs, actor, repo, operations, content)
    print(revision.commit_id, content, flush=True)
"""


def test_acknowledged_commits_survive_sigkill(services: Services, repo: Repo, tmp_path: Path):
    script = tmp_path / "committer.py"
    script.write_text(COMMITTER)
    dice = random.Random(7)
    acknowledged: dict[str, str] = {}
    for _ in range(3):
        wanted = dice.randint(2, 6)
        with subprocess.Popen(
            [sys.executable, str(script), str(services.settings.home), services.settings.database_url, repo.owner_id],
            env={**os.environ, **services.settings.environment()},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                identity, content = line.split()
                acknowledged[identity] = content
                wanted -= 1
                if wanted == 0:
                    break
            # The next commit is under way by now, at a point that differs with every run.
            process.kill()
            for line in process.stdout:
                if line.endswith("\n"):
                    identity, content = line.split()
                    acknowledged[identity] = content
    assert len(acknowledged) >= 6

    with services.database.read() as read:
        shown = {revision.commit_id: revision for revision in read.query(Revision)}
        assert acknowledged.items() <= {(identity, revision.message) for identity, revision in shown.items()}
        head = hub.revision_of(read, repo, "main")
        lineage = [head]
        while lineage[-1].parent_id:
            lineage.append(shown[lineage[-1].parent_id])
        assert len(lineage) == len(shown)
        for revision in shown.values():
            assert commit_id(revision.raw) == revision.commit_id
        verify(services, read, {revision.tree_id for revision in shown.values()})


def verify(services: Services, read: ReadSession, roots: set[str]) -> None:
    """Everything under these trees is in place and is what its id says."""
    pending, seen = sorted(roots), {EMPTY_TREE_ID}
    while pending:
        oid = pending.pop()
        if oid in seen:
            continue
        seen.add(oid)
        tree = read.get(GitTree, oid)
        assert tree is not None
        assert tree_id(tree.data) == oid
        for entry in parse_tree(tree.data):
            if entry.is_directory:
                pending.append(entry.oid)
                continue
            blob = read.get(GitBlob, entry.oid)
            assert blob is not None
            data = services.blobs.path(blob.sha256).read_bytes()
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (blob.sha256, blob.size)
            assert blob.lfs or blob_id(data) == entry.oid
