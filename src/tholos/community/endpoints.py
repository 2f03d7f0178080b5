"""HTTP of the community: discussions and pull requests below a repo, and the webhooks of an account."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from tholos.accounts.dependencies import DEFAULT_LIMIT, CurrentActor, Cursor, Limit, OptionalActor, Read
from tholos.accounts.errors import InvalidName
from tholos.community import errors, service, webhooks
from tholos.community.schemas import (
    CommentIn,
    CreateWebhook,
    DeliveryOut,
    DeliveryPage,
    DiffOut,
    DiscussionEventOut,
    DiscussionEventPage,
    DiscussionOut,
    DiscussionPage,
    MergeIn,
    OpenDiscussion,
    PullCommitIn,
    UpdateDiscussion,
    UpdateWebhook,
    WebhookOut,
    WebhookPage,
)
from tholos.hub import errors as hub_errors
from tholos.hub import service as hub
from tholos.hub.addresses import REPO, AddressDep
from tholos.hub.schemas import RevisionOut
from tholos.kit.errors import Forbidden, InvalidInput, TholosError, responses
from tholos.kit.http import ServicesDep
from tholos.kit.paging import decode_cursor, encode_cursor

router = APIRouter(prefix="/api/v1", tags=["community"])

_REPO: list[type[TholosError]] = [InvalidName, hub_errors.RepoNotFound]
_ONE = [*_REPO, errors.DiscussionNotFound]
_SAID = [*_ONE, errors.InvalidComment, errors.DiscussionClosed, errors.DiscussionFull, Forbidden]
_COMMENT = [*_SAID, errors.CommentNotFound, errors.CommentHidden]
_HOOK: list[type[TholosError]] = [errors.WebhookNotFound, Forbidden]


def _at(address: AddressDep, number: Annotated[int, Path(ge=1)]) -> service.At:
    return service.At(address.kind, address.name, number)


At = Annotated[service.At, Depends(_at)]
_D = f"{REPO}/discussions"
_N = f"{_D}/{{number}}"


@router.get(_D, responses=responses(_REPO))
def list_discussions(
    *,
    address: AddressDep,
    actor: OptionalActor,
    read: Read,
    type: Annotated[service.TypeFilter, Query(description="What they are.")] = "all",  # noqa: A002 - the wire's word
    status: Annotated[service.StatusFilter, Query(description="How they stand; a draft is open, too.")] = "all",
    author: Annotated[str, Query(max_length=96, description="Who opened them.")] = "",
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> DiscussionPage:
    """A repo's discussions and pull requests, newest first."""
    found, total = service.list_discussions(
        read,
        actor,
        address.kind,
        address.name,
        type=type,
        status=status,
        author=author,
        below=decode_cursor(cursor, int)[0] if cursor else None,
        limit=limit + 1,
    )
    more = encode_cursor(found[limit - 1].discussion.number) if len(found) > limit else None
    return DiscussionPage(items=[DiscussionOut.of(view) for view in found[:limit]], next_cursor=more, total=total)


@router.post(
    _D,
    status_code=201,
    responses=responses([*_REPO, errors.InvalidTitle, errors.InvalidComment, errors.TooManyPullRequests]),
)
def open_discussion(
    address: AddressDep, body: OpenDiscussion, actor: CurrentActor, services: ServicesDep
) -> DiscussionOut:
    """Opens a discussion, or a pull request as a draft; whoever may read the repo can."""
    kind, name = address.kind, address.name
    if not body.pull_request:
        view = service.open_discussion(services.database, actor, kind, name, title=body.title, text=body.text)
        return DiscussionOut.of(view)
    view = service.open_pull(services, actor, kind, name, title=body.title, text=body.text, branch=body.branch).view
    with services.database.read() as read:
        return DiscussionOut.of(view, service.proposed(read, view))


