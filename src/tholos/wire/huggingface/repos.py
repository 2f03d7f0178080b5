"""Repos: made, shown, listed, changed, moved, deleted."""

from __future__ import annotations

from typing import Any, Final, Literal

from starlette.responses import Response

from tholos.accounts.authorization import Action, Visibility
from tholos.hub import service as hub
from tholos.hub.errors import RepoExists
from tholos.kit.errors import InvalidInput
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer, field, read_flag
from tholos.wire.huggingface.errors import NotOffered, refusal
from tholos.wire.huggingface.shapes import RepoFacts, repo_address, repo_info

R: Final = "/api/{kinds}/{namespace}/{name}"
"""The beginning of every address below a repo."""
_SORTS: Final[dict[str, Literal["updated", "created"]]] = {
    # Nothing is counted yet, so whatever sorts by a count sorts by the last change.
    "": "updated",
    "lastModified": "updated",
    "last_modified": "updated",
    "createdAt": "created",
    "created_at": "created",
    "downloads": "updated",
    "likes": "updated",
    "trendingScore": "updated",
    "trending_score": "updated",
}
_PAGE_WITH_FILES: Final = 100
_NEVER_MET: Final = ("inference", "inference_provider", "apps")


def create(call: Call) -> Response:
    """Makes a repo; where it exists already, says so with its address."""
    wanted = call.json()
    actor = call.signed_in()
    kind = _kind(wanted)
    name = _name(wanted)
    services = call.services
    try:
        repo = hub.create_repo(
            services.database, services.blobs, actor, kind, name, visibility=_visibility(wanted) or "private"
        )
    except RepoExists as error:
        with services.database.read() as read:
            repo = hub.get_repo(read, actor, kind, name)
        return refusal(error, call.request_id, fields={"url": repo_address(call.base, repo)})
    return answer({"url": repo_address(call.base, repo), "name": repo.full_name, "id": repo.id})


def delete(call: Call) -> Response:
    """Deletes a repo."""
    wanted = call.json()
    with call.services.database.write() as write:
        hub.delete_repo(write, call.signed_in(), _kind(wanted), _name(wanted))
    return answer({})


def move(call: Call) -> Response:
    """Gives a repo another name; the old one leads to it."""
    wanted = call.json()
    source, target = field(wanted, "fromRepo", str, ""), field(wanted, "toRepo", str, "")
    with call.services.database.write() as write:
        repo = hub.move_repo(write, call.signed_in(), _kind(wanted), source, target)
    return answer({"url": repo_address(call.base, repo)})


def settings(call: Call) -> Response:
    """Changes who may see a repo."""
    wanted = call.json()
    if wanted.get("gated"):
        raise NotOffered("This server has no gated repos.", next="Make the repo private instead.")
    with call.services.database.write() as write:
        repo = hub.update_repo(
            write,
            call.signed_in(),
            call.kind,
            call.repo_name,
            visibility=_visibility(wanted),
            description=field(wanted, "description", str),
        )
    return answer({"private": repo.visibility == "private", "visibility": repo.visibility, "gated": False})


def show(call: Call) -> Response:
    """The info of a repo at a revision."""
    with call.services.database.read() as read:
        repo, revision = hub.resolve(read, call.actor, call.kind, call.repo_name, call.rev)
        facts = RepoFacts(
            call.services,
            read,
            repo,
            hub.view(read, [repo])[0].tags,
            revision.commit_id,
            likes=hub.like_counts(read, [repo])[repo.id],
            revision=revision,
            blobs=call.flag("blobs"),
        )
        return answer(repo_info(facts, call.texts("expand"), listed=False))


def list_all(call: Call) -> Response:
    """Repos that the actor may see, newest first, a page at a time."""
    sort = call.text("sort")
    if sort not in _SORTS:
        raise InvalidInput(f'Nothing can be sorted by "{sort[:40]}".', next="Sort by lastModified or createdAt.")
    if call.text("num_parameters"):
        raise NotOffered("This server does not know how many parameters a model has.", next="Leave it out.")
    if any(call.texts(name) for name in _NEVER_MET) or (call.text("gated") and call.flag("gated")):
        return answer([])
    expand = call.texts("expand")
    more = [name for name, asked in (("cardData", "cardData"), ("siblings", "full")) if call.flag(asked)]
    with_files = "siblings" in [*expand, *more] or "usedStorage" in expand
    with call.services.database.read() as read:
        found = hub.list_repos(
            read,
            call.actor,
            kind=call.kind,
            owner=call.text("author"),
            searches=call.texts("search"),
            tags=[_tag(text) for text in (*call.texts("filter"), *call.texts("pipeline_tag"))],
            order=_SORTS[sort],
            cursor=call.text("cursor") or None,
            limit=call.limit(most=_PAGE_WITH_FILES if with_files else 1000),
        )
        likes = hub.like_counts(read, found.items)
        items = [
            repo_info(
                RepoFacts(call.services, read, view.repo, view.tags, view.head, likes[view.repo.id]),
                expand,
                listed=True,
                more=more,
            )
            for view in hub.view(read, found.items)
        ]
    return call.page(items, found.next_cursor)


def check(call: Call) -> Response:
    """Whether the actor may read the repo."""
    with call.services.database.read() as read:
        hub.get_repo(read, call.actor, call.kind, call.repo_name)
    return answer({})


def check_write(call: Call) -> Response:
    """Whether the actor may write to the repo."""
    with call.services.database.read() as read:
        hub.get_repo(read, call.actor, call.kind, call.repo_name, Action.WRITE)
    return answer({})


def _kind(wanted: dict[str, Any]) -> hub.RepoKind:
    kind: str = field(wanted, "type", str) or "model"
    if kind not in set(hub.RepoKind):
        raise NotOffered(f'This server has no repos of the kind "{kind[:40]}".', next="Use a model or a dataset.")
    return hub.RepoKind(kind)


def _name(wanted: dict[str, Any]) -> str:
    name = field(wanted, "name", str, "")
    namespace = field(wanted, "organization", str)
    return f"{namespace}/{name}" if namespace else name


def _visibility(wanted: dict[str, Any]) -> Visibility | None:
    private = wanted.get("private")
    if private is not None:
        return "private" if read_flag(str(private), "private") else "public"
    match field(wanted, "visibility", str):
        case None:
            return None
        case "private":
            return "private"
        case "public":
            return "public"
        case other:
            raise NotOffered(f'This server has no repos that are "{other[:40]}".', next="Use private or public.")


def _tag(text: str) -> str:
    # The public service writes languages as tags with a prefix, cards here without.
    return text.removeprefix("language:")


ADDRESSES: Final[tuple[Address, ...]] = (
    address("POST", "/api/repos/create", create),
    address("DELETE", "/api/repos/delete", delete),
    address("POST", "/api/repos/move", move),
    address("GET", "/api/{kinds}", list_all),
    address("GET", R, show),
    address("GET", f"{R}/revision/{{rev}}", show),
    address("PUT", f"{R}/settings", settings),
    address("GET", f"{R}/auth-check", check),
    address("GET", f"{R}/auth-check/write", check_write),
)
