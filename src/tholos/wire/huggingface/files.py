"""Files of a revision: listed, looked up, downloaded."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from tholos.hub import service as hub
from tholos.hub.downloads import file_response
from tholos.hub.errors import EntryNotFound, InvalidPath
from tholos.hub.mirror.following import answering
from tholos.hub.xet.repository import own_xet_hashes
from tholos.kit.database import ReadSession
from tholos.kit.errors import PayloadTooLarge, TholosError
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer, read_flag
from tholos.wire.huggingface.errors import refusal
from tholos.wire.huggingface.repos import R
from tholos.wire.huggingface.security import file_statuses, unsafe_warning
from tholos.wire.huggingface.shapes import entry
from tholos.wire.huggingface.xet_tokens import advertised, offer

_PAGE_WITH_CHANGES: Final = 50
_MAX_PATHS: Final = 10_000
_WITH_CONTENT: Final = (200, 206)


class TooManyPaths(PayloadTooLarge):
    """The request names more paths than the server looks up at once."""

    code = "too_many_paths"


def tree(call: Call) -> Response:
    """One page of a folder."""
    expand = call.flag("expand")
    with call.services.database.read() as read:
        revision, found = hub.tree_page(
            read,
            call.actor,
            call.kind,
            call.repo_name,
            call.rev,
            path=call.names.get("rest", "").strip("/"),
            recursive=call.flag("recursive"),
            cursor=call.text("cursor") or None,
            limit=call.limit(most=_PAGE_WITH_CHANGES) if expand else call.limit(),
        )
        items = _described(call, read, revision, found.items, expand=expand)
    return call.page(items, found.next_cursor)


def paths_info(call: Call) -> Response:
    """What lies at each of some paths; those where nothing does are left out."""
    form = call.form()
    paths = form.get("paths", [])
    if len(paths) > _MAX_PATHS:
        raise TooManyPaths(f"The request names {len(paths)} paths.", next=f"Name {_MAX_PATHS} at most.")
    expand = read_flag((form.get("expand") or [""])[0], "expand")
    with call.services.database.read() as read:
        _, revision = hub.resolve(read, call.actor, call.kind, call.repo_name, call.rev)
        found = hub.entries(read, revision, paths)
        shapes = _described(call, read, revision, found, expand=expand)
        # a client that copies to another repo without sending the bytes insists on these
        hashes = own_xet_hashes(read, revision.repo_id, [item.sha256 for item in found if item.lfs and item.sha256])
        for item, shape in zip(found, shapes, strict=True):
            if item.lfs and item.sha256 in hashes:
                shape["xetHash"] = hashes[item.sha256]
        return answer(shapes)


def download(call: Call) -> Response:
    """A file, whole or one range of it; every answer names the revision it is about."""
    with call.services.database.read() as read:
        repo, revision = hub.resolve(read, call.actor, call.kind, call.repo_name, call.rev)
        commit = {"x-repo-commit": revision.commit_id}
        hub.require_content(read, call.actor, repo)
        try:
            found = hub.file(read, repo, revision.commit_id, call.names["rest"])
            hub.require_kept(read, repo, found)
        except (EntryNotFound, InvalidPath) as error:
            return refusal(error, call.request_id, headers=commit)
        xet_hash = advertised(call, read, repo.id, found)
        warning = unsafe_warning(read, call.actor, repo, found)
        followed = answering(call.services, read, repo, found)
    assert found.sha256 is not None  # it is a file
    try:
        response = file_response(
            call.services.blobs,
            found,
            dict(call.request.headers),
            rev=call.rev,
            commit_id=revision.commit_id,
            attachment=call.flag("download"),
            answering=followed,
        )
        if response.status_code in _WITH_CONTENT:
            response = _elsewhere(call, found) or response
    except TholosError as error:
        return refusal(error, call.request_id, headers=commit)
    hub.note_download(
        call.services.downloads,
        call.actor,
        repo,
        found.path,
        call.request.headers,
        address=call.request.client.host if call.request.client else "",
        is_head=call.request.method == "HEAD",
    )
    offered = offer(call, xet_hash, revision.commit_id) if xet_hash else {}
    response.headers.update({**commit, **_linked(found), **offered, **warning})
    return response


def _elsewhere(call: Call, found: hub.TreeEntry) -> Response | None:
    """Sends the client to the bucket, where the operator wants that, and the large file lies there whole."""
    link = call.services.blobs.download_address(found.sha256 or "") if found.lfs else None
    if link is None:
        return None
    # the link is for whoever has it: nobody is to keep it for another
    headers = {"location": link, "etag": f'"{found.etag}"', "cache-control": "no-store", "accept-ranges": "bytes"}
    return Response(status_code=302, headers=headers)


def _linked(found: hub.TreeEntry) -> dict[str, str]:
    if not found.lfs:
        return {}
    return {"x-linked-etag": f'"{found.etag}"', "x-linked-size": str(found.size or 0)}


def _described(
    call: Call, read: ReadSession, revision: hub.Revision, found: list[hub.TreeEntry], *, expand: bool
) -> list[dict[str, Any]]:
    changes, statuses = {}, {}
    if expand:
        repo = hub.get_repo(read, call.actor, call.kind, call.repo_name)
        changes = hub.last_changes(read, repo, revision, found)
        statuses = file_statuses(read, call.actor, repo, found)
    return [
        entry(item, changes.get(item.path), advertised(call, read, revision.repo_id, item), statuses.get(item.path))
        for item in found
    ]


ADDRESSES: Final[tuple[Address, ...]] = (
    address("GET", f"{R}/tree/{{rev}}", tree),
    address("GET", f"{R}/tree/{{rev}}/{{rest}}", tree),
    address("POST", f"{R}/paths-info/{{rev}}", paths_info),
    address("GET HEAD", f"{R}/resolve/{{rev}}/{{rest}}", download),
    address("GET HEAD", "/{kinds}/{namespace}/{name}/resolve/{rev}/{rest}", download),
    address("GET HEAD", "/{namespace}/{name}/resolve/{rev}/{rest}", download),
)