@router.get(_N, responses=responses(_ONE))
def get_discussion(at: At, actor: OptionalActor, read: Read) -> DiscussionOut:
    """A discussion; of a pull request also what it proposes, and whether it could be merged."""
    view = service.get_discussion(read, actor, at)
    return DiscussionOut.of(view, service.proposed(read, view) if view.discussion.is_pull_request else None)


@router.patch(_N, responses=responses([*_SAID, errors.InvalidTitle, errors.StatusUnchanged]))
def update_discussion(at: At, body: UpdateDiscussion, actor: CurrentActor, services: ServicesDep) -> DiscussionOut:
    """Renames, closes or opens a discussion: its author, or who may write the repo."""
    if (body.title is None) == (body.status is None):
        raise InvalidInput("One thing is changed at a time.", next="Send title or status.")
    if body.title is not None:
        service.rename(services.database, actor, at, body.title)
    elif body.status is not None:
        service.set_status(services.database, actor, at, body.status, body.text)
    with services.database.read() as read:
        return get_discussion(at, actor, read)


@router.get(f"{_N}/events", responses=responses(_ONE))
def list_discussion_events(
    at: At, actor: OptionalActor, read: Read, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> DiscussionEventPage:
    """What happened to a discussion, oldest first: comments, commits, changes of title and status."""
    view = service.get_discussion(read, actor, at)
    after = min(decode_cursor(cursor, int)[0], 1 << 30) if cursor else 0
    found = service.events_of(read, view.discussion, after=after, limit=limit + 1)
    more = encode_cursor(found[limit - 1].event.position) if len(found) > limit else None
    return DiscussionEventPage(items=[DiscussionEventOut.of(one) for one in found[:limit]], next_cursor=more)


@router.post(f"{_N}/comments", status_code=201, responses=responses(_SAID))
def create_comment(at: At, body: CommentIn, actor: CurrentActor, services: ServicesDep) -> DiscussionEventOut:
    """Adds a comment."""
    return DiscussionEventOut.of(service.comment(services.database, actor, at, body.text))


@router.patch(f"{_N}/comments/{{comment}}", responses=responses(_COMMENT))
def edit_comment(
    at: At, comment: str, body: CommentIn, actor: CurrentActor, services: ServicesDep
) -> DiscussionEventOut:
    """Changes one's own comment; what it said before is kept."""
    return DiscussionEventOut.of(service.edit_comment(services.database, actor, at, comment, body.text))


@router.post(f"{_N}/comments/{{comment}}/hide", responses=responses(_COMMENT))
def hide_comment(at: At, comment: str, actor: CurrentActor, services: ServicesDep) -> DiscussionEventOut:
    """Hides a comment for ever: one's own, or any in a repo that one may write."""
    return DiscussionEventOut.of(service.hide_comment(services.database, actor, at, comment))


@router.get(f"{_N}/diff", responses=responses([*_ONE, errors.NotAPullRequest, hub_errors.GatedRepo]))
def get_diff(at: At, actor: OptionalActor, services: ServicesDep) -> DiffOut:
    """What a pull request changes."""
    with services.database.read() as read:
        return DiffOut.of(service.diff_of(read, services.blobs, actor, service.get_discussion(read, actor, at)))


@router.post(
    f"{_N}/commits",
    status_code=201,
    responses=responses(
        [
            *_SAID,
            errors.NotAPullRequest,
            hub_errors.InvalidCommit,
            hub_errors.InvalidPath,
            hub_errors.PathConflict,
            hub_errors.EntryNotFound,
            hub_errors.BlobNotUploaded,
            hub_errors.CommitRace,
            hub_errors.TooManyOperations,
        ]
    ),
)
def commit_to_pull_request(at: At, body: PullCommitIn, actor: CurrentActor, services: ServicesDep) -> RevisionOut:
    """Adds a commit to a pull request: its author, or who may write the repo. Upload blobs with `pull_request=true`."""
    settings = services.settings
    repo, revision = service.commit_to_pull(
        services,
        actor,
        at,
        [operation.operation() for operation in body.operations],
        body.message,
        parent=body.parent,
        limits=hub.CommitLimits(settings.lfs_threshold_bytes, settings.max_commit_operations),
    )
    return RevisionOut.of(repo, revision)


@router.post(
    f"{_N}/merge",
    responses=responses([*_SAID, errors.NotAPullRequest, hub_errors.MergeConflict, hub_errors.NothingToMerge]),
)
def merge_pull_request(at: At, body: MergeIn, actor: CurrentActor, services: ServicesDep) -> DiscussionOut:
    """Brings a pull request into its branch: who may write the repo. Merged before, it is returned as it is."""
    view = service.merge(services, actor, at, body.text)
    with services.database.read() as read:
        return DiscussionOut.of(view, service.proposed(read, view))


@router.get("/webhooks")
def list_webhooks(actor: CurrentActor, read: Read) -> WebhookPage:
    """Your webhooks."""
    return WebhookPage(items=[WebhookOut.of(view) for view in webhooks.list_webhooks(read, actor)])


@router.post("/webhooks", status_code=201, responses=responses([errors.InvalidWebhook, errors.TooManyWebhooks]))
def create_webhook(body: CreateWebhook, actor: CurrentActor, services: ServicesDep) -> WebhookOut:
    """Lets an address be told of what happens to repos and discussions that you may read."""
    with services.database.write() as write:
        made = webhooks.create_webhook(
            write,
            services.settings,
            actor,
            url=body.url,
            watched=[item.item() for item in body.watched],
            domains=body.domains,
            secret=body.secret,
        )
        return WebhookOut.of(made)


@router.get("/webhooks/{webhook}", responses=responses(_HOOK))
def get_webhook(webhook: str, actor: CurrentActor, read: Read) -> WebhookOut:
    """One of your webhooks."""
    return WebhookOut.of(webhooks.get_webhook(read, actor, webhook))


@router.patch("/webhooks/{webhook}", responses=responses([*_HOOK, errors.InvalidWebhook]))
def update_webhook(webhook: str, body: UpdateWebhook, actor: CurrentActor, services: ServicesDep) -> WebhookOut:
    """Changes a webhook; disabled it is told nothing."""
    with services.database.write() as write:
        changed = webhooks.update_webhook(
            write,
            services.settings,
            actor,
            webhook,
            url=body.url,
            watched=[item.item() for item in body.watched] if body.watched is not None else None,
            domains=body.domains,
            secret=body.secret,
            disabled=body.disabled,
        )
        return WebhookOut.of(changed)


@router.delete("/webhooks/{webhook}", status_code=204, responses=responses(_HOOK))
def delete_webhook(webhook: str, actor: CurrentActor, services: ServicesDep) -> None:
    """Deletes a webhook with its deliveries."""
    with services.database.write() as write:
        webhooks.delete_webhook(write, actor, webhook)


@router.get("/webhooks/{webhook}/deliveries", responses=responses(_HOOK))
def list_deliveries(
    webhook: str, actor: CurrentActor, read: Read, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> DeliveryPage:
    """What a webhook was told and what came of it, newest first."""
    found = webhooks.deliveries(read, actor, webhook, cursor=cursor, limit=limit)
    return DeliveryPage(items=[DeliveryOut.of(one) for one in found.items], next_cursor=found.next_cursor)


@router.post(
    "/webhooks/{webhook}/deliveries/{delivery}/replay",
    status_code=201,
    responses=responses([*_HOOK, errors.DeliveryNotFound]),
)
def replay_delivery(webhook: str, delivery: str, actor: CurrentActor, services: ServicesDep) -> DeliveryOut:
    """Sends a delivery once more, as a new one."""
    with services.database.write() as write:
        return DeliveryOut.of(webhooks.replay(write, actor, webhook, delivery))
