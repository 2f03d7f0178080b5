"""What the public service has and this server has not: said in a sentence, never with a bare 404."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from tholos.accounts.authorization import hidden
from tholos.hub.errors import RepoNotFound
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer
from tholos.wire.huggingface.errors import NotOffered

_ANY: Final = "GET HEAD POST PUT PATCH DELETE"
_PREFIXES: Final = (
    "agent-harnesses",
    "blog",
    "buckets",
    "collections",
    "daily_papers",
    "inference-providers",
    "integrations",
    "jobs",
    "kernels",
    "notifications",
    "organizations",
    "papers",
    "partners",
    "posts",
    "quicksearch",
    "recent-activity",
    "repos",
    "resolve-cache",
    "resource-groups",
    "scheduled-jobs",
    "settings",
    "spaces",
    "trending",
    "users",
)
_INSTEAD: Final = {
    "/api/jobs/": "Jobs of this server are started and followed with `tholos jobs`.",
    "/api/quicksearch/": "Search with `tholos search`, or list models and datasets with `search=`.",
    "/uploads/": "Commit the image to the repo, and name it by its path.",
}
"""What this server has in place of it, by the beginning of the address."""


def no_spaces(_call: Call) -> Response:
    """The list of spaces: there are none."""
    return answer([])


def no_space(call: Call) -> Response:
    """A space, which does not exist."""
    raise hidden(RepoNotFound, f"space {call.names['owner'][:96]}/{call.names['space'][:96]}")


def no_namespace(call: Call) -> Response:
    """A repo without a namespace, as the public service has a few: here every repo has one."""
    raise hidden(RepoNotFound, f"repo {call.names['bare'][:96]}")


def telemetry(_call: Call) -> Response:
    """Thanks, and nothing is kept."""
    return Response(status_code=204)


def not_offered(call: Call) -> Response:
    """Anything else of the public service."""
    message = f"This server does not offer {call.request.method} {call.path[:200]}."
    instead = next((text for prefix, text in _INSTEAD.items() if f"{call.path}/".startswith(prefix)), "")
    raise NotOffered(message, next=instead)


ADDRESSES: Final[tuple[Address, ...]] = (
    address("GET", "/api/spaces", no_spaces),
    address("GET", "/api/spaces/{owner}/{space}", no_space),
    address("GET", "/api/spaces/{owner}/{space}/revision/{rev}", no_space),
    address("GET HEAD", "/spaces/{owner}/{space}/resolve/{rest}", no_space),
    address("GET HEAD", "/{bare}/resolve/{bare_rev}/{rest}", no_namespace),
    address("GET", "/api/{kinds}/{bare}", no_namespace),
    *(
        address(_ANY, f"/api/{{kinds}}/{{bare}}/{word}/{{rest}}", no_namespace)
        for word in ("revision", "tree", "commits", "paths-info")
    ),
    address("HEAD", "/api/telemetry/{rest}", telemetry),
    address(_ANY, "/api/{kinds}/{rest}", not_offered),
    address("POST", "/uploads", not_offered),
    *(
        address("GET HEAD", f"/{kind}/{{owner}}/{{space}}/resolve/{{rest}}", not_offered)
        for kind in ("buckets", "kernels")
    ),
    *(address(_ANY, f"/api/{prefix}", not_offered) for prefix in _PREFIXES),
    *(address(_ANY, f"/api/{prefix}/{{rest}}", not_offered) for prefix in _PREFIXES),
)
