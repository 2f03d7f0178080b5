"""Pages of a repo's community: its discussions, one of them with its thread, and what a pull request changes."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Request
from starlette.responses import RedirectResponse, Response

from tholos.accounts.authorization import Action, Actor, may
from tholos.accounts.dependencies import CurrentActor, Cursor, OptionalActor, Read
from tholos.community import service
from tholos.community.discussions import MAX_COMMENT, MAX_TITLE
from tholos.kit.database import ReadSession
from tholos.kit.http import ServicesDep
from tholos.kit.paging import decode_cursor, encode_cursor
from tholos.web.rendering import page
from tholos.web.repos import ALGORITHM, DATASET, MODEL, At, RepoAt

algorithms = APIRouter(prefix=ALGORITHM, include_in_schema=False)
datasets = APIRouter(prefix=DATASET, include_in_schema=False)
models = APIRouter(prefix=MODEL, include_in_schema=False)
_PAGE = 30
_D = "/discussions"
_N = "/discussions/{number}"
Text = Annotated[str, Form(max_length=2 * MAX_COMMENT)]


class _Thread:
    """The discussion that an address names."""

    def __init__(self, at: At, number: Annotated[int, Path(ge=1)]) -> None:
        self.repo: RepoAt = at
        self.at = service.At(at.kind, at.name, number)

    @property
    def address(self) -> str:
        prefix = "" if self.at.kind.value == "model" else f"/{self.at.kind.plural}"
        return f"{prefix}/{self.at.name}{_D}/{self.at.number}"

    def back(self) -> Response:
        """To its page, after a form was sent."""
        return RedirectResponse(self.address, 303)


Thread = Annotated[_Thread, Depends()]


@algorithms.get(_D)
@datasets.get(_D)
@models.get(_D)
def show_discussions(
    *,
    request: Request,
    at: At,
    actor: OptionalActor,
    read: Read,
    status: service.StatusFilter = "open",
    type: service.TypeFilter = "all",  # noqa: A002 - the address's word
    cursor: Cursor = None,
) -> Response:
    """A repo's discussions and pull requests, newest first."""
    found = at.open(read, actor)
    below = decode_cursor(cursor, int)[0] if cursor else None
    views, total = service.list_discussions(
        read, actor, at.kind, at.name, type=type, status=status, below=below, limit=_PAGE + 1
    )
    return page(
        request,
        "discussions.html",
        actor,
        tab="community",
        views=views[:_PAGE],
        total=total,
        wanted={"status": status, "type": type},
        next_cursor=encode_cursor(views[_PAGE - 1].discussion.number) if len(views) > _PAGE else None,
        max_title=MAX_TITLE,
        **found.values,
    )


@algorithms.post(_D)
@datasets.post(_D)
@models.post(_D)
def open_discussion(
    at: At,
    actor: CurrentActor,
    services: ServicesDep,
    title: Annotated[str, Form(max_length=10_000)],
    text: Text = "",
) -> Response:
    """Opens a discussion by the form."""
    view = service.open_discussion(services.database, actor, at.kind, at.name, title=title, text=text)
    return _Thread(at, view.discussion.number).back()


@algorithms.get(_N)
@datasets.get(_N)
@models.get(_N)
def show_discussion(
    request: Request, thread: Thread, actor: OptionalActor, read: Read, services: ServicesDep
) -> Response:
    """A discussion: what was said, and the forms to answer."""
    return _page(request, thread, actor, read, services, "discussion.html")


@algorithms.get(f"{_N}/files")
@datasets.get(f"{_N}/files")
@models.get(f"{_N}/files")
def show_changes(request: Request, thread: Thread, actor: OptionalActor, read: Read, services: ServicesDep) -> Response:
    """What a pull request changes."""
    return _page(request, thread, actor, read, services, "changes.html")


@algorithms.post(f"{_N}/comment")
@datasets.post(f"{_N}/comment")
@models.post(f"{_N}/comment")
def comment(thread: Thread, actor: CurrentActor, services: ServicesDep, text: Text) -> Response:
    """Adds a comment."""
    service.comment(services.database, actor, thread.at, text)
    return thread.back()


@algorithms.post(f"{_N}/comments/{{comment_id}}/edit")
@datasets.post(f"{_N}/comments/{{comment_id}}/edit")
@models.post(f"{_N}/comments/{{comment_id}}/edit")
def edit_comment(thread: Thread, comment_id: str, actor: CurrentActor, services: ServicesDep, text: Text) -> Response:
    """Changes one's own comment."""
    service.edit_comment(services.database, actor, thread.at, comment_id, text)
    return thread.back()


@algorithms.post(f"{_N}/comments/{{comment_id}}/hide")
@datasets.post(f"{_N}/comments/{{comment_id}}/hide")
@models.post(f"{_N}/comments/{{comment_id}}/hide")
def hide_comment(thread: Thread, comment_id: str, actor: CurrentActor, services: ServicesDep) -> Response:
    """Hides a comment for ever."""
    service.hide_comment(services.database, actor, thread.at, comment_id)
    return thread.back()


@algorithms.post(f"{_N}/title")
@datasets.post(f"{_N}/title")
@models.post(f"{_N}/title")
def rename(
    thread: Thread, actor: CurrentActor, services: ServicesDep, title: Annotated[str, Form(max_length=10_000)]
) -> Response:
    """Gives it another title."""
    service.rename(services.database, actor, thread.at, title)
    return thread.back()


@algorithms.post(f"{_N}/status")
@datasets.post(f"{_N}/status")
@models.post(f"{_N}/status")
def set_status(
    thread: Thread,
    actor: CurrentActor,
    services: ServicesDep,
    status: Annotated[Literal["open", "closed"], Form()],
    text: Text = "",
) -> Response:
    """Closes or opens it."""
    service.set_status(services.database, actor, thread.at, status, text)
    return thread.back()


@algorithms.post(f"{_N}/merge")
@datasets.post(f"{_N}/merge")
@models.post(f"{_N}/merge")
def merge(thread: Thread, actor: CurrentActor, services: ServicesDep, text: Text = "") -> Response:
    """Brings a pull request into its branch."""
    service.merge(services, actor, thread.at, text)
    return thread.back()


def _page(
    request: Request, thread: _Thread, actor: Actor, read: ReadSession, services: ServicesDep, template: str
) -> Response:
    found = thread.repo.open(read, actor)
    view = service.get_discussion(read, actor, thread.at)
    discussion = view.discussion
    is_writer = may(actor, Action.WRITE, view.repo)
    shows_files = template == "changes.html"
    values = {
        **found.values,
        "view": view,
        "discussion": discussion,
        "proposed": service.proposed(read, view) if discussion.is_pull_request else None,
        "events": [] if shows_files else service.events_of(read, discussion),
        "diff": service.diff_of(read, services.blobs, actor, view) if shows_files else None,
        "address": thread.address,
        "may_write": is_writer,
        "may_change": is_writer or discussion.author_id == actor.account_id,
        "max_title": MAX_TITLE,
    }
    return page(request, template, actor, tab="community", **values)
