# Generated from sdk/_async/repos.py by scripts/generate_sync_client.py; do not edit.
"""Repos: what models, datasets and algorithms have in common."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote

from tholos.sdk import errors
from tholos.sdk._sync.access import RepoAccess
from tholos.sdk._sync.concurrency import in_thread
from tholos.sdk._sync.discussions import Discussions
from tholos.sdk._sync.sharing import Collaborators
from tholos.sdk._sync.transfers import HashedFile, download, hash_files, upload
from tholos.sdk.conversations import Discussion
from tholos.sdk.findings import Downloads
from tholos.sdk.local_files import files_below, selected
from tholos.sdk.progress import OnTransfer, TransferCount
from tholos.sdk.references import Kind, Reference, repo_path, segment
from tholos.sdk.results import Card, Entry, LfsFile, Licence, Measurement, Ref, Repo, RepoUsage, Revision

if TYPE_CHECKING:
    from tholos.sdk._sync.client import Client
    from tholos.sdk._sync.transport import Transport

INLINE_BYTES = 16 << 10
"""Files up to this size travel inside the commit itself …"""
INLINE_TOTAL_BYTES = 4 << 20
"""… as long as they are not more than this together."""

_ATTRIBUTES = ".gitattributes"
"""Made by the server in a repo's first commit; says which files are large, so a mirror keeps it."""


