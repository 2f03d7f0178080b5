"""What a push leaves in the database, on both engines: revisions as they came, events, audit; or nothing."""

from __future__ import annotations

import hashlib
import struct
import tempfile
import zlib
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor, Scope
from tholos.accounts.errors import AccountDisabled, InvalidToken
from tholos.accounts.models import Account, AuditEntry
from tholos.hub import incoming, repository
from tholos.hub import service as hub
from tholos.hub.errors import ObjectCollision
from tholos.hub.gitobjects import Entry, blob_id, commit_id, encode_tree, object_id, tree_id
from tholos.hub.models import GitTree, Ref, Repo, Revision
from tholos.kit.clock import utcnow
from tholos.kit.outbox import OutboxRow
from tholos.kit.services import Services

ADDRESS = "/ada/penguins.git/git-receive-pack"


@pytest.fixture
def repo(services: Services, ada: Actor) -> Repo:
    return hub.create_repo(services.database, services.blobs, ada, hub.RepoKind.MODEL, "ada/penguins")


def pkt(data: bytes) -> bytes:
    return f"{len(data) + 4:04x}".encode() + data


def entry(code: int, data: bytes) -> bytes:
    byte, size, out = code << 4 | len(data) & 15, len(data) >> 4, bytearray()
    while size:
        out.append(byte | 128)
        byte, size = size & 127, size >> 7
    return bytes([*out, byte]) + zlib.compress(data)


def pack(*entries: bytes) -> bytes:
    body = struct.pack(">4sII", b"PACK", 2, len(entries)) + b"".join(entries)
    return body + hashlib.sha1(body).digest()


def order(*commands: str) -> bytes:
    first, *rest = commands
    return pkt(f"{first}\0report-status atomic".encode()) + b"".join(pkt(text.encode()) for text in rest) + b"0000"


def made(content: bytes = b"x", message: bytes = b"caf\xe9") -> tuple[str, list[bytes], bytes]:
    tree = encode_tree([Entry("100755", "a.sh", blob_id(content))])
    raw = (
        f"tree {tree_id(tree)}\nauthor {'A' * 300} <a@b> 1700000000 +0230\ncommitter C <c> 1700000001 -1200\n"
        "encoding ISO-8859-1\ngpgsig -----BEGIN\n abc\n -----END\n\n"
    ).encode() + message
    return commit_id(raw), [entry(1, raw), entry(2, tree), entry(3, content)], raw


def test_a_push_is_recorded(as_ada: TestClient, services: Services, repo: Repo, ada: Actor):
    new, entries, raw = made()
    tag = f"object {new}\ntype commit\ntag v1\ntagger T <t> 1 +0000\n\nhi\n".encode()
    nothing = "0" * 40
    with services.database.read() as read:
        old = read.scalars(select(Ref.commit_id)).one()
    body = order(f"{old} {new} refs/heads/main", f"{nothing} {object_id('tag', tag)} refs/tags/v1") + pack(
        *entries, entry(4, tag)
    )
    assert as_ada.post(ADDRESS, content=body).content == (
        pkt(b"unpack ok\n") + pkt(b"ok refs/heads/main\n") + pkt(b"ok refs/tags/v1\n") + b"0000"
    )
    with services.database.read() as read:
        revision = read.get_one(Revision, (repo.id, new))
        assert (revision.raw, revision.message, revision.author) == (raw, "caf\ufffd", "A" * 200)
        assert int(revision.created_at.timestamp()) == 1_700_000_001
        assert {(ref.name, ref.commit_id, ref.tag_id) for ref in read.scalars(select(Ref))} == {
            ("refs/heads/main", new, None),
            ("refs/tags/v1", new, object_id("tag", tag)),
        }
        events = [(row.topic, row.payload.get("ref")) for row in read.scalars(select(OutboxRow).order_by(OutboxRow.id))]
        assert events[-2:] == [("repo.committed", "refs/heads/main"), ("repo.ref_set", "refs/tags/v1")]
        assert {"repo.commit", "tag.set"} <= set(read.scalars(select(AuditEntry.action)))
        assert hub.file(read, repo, new, "a.sh").size == 1


