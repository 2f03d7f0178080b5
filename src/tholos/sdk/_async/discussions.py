"""Discussions and pull requests of a repo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tholos.sdk.conversations import Diff, Discussion, DiscussionEvent
from tholos.sdk.references import segment

if TYPE_CHECKING:
    from tholos.sdk._async.repos import AsyncRepoHandle

Status = Literal["all", "open", "closed", "draft", "merged"]


class AsyncDiscussions:
    """What is said about one repo: ``client.model("ns/name").discussions``. Pull requests are discussions, too."""

    def __init__(self, repo: AsyncRepoHandle) -> None:
        self._repo = repo

    async def open(self, title: str, text: str = "") -> Discussion:
        """Opens a discussion; ``text`` is Markdown."""
        body = {"title": title, "text": text}
        return Discussion.of(await self._repo.transport.call("POST", await self._path(), body=body))

    async def open_pull(self, title: str, text: str = "", *, branch: str = "main") -> Discussion:
        """Opens a pull request for a branch, as a draft without a commit: see ``propose`` for one with files."""
        body = {"title": title, "text": text, "pull_request": True, "branch": branch}
        return Discussion.of(await self._repo.transport.call("POST", await self._path(), body=body))

    async def get(self, number: int) -> Discussion:
        """One of them; a pull request with what it proposes. Raises NotFound."""
        return Discussion.of(await self._repo.transport.call("GET", await self._path(number)))

    async def events(self, number: int, *, limit: int | None = None) -> list[DiscussionEvent]:
        """What happened to it, oldest first."""
        path = f"{await self._path(number)}/events"
        return [DiscussionEvent.of(item) for item in await self._repo.transport.pages(path, limit=limit)]

    async def comment(self, number: int, text: str) -> DiscussionEvent:
        """Adds a comment. Raises Conflict when it is closed."""
        path = f"{await self._path(number)}/comments"
        return DiscussionEvent.of(await self._repo.transport.call("POST", path, body={"text": text}))

    async def edit(self, number: int, comment_id: str, text: str) -> DiscussionEvent:
        """Changes a comment of yours; what it said before is kept."""
        path = f"{await self._path(number)}/comments/{segment(comment_id)}"
        return DiscussionEvent.of(await self._repo.transport.call("PATCH", path, body={"text": text}))

    async def hide(self, number: int, comment_id: str) -> DiscussionEvent:
        """Hides a comment for ever: one of yours, or any in a repo that you may write."""
        path = f"{await self._path(number)}/comments/{segment(comment_id)}/hide"
        return DiscussionEvent.of(await self._repo.transport.call("POST", path))

    async def rename(self, number: int, title: str) -> Discussion:
        """Gives it another title."""
        return await self._change(number, {"title": title})

    async def close(self, number: int, text: str = "") -> Discussion:
        """Closes it, maybe with a last word."""
        return await self._change(number, {"status": "closed", "text": text})

    async def reopen(self, number: int, text: str = "") -> Discussion:
        """Opens it again; of a draft it says that it is ready."""
        return await self._change(number, {"status": "open", "text": text})

    async def diff(self, number: int) -> Diff:
        """What a pull request changes."""
        return Diff.of(await self._repo.transport.call("GET", f"{await self._path(number)}/diff"))

    async def merge(self, number: int, text: str = "") -> Discussion:
        """Brings a pull request into its branch. Raises Conflict where both sides changed the same files."""
        path = f"{await self._path(number)}/merge"
        return Discussion.of(await self._repo.transport.call("POST", path, body={"text": text}))

    async def list(
        self,
        *,
        type: Literal["all", "discussion", "pull_request"] = "all",  # noqa: A002 - the wire's own word
        status: Status = "all",
        author: str | None = None,
        limit: int | None = None,
    ) -> list[Discussion]:
        """The repo's discussions and pull requests, newest first; a draft counts as open."""
        query = {"type": type, "status": status, "author": author}
        return [Discussion.of(item) for item in await self._repo.transport.pages(await self._path(), query, limit)]

    async def _change(self, number: int, body: dict[str, str]) -> Discussion:
        return Discussion.of(await self._repo.transport.call("PATCH", await self._path(number), body=body))

    async def _path(self, number: int | None = None) -> str:
        path = f"{await self._repo.path()}/discussions"
        return path if number is None else f"{path}/{number}"
