"""Commits: advice before the upload, and the commit itself."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from tholos.accounts.authorization import Actor
from tholos.community import service as community
from tholos.hub import service as hub
from tholos.kit.database import ReadSession
from tholos.kit.errors import InvalidInput
from tholos.wire.huggingface.addresses import Address, address, streamed
from tholos.wire.huggingface.call import Call, answer, field
from tholos.wire.huggingface.commit_body import CommitBody, lines
from tholos.wire.huggingface.repos import R
from tholos.wire.huggingface.shapes import repo_address
from tholos.wire.huggingface.targets import Target, committable, target_of

_MAX_FILES: Final = 256  # what the clients send at once


def preupload(call: Call) -> Response:
    """Says of each file that is to be committed how to send it, or that it is there already."""
    wanted = call.json()
    files = field(wanted, "files", list, [])
    if len(files) > _MAX_FILES:
        raise InvalidInput(f"The request names {len(files)} files.", next=f"Ask for {_MAX_FILES} at most at once.")
    candidates = [_candidate(file) for file in files]
    actor = call.signed_in()
    with call.services.database.read() as read:
        target = target_of(call)
        repo = committable(call, read, actor, target)
        advice = hub.advise(
            read,
            call.services.blobs,
            hub.revision_of(read, repo, target.rev),
            candidates,
            ignore_rules=field(wanted, "gitIgnore", str, ""),
            lfs_threshold_bytes=call.services.settings.lfs_threshold_bytes,
        )
        default = hub.Quota.default(call.services.settings)
        if hub.room_for(read, default, repo.owner_id) == 0:
            # nothing more fits: said before the client makes itself the work
            new = zip(candidates, advice, strict=True)
            hub.require_room(read, default, repo.owner_id, sum(it.size for it, at in new if not at.etag))
        headers = _quota_warning(call, read, repo)
    return answer({"files": [_advice(item) for item in advice]}, headers=headers)


async def commit(call: Call) -> Response:
    """Lands a commit: all of it, or nothing."""
    target = target_of(call)
    settings = call.services.settings
    actor = call.signed_in()
    await run_in_threadpool(_committable, call, actor, target)  # before a stranger sends megabytes
    body = CommitBody(call.services.blobs, settings.max_commit_operations)
    async for some in lines(
        call.request.stream(), max_line=settings.max_commit_bytes, max_bytes=settings.max_commit_stream_bytes
    ):
        await run_in_threadpool(body.feed, some)
    return await run_in_threadpool(_land, call, actor, target, body)


def _committable(call: Call, actor: Actor, target: Target) -> hub.Repo:
    with call.services.database.read() as read:
        return committable(call, read, actor, target)


def _land(call: Call, actor: Actor, target: Target, body: CommitBody) -> Response:
    services = call.services
    with services.database.read() as read:
        repo = committable(call, read, actor, target)
        parent = hub.revision_of(read, repo, body.parent).commit_id if body.parent else None
        sizes = hub.possessed_sizes(services, read, repo, [file.sha256 for file in body.lfs_files])
    copies = [
        hub.AddBlob(file.path, file.sha256, sizes.get(file.sha256, 0) if file.size is None else file.size)
        for file in body.lfs_files
    ]
    operations = [*body.operations, *copies]
    limits = hub.CommitLimits.of(services.settings)
    more = {}
    if target.opens:
        opened = community.propose(
            services,
            actor,
            call.kind,
            call.repo_name,
            operations,
            body.message,
            branch=target.branch,
            parent=parent,
            limits=limits,
        )
        revision = opened.revision
        more["pullRequestUrl"] = f"{repo_address(call.base, repo)}/discussions/{opened.view.discussion.number}"
    elif target.pull is not None:
        at = community.At(call.kind, call.repo_name, target.pull)
        _, revision = community.commit_to_pull(
            services, actor, at, operations, body.message, parent=parent, limits=limits
        )
    else:
        revision = hub.commit(
            services.database,
            services.blobs,
            actor,
            repo,
            operations,
            body.message,
            branch=target.branch,
            parent=parent,
            limits=limits,
        )
    address = f"{repo_address(call.base, repo)}/commit/{revision.commit_id}"
    done = {"success": True, "commitOid": revision.commit_id, "commitUrl": address, "hookOutput": ""}
    with services.database.read() as read:
        headers = _quota_warning(call, read, repo)
    return answer(done | more, headers=headers)


def _quota_warning(call: Call, read: ReadSession, repo: hub.Repo) -> dict[str, str]:
    sentence = hub.quota_warning(read, hub.Quota.default(call.services.settings), repo.owner_id)
    return {"x-hf-warning": f"quota; {sentence}"} if sentence else {}


def _candidate(file: Any) -> hub.Candidate:
    if not isinstance(file, dict):
        raise InvalidInput("A file of the request is not a JSON object.", next="Send path, size and sample.")
    try:
        sample = base64.b64decode(field(file, "sample", str, ""), validate=True)
    except (ValueError, binascii.Error):
        raise InvalidInput("A sample is not base64.", next="Send the first 512 bytes as base64.") from None
    size = field(file, "size", int, len(sample))
    if size < 0:
        raise InvalidInput("A size is below 0.", next="Send the size in bytes.")
    return hub.Candidate(field(file, "path", str, ""), size, sample)


def _advice(advice: hub.Advice) -> dict[str, Any]:
    shape = {
        "path": advice.path,
        "uploadMode": "lfs" if advice.lfs else "regular",
        "shouldIgnore": advice.ignored,
    }
    return shape | ({"oid": advice.etag} if advice.etag else {})


ADDRESSES: Final[tuple[Address, ...]] = (
    address("POST", f"{R}/preupload/{{rev}}", preupload),
    streamed("POST", f"{R}/commit/{{rev}}", commit),
)