def test_the_same_push_again_is_told_that_the_branch_has_moved(as_ada: TestClient, services: Services, repo: Repo):
    new, entries, _ = made()
    body = order(f"{'0' * 40} {new} refs/heads/side") + pack(*entries)
    assert b"ok refs/heads/side" in as_ada.post(ADDRESS, content=body).content
    assert b"has moved meanwhile" in as_ada.post(ADDRESS, content=body).content


def test_a_folder_that_collides_is_never_replaced(as_ada: TestClient, services: Services, repo: Repo):
    new, entries, _ = made()
    tree = encode_tree([Entry("100755", "a.sh", blob_id(b"x"))])
    other = encode_tree([Entry("100644", "b.sh", blob_id(b"x"))])
    with services.database.write() as write:  # as if someone had found two folders of one SHA-1
        write.add(GitTree(oid=tree_id(tree), data=other))
    said = as_ada.post(ADDRESS, content=order(f"{'0' * 40} {new} refs/heads/side") + pack(*entries)).text
    assert "git id of a different folder" in said
    with services.database.read() as read:
        assert read.get_one(GitTree, tree_id(tree)).data == other
        assert read.get(Ref, (repo.id, "refs/heads/side")) is None
    assert ObjectCollision.code == "object_collision"


def test_a_repo_that_is_deleted_meanwhile(as_ada: TestClient, services: Services, repo: Repo, ada: Actor):
    new, entries, _ = made()
    command = hub.RefCommand("refs/heads/side", None, new)
    with tempfile.TemporaryFile() as file:
        file.write(pack(*entries))
        with hub.Pack(file, 0, services.settings.home, hub.pack_limits(services)) as source:
            steps = hub.accept_push(services, ada, repo, [command], source, atomic=False)
            assert next(steps) == "Checking 3 objects"
            assert next(steps) == "Storing objects"
            with services.database.write() as write:
                hub.delete_repo(write, ada, repo.kind, repo.full_name)
            with pytest.raises(Exception, match="There is no model"):
                list(steps)


@pytest.mark.parametrize("what", ["key", "account"])
def test_who_may_no_longer_sign_in_moves_nothing(
    as_ada: TestClient, services: Services, repo: Repo, ada: Actor, what: str
):
    with services.database.write() as write:
        key = accounts.create_key(write, ada, "laptop", frozenset({Scope.WRITE}), None)
    with services.database.read() as read:
        actor = accounts.authenticate(read, key.secret)
    new, entries, _ = made()
    with tempfile.TemporaryFile() as file:
        file.write(pack(*entries))
        with hub.Pack(file, 0, services.settings.home, hub.pack_limits(services)) as source:
            command = hub.RefCommand("refs/heads/side", None, new)
            steps = hub.accept_push(services, actor, repo, [command], source, atomic=False)
            assert [next(steps), next(steps)] == ["Checking 3 objects", "Storing objects"]
            with services.database.write() as write:
                if what == "key":
                    accounts.revoke_key(write, ada, key.key.id)
                else:
                    write.get_one(Account, ada.account_id).disabled_at = utcnow()
            with pytest.raises((InvalidToken, AccountDisabled)):
                list(steps)
    with services.database.read() as read:
        assert read.get(Ref, (repo.id, "refs/heads/side")) is None
        assert read.get(Revision, (repo.id, new)) is None