class RepoHandle:
    """A repo by name, and maybe one of its revisions; nothing is asked of the server until a method is called."""

    kind: ClassVar[Kind]

    def __init__(self, name: str, *, revision: str | None = None, client: Client | None = None) -> None:
        from tholos.sdk._sync.client import Client

        reference = Reference.parse(name)
        self._client = client or Client()
        self._name = reference.name
        self.revision = revision or reference.revision

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(Reference(self._name, self.revision))!r})"

    @property
    def discussions(self) -> Discussions:
        """What is said about the repo, pull requests included."""
        return Discussions(self)

    @property
    def transport(self) -> Transport:
        """How the server is asked."""
        return self._client.transport

    @property
    def _transport(self) -> Transport:
        return self._client.transport

    @property
    def collaborators(self) -> Collaborators:
        """Who works on the repo besides its owner."""
        return Collaborators(self._transport, self)

    def name(self) -> str:
        """The full name, ``namespace/name``; a name without a namespace is in your own."""
        self._name = self._client.full_name(self._name)
        return self._name

    def info(self) -> Repo:
        """The repo. Raises NotFound."""
        return Repo.of(self._transport.call("GET", self._path()))

    def create(
        self, *, visibility: Literal["private", "public"] = "private", description: str = "", exist_ok: bool = True
    ) -> Repo:
        """Creates the repo; one that exists already is returned as it is unless ``exist_ok`` is false."""
        body = {
            "kind": self.kind,
            "name": self.name(),
            "visibility": visibility,
            "description": description,
        }
        try:
            return Repo.of(self._transport.call("POST", "/api/v1/repos", body=body))
        except errors.Conflict:
            if not exist_ok:
                raise
        return self.info()

    @property
    def access(self) -> RepoAccess:
        """Who may have the repo's files, where it is gated."""
        return RepoAccess(self._client, self.kind, self._name)

    def update(
        self,
        *,
        visibility: Literal["private", "public"] | None = None,
        description: str | None = None,
        gated: Literal["auto", "manual", False] | None = None,
    ) -> Repo:
        """Changes what is given and leaves the rest; ``gated=False`` opens the files to all who see the repo."""
        changes = {"visibility": visibility, "description": description, "gated": gated}
        body = {key: value for key, value in changes.items() if value is not None}
        return Repo.of(self._transport.call("PATCH", self._path(), body=body))

    def move(self, to: str) -> Repo:
        """Gives the repo another name (``ns/name``), maybe in another namespace; the old one leads to it."""
        body = {"to": self._client.full_name(to)}
        repo = Repo.of(self._transport.call("POST", f"{self._path()}/move", body=body))
        self._name = repo.name
        return repo

    def licence(self) -> Licence:
        """The licences of the revision, and whether they fit those of what it was made from."""
        query = {"rev": self.revision}
        return Licence.of(self._transport.call("GET", f"{self._path()}/licence", query=query))

    def usage(self) -> RepoUsage:
        """How much the repo stores, in all its revisions."""
        return RepoUsage.of(self._transport.call("GET", f"{self._path()}/usage"))

    def lfs_files(self, *, limit: int | None = None) -> list[LfsFile]:
        """The large files of all revisions."""
        items = self._transport.pages(f"{self._path()}/lfs-files", limit=limit)
        return [LfsFile.of(item) for item in items]

    def delete_lfs_files(self, sha256s: Iterable[str], *, rewrite: bool = True) -> int:
        """Deletes large files for good, from every revision; returns how many there were.

        With ``rewrite``, branches and tags lead to new revisions in which the files never were.
        """
        body = {"sha256": list(sha256s), "rewrite": rewrite}
        answer = self._transport.call("POST", f"{self._path()}/lfs-files/delete", body=body)
        return int(answer["deleted"])

    def copy_lfs_files(self, kind: Kind, name: str, sha256s: Iterable[str]) -> list[str]:
        """Lets another repo have large files of this one without sending them; returns those that are not here."""
        body = {"kind": kind, "name": self._client.full_name(name), "sha256": list(sha256s)}
        answer = self._transport.call("POST", f"{self._path()}/lfs-files/copy", body=body)
        return [str(item) for item in answer["missing"]]

    def squash(self, branch: str = "main", *, message: str = "Squash the history") -> Revision:
        """Makes the head of a branch its only revision."""
        body = {"branch": branch, "message": message}
        return Revision.of(self._transport.call("POST", f"{self._path()}/squash", body=body))

    def delete(self) -> None:
        """Deletes the repo with all its revisions."""
        self._transport.call("DELETE", self._path())

    def resolve(self, revision: str | None = None) -> Revision:
        """The revision that a branch, tag or (short) id names; by default this handle's, else the head of main."""
        wanted = segment(revision or self.revision or "main")
        return Revision.of(self._transport.call("GET", f"{self._path()}/revisions/{wanted}"))

    def revisions(self, *, ref: str | None = None, limit: int | None = None) -> list[Revision]:
        """The history of a ref (by default main), newest first."""
        path = f"{self._path()}/revisions"
        return [Revision.of(item) for item in self._transport.pages(path, {"ref": ref}, limit)]

    def files(self, path: str = "", *, recursive: bool = True, revision: str | None = None) -> list[Entry]:
        """The files of the revision (and directories, when not ``recursive``) below ``path``."""
        wanted = segment(revision or self.revision or "main")
        query = {"path": path or None, "recursive": str(recursive).lower()}
        items = self._transport.pages(f"{self._path()}/tree/{wanted}", query)
        entries = [Entry.of(item) for item in items]
        return [entry for entry in entries if entry.type == "file"] if recursive else entries

    def read(self, path: str, *, revision: str | None = None) -> bytes:
        """One file's content, whole in memory; ``pull`` is for large ones."""
        wanted = segment(revision or self.revision or "main")
        response = self._transport.send("GET", f"{self._path()}/files/{wanted}/{quote(path)}")
        return response.content

    def card(self) -> Card:
        """The README.md as safe HTML, with its metadata."""
        query = {"rev": self.revision}
        return Card.of(self._transport.call("GET", f"{self._path()}/card", query=query))

    def measurements(self) -> list[Measurement]:
        """What the platform measured of the revision."""
        query = {"revision": self.revision}
        items = self._transport.pages(f"{self._path()}/measurements", query)
        return [Measurement.of(item) for item in items]

    def downloads(self) -> Downloads:
        """How often the repo was downloaded, by day."""
        return Downloads.of(self._transport.call("GET", f"{self._path()}/downloads"))

    def refs(self) -> list[Ref]:
        """Branches, then tags."""
        answer = self._transport.call("GET", f"{self._path()}/refs")
        return [Ref.of(item) for item in [*answer["branches"], *answer["tags"]]]

    def set_branch(self, name: str, revision: str, *, force: bool = False) -> Ref:
        """Points a new branch at a revision; with ``force`` an existing one too."""
        return self._set_ref("branches", name, revision, force=force)

    def delete_branch(self, name: str) -> None:
        """Deletes a branch; not main."""
        self._transport.call("DELETE", f"{self._path()}/branches/{segment(name)}")

    def set_tag(self, name: str, revision: str, *, force: bool = False) -> Ref:
        """Gives a revision a new tag; with ``force`` an existing one moves."""
        return self._set_ref("tags", name, revision, force=force)

    def delete_tag(self, name: str) -> None:
        """Deletes a tag."""
        self._transport.call("DELETE", f"{self._path()}/tags/{segment(name)}")

    def commit(
        self,
        operations: Sequence[Mapping[str, Any]],
        *,
        message: str,
        branch: str = "main",
        parent: str | None,
    ) -> Revision:
        """One atomic commit of operations in the wire's form.

        ``parent`` is the revision that you saw as the branch's head: CommitRace is raised when someone else committed
        meanwhile. None commits on top of whatever is the head.
        """
        body = {"message": message, "branch": branch, "parent": parent, "operations": list(operations)}
        return Revision.of(self._transport.call("POST", f"{self._path()}/commits", body=body))

    def push(
        self,
        source: str | Path,
        into: str = "",
        *,
        message: str = "",
        branch: str = "main",
        files: Iterable[str] | None = None,
        mirror: bool = False,
        races: int = 0,
        progress: OnTransfer | None = None,
    ) -> Revision:
        """Commits a file or folder; the repo is created if absent.

        Content that the branch's head has already is not sent again. ``into`` is a folder of the repo ("data/") or, for
        one file, its new path; ``files`` are patterns that select some of a folder's; ``mirror`` deletes below ``into``
        what is not in ``source``. When another commit lands first, CommitRace is raised; up to ``races`` times it is
        tried again on top of the newer head instead. Returns the head as it was when nothing has changed.
        """
        chosen = tuple(files) if files is not None else None
        found = in_thread(files_below, Path(source), into=into)
        hashed = hash_files([file for file in found if selected(file.path, chosen)])
        return self._push(
            hashed,
            into,
            message=message or f"Push {Path(source).name}",
            branch=branch,
            mirror=mirror,
            races=races,
            progress=progress,
        )

    def pull(
        self,
        folder: str | Path,
        *,
        revision: str | None = None,
        files: Iterable[str] | None = None,
        progress: OnTransfer | None = None,
    ) -> Path:
        """Downloads the revision's files into ``folder``; ``files`` are patterns ("*.onnx") that select some.

        Files there already with the same content are left alone, others of the same name replaced; nothing is deleted.
        Raises TransferFailed when a file arrives damaged or would leave the folder.
        """
        chosen = tuple(files) if files is not None else None
        resolved = self.resolve(revision)
        entries = [entry for entry in self.files(revision=resolved.id) if selected(entry.path, chosen)]
        count = TransferCount(len(entries), sum(entry.size for entry in entries), progress)
        path = f"{self._path()}/files/{resolved.id}"
        return download(self._transport, path, entries, Path(folder), count)

    def propose(
        self,
        source: str | Path,
        into: str = "",
        *,
        title: str = "",
        text: str = "",
        branch: str = "main",
        number: int | None = None,
        files: Iterable[str] | None = None,
        progress: OnTransfer | None = None,
    ) -> Discussion:
        """Proposes a file or folder as a pull request for ``branch``; it takes no right to write the repo.

        ``number`` adds to one that is open (yours, or of a repo that you may write) instead of opening another.
        ``into`` and ``files`` are as for ``push``. Returns the pull request.
        """
        chosen = tuple(files) if files is not None else None
        found = in_thread(files_below, Path(source), into=into)
        hashed = hash_files([file for file in found if selected(file.path, chosen)])
        named = title or f"Push {Path(source).name}"
        if number is None:
            number = (self.discussions.open_pull(named, text, branch=branch)).number
        self._propose(hashed, number, named, progress)
        return self.discussions.get(number)

    def path(self) -> str:
        """The URL path of the repo."""
        return self._path()

    def _propose(self, hashed: Sequence[HashedFile], number: int, message: str, progress: OnTransfer | None) -> None:
        count = TransferCount(len(hashed), sum(item.file.size for item in hashed), progress)
        ref = f"refs/pr/{number}"
        there = {entry.path: entry for entry in self.files(revision=ref)}
        changed = [item for item in hashed if not _same(there.get(item.file.path), item)]
        known = {entry.sha256 for entry in there.values()}
        inline = _inline(item for item in changed if item.sha256 not in known)
        travelling = {item.sha256: item for item in changed if item.sha256 not in known and item not in inline}
        upload(self._transport, self._path(), list(travelling.values()), count, "?pull_request=true")
        if changed:
            operations = [_operation(item, inline=item in inline) for item in changed]
            body = {"message": message, "operations": operations}
            self._transport.call("POST", f"{self._path()}/discussions/{number}/commits", body=body)
        for item in hashed:
            if item.sha256 not in travelling:
                count.finished(item.file.path, item.file.size)

    def _push(
        self,
        hashed: Sequence[HashedFile],
        into: str,
        *,
        message: str,
        branch: str,
        mirror: bool,
        races: int,
        progress: OnTransfer | None,
    ) -> Revision:
        try:
            self._name = (self.info()).name  # it may have moved since
        except errors.NotFound:
            self.create(exist_ok=True)
        count = TransferCount(len(hashed), sum(item.file.size for item in hashed), progress)
        uploaded: set[str] = set()
        while True:
            head = self._head(branch)
            there = {entry.path: entry for entry in self.files(revision=head.id)} if head else {}
            known = {entry.sha256 for entry in there.values()} | uploaded
            changed = [item for item in hashed if not _same(there.get(item.file.path), item)]
            inline = _inline(item for item in changed if item.sha256 not in known)
            travelling = {item.sha256: item for item in changed if item.sha256 not in known and item not in inline}
            upload(self._transport, self._path(), list(travelling.values()), count)
            uploaded |= set(travelling)
            operations = [_operation(item, inline=item in inline) for item in changed]
            if mirror:
                kept = {item.file.path for item in hashed}
                operations += [
                    {"op": "delete", "path": path} for path in there if _below(path, into) and path not in kept
                ]
            if head is not None and not operations:
                revision = head
            else:
                try:
                    revision = self.commit(operations, message=message, branch=branch, parent=head.id if head else None)
                except errors.Conflict as error:
                    if error.code != "commit_race" or races <= 0:
                        raise
                    races -= 1
                    continue
            for item in hashed:
                if item.sha256 not in travelling:
                    count.finished(item.file.path, item.file.size)
            return revision

    def _set_ref(self, folder: str, name: str, revision: str, *, force: bool) -> Ref:
        body = {"revision": revision, "force": force}
        return Ref.of(self._transport.call("PUT", f"{self._path()}/{folder}/{segment(name)}", body=body))

    def _head(self, branch: str) -> Revision | None:
        try:
            return self.resolve(branch)
        except errors.NotFound:
            return None

    def _path(self) -> str:
        return repo_path(self.kind, self.name())


