"""Git LFS: the batch API, whose addresses carry their own short-lived permission; `basic` transfers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from tholos.accounts import service as accounts
from tholos.accounts.authorization import ANONYMOUS, Action, Actor, may
from tholos.hub import service as hub
from tholos.hub.downloads import file_response
from tholos.hub.errors import EntryNotFound, GatedRepo, RepoNotFound, UploadIncomplete
from tholos.hub.mirror.following import answering
from tholos.hub.mirror.promises import promised
from tholos.kit.errors import InvalidInput, NotAuthenticated
from tholos.kit.signing import InvalidSignature, Signer
from tholos.wire.huggingface.addresses import Address, address, streamed
from tholos.wire.huggingface.call import Call, field
from tholos.wire.huggingface.errors import NotOffered
from tholos.wire.huggingface.multipart import upload_action

_TYPE: Final = "application/vnd.git-lfs+json"
# A batch of files may take hours to send; each may begin as long as the last one was promised.
_LIFETIME_S: Final = 6 * 3600
_MAX_OBJECTS: Final = 1000
_UPLOAD: Final = "lfs-upload"
_DOWNLOAD: Final = "lfs-download"
Operation = Literal["upload", "download"]


def batch(call: Call) -> Response:
    """Where to send or fetch each object. One that the repo has is not asked for again; any other is, wherever else
    the server may hold it: whether it does is nobody's business.
    """
    wanted = call.json()
    operation = wanted.get("operation")
    if operation not in ("upload", "download"):
        raise InvalidInput("The operation is neither upload nor download.", next="Send one of the two.")
    objects = field(wanted, "objects", list, [])
    if len(objects) > _MAX_OBJECTS:
        raise InvalidInput(f"The batch has {len(objects)} objects.", next=f"Send {_MAX_OBJECTS} at most.")
    if wanted.get("hash_algo", "sha256") != "sha256":
        raise InvalidInput("Objects are named by their SHA-256 only.", next="Leave hash_algo out.")
    oids = [item.get("oid") for item in objects if isinstance(item, dict)]
    known = [oid for oid in oids if isinstance(oid, str) and hub.is_sha256(oid)]
    found = _known(call, operation, known, proposes=operation == "upload" and _proposes(wanted))
    if operation == "upload":
        _require_room(call, found, objects)
    parts = operation == "upload" and _in_parts(call, wanted, found, objects)
    signer = Signer(call.services.settings)
    shapes = [_object(call, signer, operation, found, item, parts=parts) for item in objects]
    return _answer({"transfer": "multipart" if parts else "basic", "objects": shapes, "hash_algo": "sha256"})


async def upload(call: Call) -> Response:
    """Takes the content of one object, for whoever brings the address that a batch gave out."""
    oid = call.names["oid"]
    upload = await run_in_threadpool(_begin, call, oid)
    await hub.receive(call.services, upload, _body(call))
    return Response(status_code=200, headers={"etag": f'"{oid}"'})


def download(call: Call) -> Response:
    """Gives the content of one object, for whoever brings the address that a batch gave out."""
    oid = call.names["oid"]
    grant = _grant(call, _DOWNLOAD, oid)
    with call.services.database.read() as read:
        actor = accounts.actor_of_key(read, grant["key"]) if grant.get("key") else ANONYMOUS
        repo = hub.get_repo_by_id(read, actor, str(grant["repo"]))
        hub.require_content(read, actor, repo)
        sizes = promised(read, repo.id, [oid]) | hub.possessed_sizes(call.services, read, repo, [oid])
        entry = hub.TreeEntry(oid, "file", sizes.get(oid), oid, oid, lfs=True)
        followed = answering(call.services, read, repo, entry)
    if entry.size is None:
        raise EntryNotFound(f"The repo has no object {oid}.", next="Ask for the batch again.")
    headers = dict(call.request.headers)
    return file_response(call.services.blobs, entry, headers, rev="", commit_id="", attachment=True, answering=followed)


def locks(_call: Call) -> Response:
    """Says that files cannot be locked, which git-lfs takes for an answer."""
    raise NotOffered("This server has no file locks.", next="Run `git config lfs.locksverify false`.")


@dataclass(frozen=True, slots=True)
class _Known:
    """The repo, the sizes of those of the objects that it has, and whether more of them may be proposed only."""

    repo: hub.Repo
    sizes: dict[str, int]
    proposes: bool
    max_bytes: int


def _proposes(wanted: dict[str, Any]) -> bool:
    """Whether a batch may be meant for a pull request: clients name no ref where they are about to open one."""
    ref = field(wanted, "ref", dict)
    return ref is None or hub.proposal_number(field(ref, "name", str, "")) is not None


def _known(call: Call, operation: Operation, oids: list[str], *, proposes: bool) -> _Known:
    actor = call.signed_in() if operation == "upload" else call.actor
    with call.services.database.read() as read:
        try:
            if operation == "download":
                repo = hub.get_repo(read, actor, call.kind, call.repo_name)
                hub.require_content(read, actor, repo)
            elif proposes:
                repo = hub.get_proposable(read, actor, call.kind, call.repo_name)
            else:
                repo = hub.get_repo(read, actor, call.kind, call.repo_name, Action.WRITE)
        except (RepoNotFound, GatedRepo) as error:
            if actor.is_anonymous:  # git asks for a password only after a 401, whether or not there is such a repo
                raise NotAuthenticated(error.message, next="Sign in with a token as the password.") from error
            raise
        sizes = hub.possessed_sizes(call.services, read, repo, oids)
        if operation == "download":
            sizes |= promised(read, repo.id, oids)
    return _Known(repo, sizes, proposes, hub.upload_limit(call.services, actor, repo))


def _require_room(call: Call, known: _Known, objects: list[Any]) -> None:
    wanted = {item["oid"]: item["size"] for item in objects if _is_named(item)}
    size = sum(size for oid, size in wanted.items() if oid not in known.sizes)
    default, stranger = hub.Quota.default(call.services.settings), not may(call.actor, Action.WRITE, known.repo)
    with call.services.database.read() as read:
        hub.require_room(read, default, known.repo.owner_id, size, proposed=stranger)


def _in_parts(call: Call, wanted: dict[str, Any], known: _Known, objects: list[Any]) -> bool:
    """Whether to ask for the batch in parts: all of it, since git-lfs hands the whole batch to one transfer agent."""
    if "multipart" not in field(wanted, "transfers", list, []):
        return False
    asked = {item["oid"]: item["size"] for item in objects if _is_named(item)}
    sizes = [size for oid, size in asked.items() if known.sizes.get(oid) != size and size <= known.max_bytes]
    return any(hub.in_parts(call.services.settings, size) for size in sizes)


def _is_named(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    oid, size = item.get("oid"), item.get("size")
    return isinstance(oid, str) and hub.is_sha256(oid) and isinstance(size, int) and size >= 0


def _object(
    call: Call, signer: Signer, operation: Operation, found: _Known, item: Any, *, parts: bool
) -> dict[str, Any]:
    oid, size = (item.get("oid"), item.get("size")) if isinstance(item, dict) else (None, None)
    # What is sent back is not deeper than JSON can be written.
    shape: dict[str, Any] = {
        "oid": oid if isinstance(oid, str) else None,
        "size": size if isinstance(size, int) else None,
    }
    if not isinstance(oid, str) or not hub.is_sha256(oid) or not isinstance(size, int) or size < 0:
        return shape | {"error": {"code": 422, "message": "An object has a SHA-256 as its oid, and a size in bytes."}}
    limit = found.max_bytes
    if operation == "upload" and size > limit:
        return shape | {"error": {"code": 413, "message": f"The file is larger than {limit:,} bytes."}}
    if operation == "download" and oid not in found.sizes:
        return shape | {"error": {"code": 404, "message": "The repo has no such object."}}
    shape["authenticated"] = True
    if operation == "upload" and found.sizes.get(oid) == size:
        return shape
    claims = {"repo": found.repo.id, "oid": oid, "key": call.actor.key_id, "proposes": found.proposes}
    store = f"{call.base}{call.path.removesuffix('/batch')}"
    if parts:
        plan = hub.PartPlan.of(call.services.settings, oid, size)
        shape["actions"] = {"upload": upload_action(signer, f"{store}/{oid}/parts", claims, plan)}
        return shape
    grant = signer.sign(_UPLOAD if operation == "upload" else _DOWNLOAD, claims, _LIFETIME_S)
    shape["actions"] = {operation: {"href": f"{store}/{oid}?grant={grant}", "expires_in": _LIFETIME_S}}
    return shape


def _begin(call: Call, oid: str) -> hub.Upload:
    grant = _grant(call, _UPLOAD, oid)
    announced = call.request.headers.get("content-length", "")
    size = int(announced) if announced.isdigit() else None
    with call.services.database.read() as read:
        actor: Actor = accounts.actor_of_key(read, str(grant["key"]))
        repo = hub.get_repo_by_id(read, actor, str(grant["repo"]))
    proposes = bool(grant.get("proposes"))
    return hub.begin_upload(call.services, actor, repo.kind, repo.full_name, sha256=oid, size=size, proposes=proposes)


def _grant(call: Call, purpose: str, oid: str) -> dict[str, Any]:
    claims = Signer(call.services.settings).verify(purpose, call.text("grant"))
    if claims.get("oid") != oid:
        raise InvalidSignature(next="Use the address as the batch gave it out.")
    return claims


async def _body(call: Call) -> AsyncIterator[bytes]:
    announced = call.request.headers.get("content-length", "")
    received = 0
    async for part in call.request.stream():
        received += len(part)
        yield part
    if announced.isdigit() and received != int(announced):
        raise UploadIncomplete(next="Repeat the upload.")


def _answer(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type=_TYPE)


_STORE: Final = "{namespace}/{name}.git/info/lfs"
ADDRESSES: Final[tuple[Address, ...]] = tuple(
    found
    for prefix in ("/{kinds}/", "/")
    for found in (
        address("POST", f"{prefix}{_STORE}/objects/batch", batch),
        address("GET HEAD", f"{prefix}{_STORE}/objects/{{oid}}", download),
        streamed("PUT", f"{prefix}{_STORE}/objects/{{oid}}", upload),
        address("GET POST", f"{prefix}{_STORE}/locks{{rest}}", locks),
    )
)
