"""Discussions and pull requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_args

from starlette.responses import Response

from tholos.accounts.authorization import Actor
from tholos.community import service as community
from tholos.kit.errors import InvalidInput
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer, field
from tholos.wire.huggingface.repos import R
from tholos.wire.huggingface.shapes import Shape, date

_PAGE: Final = 50
_MAX_PAGE_NUMBER: Final = 10_000_000
_HIDDEN: Final = "This comment has been hidden"
_HIDDEN_HTML: Final = "<p>This comment has been hidden</p>"


def list_discussions(call: Call) -> Response:
    """A page of a repo's discussions, newest first."""
    page = _whole(call.text("p", "0"), "p")
    start = min(page, _MAX_PAGE_NUMBER) * _PAGE
    kind: community.TypeFilter = _one_of(call.text("type") or "all", community.TypeFilter)
    status: community.StatusFilter = _one_of(call.text("status") or "all", community.StatusFilter)
    with call.services.database.read() as read:
        found, total = community.list_discussions(
            read,
            call.actor,
            call.kind,
            call.repo_name,
            type=kind,
            status=status,
            author=call.text("author"),
            offset=start,
            limit=_PAGE,
        )
    shapes = [_discussion(view) for view in found]
    return answer({"discussions": shapes, "count": total, "start": start})


def create(call: Call) -> Response:
    """Opens a discussion or, as a draft, a pull request."""
    wanted, actor = call.json(), call.signed_in()
    title, text = field(wanted, "title", str, ""), field(wanted, "description", str, "")
    if field(wanted, "pullRequest", bool, default=False):
        opened = community.open_pull(call.services, actor, call.kind, call.repo_name, title=title, text=text)
        view = opened.view
    else:
        database = call.services.database
        view = community.open_discussion(database, actor, call.kind, call.repo_name, title=title, text=text)
    return answer({"num": view.discussion.number, **_discussion(view), "pullRequest": view.discussion.is_pull_request})


def details(call: Call) -> Response:
    """A discussion with all that happened to it; of a pull request also what it changes."""
    with call.services.database.read() as read:
        view = community.get_discussion(read, call.actor, _at(call))
        shape = _discussion(view) | {"events": _events(community.events_of(read, view.discussion))}
        if view.discussion.is_pull_request:
            shape |= _proposal(community.proposed(read, view), view)
            if call.flag("diff"):
                shape["diff"] = community.diff_of(read, call.services.blobs, call.actor, view).text
    return answer(shape)


def comment(call: Call) -> Response:
    """Adds a comment."""
    text = field(call.json(), "comment", str, "")
    return answer({"newMessage": _event(community.comment(*_who(call), _at(call), text))})


def edit(call: Call) -> Response:
    """Changes one's own comment."""
    text = field(call.json(), "content", str, "")
    changed = community.edit_comment(*_who(call), _at(call), call.names["comment"], text)
    return answer({"updatedComment": _event(changed)})


def hide(call: Call) -> Response:
    """Hides a comment for ever."""
    hidden = community.hide_comment(*_who(call), _at(call), call.names["comment"])
    return answer({"updatedComment": _event(hidden)})


def rename(call: Call) -> Response:
    """Gives a discussion another title."""
    title = field(call.json(), "title", str, "")
    return answer({"newTitle": _event(community.rename(*_who(call), _at(call), title))})


def set_status(call: Call) -> Response:
    """Closes a discussion, or opens it."""
    wanted = call.json()
    status = field(wanted, "status", str, "")
    if status not in ("open", "closed"):
        raise InvalidInput("The status is neither open nor closed.", next="Send one of the two; merge to merge.")
    text = field(wanted, "comment", str, "")
    return answer({"newStatus": _event(community.set_status(*_who(call), _at(call), status, text))})


def merge(call: Call) -> Response:
    """Brings a pull request into its branch."""
    wanted = call.json() if call.body.strip() not in (b"", b"null") else {}
    text = field(wanted, "comment", str, "")
    merged = community.merge(call.services, call.signed_in(), _at(call), text)
    return answer({"status": merged.discussion.status, "mergeCommitId": merged.discussion.merge_commit})


def _who(call: Call) -> tuple[Any, Actor]:
    return call.services.database, call.signed_in()


def _at(call: Call) -> community.At:
    return community.At(call.kind, call.repo_name, _whole(call.names["num"], "number"))


def _one_of(text: str, known: Any) -> Any:
    if text not in get_args(known):
        raise InvalidInput(f'"{text[:40]}" is unknown here.', next=f"Send {' or '.join(get_args(known))}.")
    return text


def _whole(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise InvalidInput(f'The {what} "{text[:40]}" is not a whole number.', next="Count from 0.")
    return int(text[:18])


def _discussion(view: community.DiscussionView) -> Shape:
    found = view.discussion
    return {
        "num": found.number,
        "title": found.title,
        "status": found.status,
        "isPullRequest": found.is_pull_request,
        "createdAt": date(found.created_at),
        "author": {"name": view.author, "type": "user"},
        "repo": {"name": view.repo.full_name, "type": view.repo.kind.value},
        "repoOwner": {"name": view.repo.namespace},
    }


def _proposal(proposed: community.Proposed, view: community.DiscussionView) -> Shape:
    found = view.discussion
    changes: Shape = {"base": f"refs/heads/{found.branch}"}
    if found.merge_commit is not None:
        changes["mergeCommitId"] = found.merge_commit
    conflicts = True if proposed.conflicts is None else list(proposed.conflicts)
    return {"changes": changes, "filesWithConflicts": conflicts, "headCommit": proposed.head}


def _events(found: Sequence[community.EventView]) -> list[Shape]:
    return [_event(view) for view in found]


def _event(view: community.EventView) -> Shape:
    event = view.event
    return {
        "id": event.id,
        "type": event.kind,
        "createdAt": date(event.created_at),
        "author": {"name": view.author, "type": "user"},
        "data": _data(view),
    }


def _data(view: community.EventView) -> Shape:
    event = view.event
    if event.kind == "commit":
        return {"oid": event.commit_id, **event.details}
    if event.kind != "comment":
        return dict(event.details)
    hidden = event.hidden_at is not None
    return {
        "edited": event.edited_at is not None,
        "hidden": hidden,
        "latest": {
            "raw": _HIDDEN if hidden else event.text,
            "html": _HIDDEN_HTML if hidden else event.html,
            "updatedAt": date(event.edited_at or event.created_at),
            "author": {"name": view.author, "type": "user"},
        },
        "history": [
            {"raw": edit.text, "updatedAt": date(edit.written_at), "author": {"name": view.author}}
            for edit in view.edits
        ],
        "numEdits": len(view.edits),
    }


_D: Final = f"{R}/discussions"
ADDRESSES: Final[tuple[Address, ...]] = (
    address("GET", _D, list_discussions),
    address("POST", _D, create),
    address("GET", f"{_D}/{{num}}", details),
    address("POST", f"{_D}/{{num}}/comment", comment),
    address("POST", f"{_D}/{{num}}/comment/{{comment}}/edit", edit),
    address("POST", f"{_D}/{{num}}/comment/{{comment}}/hide", hide),
    address("POST", f"{_D}/{{num}}/title", rename),
    address("POST", f"{_D}/{{num}}/status", set_status),
    address("POST", f"{_D}/{{num}}/merge", merge),
)
