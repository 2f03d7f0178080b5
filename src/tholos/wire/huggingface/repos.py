"""Repos: made, shown, listed, changed, moved, deleted."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from starlette.responses import Response

from tholos.accounts.authorization import Action, Visibility
from tholos.hub import service as hub
from tholos.hub.artifacts import safetensors_headers, safetensors_index
from tholos.hub.errors import RepoExists
from tholos.kit.errors import InvalidInput
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer, field, read_flag
from tholos.wire.huggingface.errors import NotOffered, refusal
from tholos.wire.huggingface.shapes import RepoFacts, repo_address, repo_info

R: Final = "/api/{kinds}/{namespace}/{name}"
"""The beginning of every address below a repo."""
_SORTS: Final[dict[str, hub.Sort]] = {
    "": "updated",
    "lastModified": "updated",
    "last_modified": "updated",
    "createdAt": "created",
    "created_at": "created",
    "downloads": "downloads",
    "likes": "likes",
    "trendingScore": "trending",
    "trending_score": "trending",
}
_PAGE_WITH_FILES: Final = 100
_BOUND: Final = re.compile(r"(min|max):([0-9]{1,6}(?:\.[0-9]{1,6})?)([KMBT]?)", re.IGNORECASE)
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
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
            services.database,
            services.blobs,
            actor,
            kind,
            name,
            visibility=_visibility(wanted) or "private",
            default_quota=hub.Quota.default(services.settings),
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
    quota = hub.Quota.default(call.services.settings)
    with call.services.database.write() as write:
        repo = hub.move_repo(write, call.signed_in(), _kind(wanted), source, target, quota)
    return answer({"url": repo_address(call.base, repo)})


def settings(call: Call) -> Response:
    """Changes who may see a repo, and who may have its files."""
    wanted = call.json()
    with call.services.database.write() as write:
        repo = hub.update_repo(
            write,
            call.signed_in(),
            call.kind,
            call.repo_name,
            visibility=_visibility(wanted),
            description=field(wanted, "description", str),
            gated=_gate(wanted),
        )
    shape = {"private": repo.visibility == "private", "visibility": repo.visibility, "gated": repo.gated or False}
    return answer(shape)


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
            document=hub.documents_of(read, [repo]).get(repo.id),
            actor=call.actor,
        )
        more = ["securityRepoStatus"] if call.flag("securityStatus") else []
        return answer(repo_info(facts, call.texts("expand"), listed=False, more=more))


def list_all(call: Call) -> Response:
    """Repos that the actor may see, a page at a time, in the order asked for."""
    wanted = _wanted(call)
    if any(call.texts(name) for name in _NEVER_MET):
        return answer([])
    expand = call.texts("expand")
    asked = (("cardData", "cardData"), ("config", "config"), ("siblings", "full"))
    more = [name for name, flag in asked if call.flag(flag)]
    with_files = "siblings" in [*expand, *more] or "usedStorage" in expand
    with call.services.database.read() as read:
        limit = call.limit(most=_PAGE_WITH_FILES if with_files else 1000)
        found = hub.list_found(read, call.actor, wanted, cursor=call.text("cursor") or None, limit=limit)
        likes = hub.like_counts(read, found.items)
        documents = hub.documents_of(read, found.items)
        items = [
            repo_info(
                RepoFacts(
                    call.services,
                    read,
                    view.repo,
                    view.tags,
                    view.head,
                    likes[view.repo.id],
                    document=documents.get(view.repo.id),
                    actor=call.actor,
                ),
                expand,
                listed=True,
                more=more,
            )
            for view in hub.view(read, found.items)
        ]
    return call.page(items, found.next_cursor)


def _wanted(call: Call) -> hub.Wanted:
    """What a list is asked for. Raises InvalidInput."""
    sort = call.text("sort")
    if sort not in _SORTS:
        raise InvalidInput(
            f'Nothing can be sorted by "{sort[:40]}".',
            next="Sort by lastModified, createdAt, downloads, likes or trendingScore.",
        )
    if call.text("direction") not in ("", "-1"):
        raise InvalidInput("Lists are sorted from the largest to the smallest.", next="Leave the direction out.")
    least, most = _parameters(call.text("num_parameters"))
    named = (("task", "pipeline_tag"), ("library", "library"), ("language", "language"))
    return hub.Wanted(
        text=" ".join(call.texts("search")),
        kind=call.kind,
        owner=call.text("author"),
        tags=[tag for text in (*call.texts("filter"), *call.texts("tags")) for tag in text.split(",") if tag],
        facets=[(facet, text) for facet, name in named for text in call.texts(name) if text],
        min_parameters=least,
        max_parameters=most,
        gated=call.flag("gated") if call.text("gated") else None,
        sort=_SORTS[sort],
    )


def _parameters(text: str) -> tuple[int | None, int | None]:
    """The bounds in "min:6B,max:128B"."""
    found: dict[str, int] = {}
    for part in text.split(",") if text else ():
        match = _BOUND.fullmatch(part.strip())
        if match is None:
            raise InvalidInput(
                f'"{text[:40]}" is no range of parameters.', next="Write min:500M,max:7B, or one of both."
            )
        found[match[1]] = int(float(match[2]) * _UNITS[match[3].upper()])
    return found.get("min"), found.get("max")


def safetensors_metadata(call: Call) -> Response:
    """The headers of a safetensors file, or of all shards that an index names."""
    path = call.names["rest"]
    with call.services.database.read() as read:
        repo, revision = hub.resolve(read, call.actor, call.kind, call.repo_name, hub.MAIN)
        hub.require_content(read, call.actor, repo)
        asked = hub.file(read, repo, revision.commit_id, path)
        files, metadata = [asked], None
        hub.require_all_kept(read, repo, [asked])
        if path.endswith(".index.json"):
            shards, metadata = safetensors_index(call.services.blobs, asked)
            files = hub.entries(read, revision, shards)
        hub.require_all_kept(read, repo, files)
    headers = safetensors_headers(call.services.blobs, [found for found in files if found.type == "file"])
    if asked.path.endswith(".safetensors") and asked.path not in headers:
        raise InvalidInput(f'"{path[:200]}" is no readable safetensors file.', next="Ask for a .safetensors file.")
    return answer({"index": {"metadata": metadata or {}}, "headers": headers})


def check(call: Call) -> Response:
    """Whether the actor may read the repo, and what its files hold."""
    with call.services.database.read() as read:
        hub.require_content(read, call.actor, hub.get_repo(read, call.actor, call.kind, call.repo_name))
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


def _gate(wanted: dict[str, Any]) -> hub.Gate | Literal[False] | None:
    match wanted.get("gated"):
        case None:
            return None
        case False:
            return False
        case "auto":
            return "auto"
        case "manual":
            return "manual"
        case _:
            raise InvalidInput('"gated" is neither "auto", "manual" nor false.', next="Send one of the three.")


ADDRESSES: Final[tuple[Address, ...]] = (
    address("POST", "/api/repos/create", create),
    address("DELETE", "/api/repos/delete", delete),
    address("POST", "/api/repos/move", move),
    address("GET", "/api/{kinds}", list_all),
    address("GET", R, show),
    address("GET", f"{R}/revision/{{rev}}", show),
    address("GET", f"{R}/safetensors-metadata/{{rest}}", safetensors_metadata),
    address("PUT", f"{R}/settings", settings),
    address("GET", f"{R}/auth-check", check),
    address("GET", f"{R}/auth-check/write", check_write),
)
