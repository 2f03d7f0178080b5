"""Branches, tags, and the revisions behind them."""

from __future__ import annotations

from html import escape
from typing import Any, Final, Literal

from starlette.responses import Response

from tholos.hub import service as hub
from tholos.hub.errors import RefExists
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer, field, read_flag
from tholos.wire.huggingface.repos import R
from tholos.wire.huggingface.shapes import date

_PAGE: Final = 100


def list_refs(call: Call) -> Response:
    """Branches and tags, and the pull requests that are asked for."""
    with call.services.database.read() as read:
        found = hub.list_refs(read, call.actor, call.kind, call.repo_name)
        wanted = call.flag("include_prs")
        pulls = hub.list_proposals(read, call.actor, call.kind, call.repo_name) if wanted else []
    shape: dict[str, list[Any]] = {"branches": [], "converts": [], "tags": [], "pullRequests": []}
    for ref in found:
        group, prefix = ("branches", "refs/heads/") if ref.kind == "branch" else ("tags", "refs/tags/")
        shape[group].append({"name": ref.name, "ref": prefix + ref.name, "targetCommit": ref.commit_id})
    shape["pullRequests"] = [
        {"name": str(number), "ref": hub.proposal_ref(number), "targetCommit": commit_id} for number, commit_id in pulls
    ]
    return answer(shape)


def list_commits(call: Call) -> Response:
    """The history of a revision, newest first."""
    formatted = "formatted" in call.texts("expand")
    with call.services.database.read() as read:
        repo, revision = hub.resolve(read, call.actor, call.kind, call.repo_name, call.rev)
        total = hub.count_revisions(read, repo, revision)
        _, found = hub.list_revisions(
            read,
            call.actor,
            call.kind,
            call.repo_name,
            revision.commit_id,
            cursor=call.text("cursor") or None,
            limit=call.limit(default=_PAGE),
        )
    response = call.page([_revision(item, formatted=formatted) for item in found.items], found.next_cursor)
    response.headers["x-total-count"] = str(total)
    return response


def create_branch(call: Call) -> Response:
    """Makes a branch."""
    wanted = call.json()
    rev = field(wanted, "startingPoint", str, hub.MAIN)
    return _set(call, "branch", call.names["ref"], rev, force=read_flag(str(wanted.get("overwrite", "")), "overwrite"))


def create_tag(call: Call) -> Response:
    """Makes a tag at the revision of the address. A message is not kept: tags here are plain names."""
    return _set(call, "tag", field(call.json(), "tag", str, ""), call.names["ref"])


def delete_branch(call: Call) -> Response:
    """Deletes a branch."""
    return _delete(call, "branch")


def delete_tag(call: Call) -> Response:
    """Deletes a tag."""
    return _delete(call, "tag")


def _set(call: Call, kind: Literal["branch", "tag"], name: str, rev: str, *, force: bool = False) -> Response:
    services = call.services
    made = hub.set_ref(
        services.database,
        services.blobs,
        call.signed_in(),
        call.kind,
        call.repo_name,
        ref_kind=kind,
        ref_name=name.removeprefix("refs/heads/" if kind == "branch" else "refs/tags/"),
        rev=rev,
        force=force,
    )
    if not made.created and not force:  # the clients want to hear of it, even where it is as they wish
        raise RefExists(f'The {kind} "{made.name}" exists already.', next="Choose another name.")
    return answer({"name": made.name, "targetCommit": made.commit_id})


def _delete(call: Call, kind: Literal["branch", "tag"]) -> Response:
    with call.services.database.write() as write:
        hub.delete_ref(write, call.signed_in(), call.kind, call.repo_name, ref_kind=kind, ref_name=call.names["ref"])
    return answer({})


def _revision(revision: hub.Revision, *, formatted: bool) -> dict[str, Any]:
    title, _, message = revision.message.partition("\n")
    shape: dict[str, Any] = {
        "id": revision.commit_id,
        "title": title,
        "message": message.strip(),
        "authors": [{"user": revision.author}],
        "date": date(revision.created_at),
        "parents": revision.parents,
    }
    if formatted:
        shape["formatted"] = {"title": escape(title), "message": escape(message.strip())}
    return shape


ADDRESSES: Final[tuple[Address, ...]] = (
    address("GET", f"{R}/refs", list_refs),
    address("GET", f"{R}/commits/{{rev}}", list_commits),
    address("POST", f"{R}/branch/{{ref}}", create_branch),
    address("DELETE", f"{R}/branch/{{ref}}", delete_branch),
    address("POST", f"{R}/tag/{{ref}}", create_tag),
    address("DELETE", f"{R}/tag/{{ref}}", delete_tag),
)