def test_commits_that_many_refs_share_are_read_and_written_once(
    as_ada: TestClient, services: Services, repo: Repo, monkeypatch: pytest.MonkeyPatch
):
    _, entries, _ = made()
    tree, parent, commits = tree_id(encode_tree([Entry("100755", "a.sh", blob_id(b"x"))])), "", []
    for number in range(30):
        raw = f"tree {tree}\n{parent}author A <a> {number} +0000\ncommitter A <a> {number} +0000\n\nx\n".encode()
        commits.append(raw)
        parent = f"parent {commit_id(raw)}\n"
    read, roots, rows = [], [], []
    parse_commit, shape, insert = incoming.parse_commit, incoming.Incoming._tree, repository.insert_missing

    def insert_missing(write: Any, table: Any, some: Any) -> None:
        rows.extend(row["commit_id"] for row in some if table is Revision)
        insert(write, table, some)

    monkeypatch.setattr(incoming, "parse_commit", lambda oid, raw: read.append(oid) or parse_commit(oid, raw))
    monkeypatch.setattr(incoming.Incoming, "_tree", lambda self, *at: roots.append(at) or shape(self, *at))
    monkeypatch.setattr(repository, "insert_missing", insert_missing)
    tips = [commit_id(raw) for raw in commits]
    body = order(*(f"{'0' * 40} {tip} refs/heads/b{number}" for number, tip in reversed(list(enumerate(tips)))))
    said = as_ada.post(ADDRESS, content=body + pack(*entries[1:], *(entry(1, raw) for raw in commits))).content
    assert said.count(b"ok refs/heads/b") == 30
    assert sorted(read) == sorted(rows) == sorted(tips)
    assert roots == [(tree, "")]


def test_a_repo_that_moved_is_found_at_its_old_address(as_ada: TestClient, services: Services, repo: Repo, ada: Actor):
    with services.database.write() as write:
        hub.move_repo(write, ada, repo.kind, "ada/penguins", "ada/auks")
    query = "info/refs?service=git-upload-pack"
    answer = as_ada.get(f"/ada/penguins/{query}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (301, f"/ada/auks.git/{query}")
    assert as_ada.get(f"/ada/penguins.git/{query}").status_code == 200


def test_what_another_repo_holds_cannot_be_named_into_ones_own(
    as_ada: TestClient, services: Services, repo: Repo, bob: Actor
):
    """Neither a file nor a folder of bob's, whose ids ada has somehow learned, comes into her repo by its id."""
    theirs = hub.create_repo(services.database, services.blobs, bob, hub.RepoKind.MODEL, "bob/secret")
    hub.commit(services.database, services.blobs, bob, theirs, [hub.AddBytes("d/s.txt", b"secret")], "Secret")
    secret = blob_id(b"secret")
    folder = tree_id(encode_tree([Entry("100644", "s.txt", secret)]))
    for root in ([Entry("100644", "s.txt", secret)], [Entry("40000", "d", folder)]):
        tree = encode_tree(root)
        raw = f"tree {tree_id(tree)}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nx\n".encode()
        new = commit_id(raw)
        body = order(f"{'0' * 40} {new} refs/heads/side") + pack(entry(1, raw), entry(2, tree))
        assert f"The push lacks {root[0].oid}" in as_ada.post(ADDRESS, content=body).text
        # without the folder either, the root itself being bob's
    raw = f"tree {folder}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nx\n".encode()
    body = order(f"{'0' * 40} {commit_id(raw)} refs/heads/side") + pack(entry(1, raw))
    assert f"The push lacks {folder}" in as_ada.post(ADDRESS, content=body).text
    with services.database.read() as read:
        commit = read.scalars(select(Ref.commit_id).where(Ref.repo_id == theirs.id)).one()
    body = order(f"{'0' * 40} {commit} refs/heads/side") + pack()
    assert f"The push lacks {commit}" in as_ada.post(ADDRESS, content=body).text
    for oid in (secret, folder, commit):
        want = pkt(f"want {oid}\n".encode()) + b"0000" + pkt(b"done\n")
        assert "has no object" in as_ada.post("/ada/penguins/git-upload-pack", content=want).text


def test_messages_and_names_are_shown_without_tricks_and_kept_as_they_came(
    as_ada: TestClient, services: Services, repo: Repo
):
    for message, shown in (
        (b"", "(no message)"),
        ("a\u202eb\x1b[31m\n\nc".encode(), "ab[31m\n\nc"),
        (b"x" * 20_000, "x" * 10_000),
    ):
        new, entries, raw = made(message=message)
        body = order(f"{'0' * 40} {new} refs/heads/b{len(message)}") + pack(*entries)
        assert b"ok refs/heads" in as_ada.post(ADDRESS, content=body).content
        with services.database.read() as read:
            revision = read.get_one(Revision, (repo.id, new))
        assert (revision.message, revision.raw) == (shown, raw)