class Repos:
    """All repos you may see, whatever their kind."""

    def __init__(self, client: Client, kind: Kind | None = None) -> None:
        self._client = client
        self._kind = kind

    def list(self, *, search: str | None = None, owner: str | None = None, limit: int | None = None) -> list[Repo]:
        """Repos whose name holds ``search``, newest first."""
        query = {"kind": self._kind, "search": search, "owner": owner}
        return [Repo.of(item) for item in self._client.transport.pages("/api/v1/repos", query, limit)]

    def create(
        self,
        kind: Kind,
        name: str,
        *,
        visibility: Literal["private", "public"] = "private",
        description: str = "",
    ) -> Repo:
        """Creates a repo. Raises Conflict when the name is taken."""
        repo = self._client.repo(kind, name)
        return repo.create(visibility=visibility, description=description, exist_ok=False)


def _same(entry: Entry | None, item: HashedFile) -> bool:
    return entry is not None and entry.sha256 == item.sha256 and entry.size == item.file.size


def _below(path: str, into: str) -> bool:
    folder = into.rstrip("/")
    return not folder or path == folder or path.startswith(f"{folder}/")


def _inline(items: Iterable[HashedFile]) -> set[HashedFile]:
    """The small files that may travel inside the commit."""
    chosen: set[HashedFile] = set()
    total = 0
    for item in items:
        if item.file.size <= INLINE_BYTES and total + item.file.size <= INLINE_TOTAL_BYTES:
            chosen.add(item)
            total += item.file.size
    return chosen


def _operation(item: HashedFile, *, inline: bool) -> dict[str, Any]:
    if not inline:
        return item.operation()
    content = in_thread(item.file.source.read_bytes)
    return {"op": "add", "path": item.file.path, "content_base64": base64.b64encode(content).decode()}
