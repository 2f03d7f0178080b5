"""Large files as such, and a branch made one revision."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from tholos.hub import service as hub
from tholos.kit.errors import InvalidInput
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer, field
from tholos.wire.huggingface.repos import R
from tholos.wire.huggingface.shapes import date


def list_files(call: Call) -> Response:
    """The large files of all revisions."""
    actor = call.signed_in()
    with call.services.database.read() as read:
        found = hub.list_lfs_files(
            read, actor, call.kind, call.repo_name, cursor=call.text("cursor") or None, limit=call.limit()
        )
    return call.page([_file(item) for item in found.items], found.next_cursor)


def delete_files(call: Call) -> Response:
    """Deletes large files for good."""
    wanted = field(call.json(), "deletions", dict, {})
    rewrite = field(wanted, "rewriteHistory", bool, default=True)
    sha256s = _texts(field(wanted, "sha", list, []))
    hub.delete_lfs_files(call.services, call.signed_in(), call.kind, call.repo_name, sha256s, rewrite=rewrite)
    return answer({})


def duplicate(call: Call) -> Response:
    """Lets another repo possess files of this one, without their bytes being sent."""
    wanted = call.json()
    target = field(wanted, "target", dict, {})
    kind = field(target, "type", str, "model")
    if kind not in set(hub.RepoKind):
        raise InvalidInput(f'There are no repos of the kind "{kind[:40]}".', next="Copy to a model or a dataset.")
    files = field(wanted, "files", list, [])
    sha256s = _texts([item.get("sha256") if isinstance(item, dict) else None for item in files])
    missing = hub.duplicate_lfs_files(
        call.services,
        call.signed_in(),
        (call.kind, call.repo_name),
        (hub.RepoKind(kind), field(target, "name", str, "")),
        sha256s,
    )
    return answer({"failed": [{"sha256": sha256, "error": "The repo has no such file."} for sha256 in missing]})


def squash(call: Call) -> Response:
    """Makes the head of a branch its only revision."""
    message = field(call.json(), "message", str) or "Squash the history"
    made = hub.squash_branch(call.services, call.signed_in(), call.kind, call.repo_name, call.names["ref"], message)
    return answer({"commitId": made.commit_id})


def _texts(values: list[Any]) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise InvalidInput("A file is not named by its SHA-256.", next="Send 64 hexadecimal digits each.")
    return values


def _file(found: hub.LfsFile) -> dict[str, Any]:
    return {
        "fileOid": found.sha256,
        "filename": found.path,
        "oid": found.sha256,
        "pushedAt": date(found.pushed_at),
        "ref": found.ref,
        "size": found.size,
    }


ADDRESSES: Final[tuple[Address, ...]] = (
    address("GET", f"{R}/lfs-files", list_files),
    address("POST", f"{R}/lfs-files/batch", delete_files),
    address("POST", f"{R}/lfs-files/duplicate", duplicate),
    address("POST", f"{R}/super-squash/{{ref}}", squash),
)
