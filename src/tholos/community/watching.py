"""Watching: what the outbox says becomes deliveries, for those webhooks whose owners may know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, and_, or_, select

from tholos.accounts.authorization import Action, Actor, may
from tholos.accounts.models import Account
from tholos.accounts.service import as_member_now
from tholos.community.models import Discussion, DiscussionEvent, WatchedItem, Webhook
from tholos.community.webhooks import ACCOUNT_TYPES, new_delivery
from tholos.hub import service as hub
from tholos.kit.database import ReadSession, WriteSession
from tholos.kit.outbox import Handlers

VERSION: Final = 3
"""Of the payload, as Hugging Face's hub counts."""

Event = dict[str, Any]
Payload = dict[str, Any]


def handlers(base_url: str) -> Handlers:
    """What hears the outbox. ``base_url`` is the address of this server, as it stands in payloads."""
    base = base_url.rstrip("/")
    of_repos: dict[str, Callable[[WriteSession, hub.Repo, Event], Payload]] = {
        "repo.created": lambda _write, _repo, _event: _action("create", "repo"),
        "repo.updated": _updated,
        "repo.committed": _moved_ref,
        "repo.ref_set": _moved_ref,
        "repo.ref_deleted": _deleted_ref,
    }
    heard = {topic: (partial(_on_repo, base, describe),) for topic, describe in of_repos.items()}
    return {
        **heard,
        "repo.deleted": (partial(_on_deleted, base),),
        "discussion.changed": (partial(_on_discussion, base),),
    }


def may_read(read: ReadSession, account_id: str, repo: hub.Repo) -> bool:
    """Whether the owner of a webhook may know of this repo now."""
    account = read.get(Account, account_id)
    if account is None or account.disabled_at is not None:
        return False
    return may(as_member_now(read, Actor.system(account.id, account.name)), Action.READ, repo)


def _on_repo(
    base: str, describe: Callable[[WriteSession, hub.Repo, Event], Payload], write: WriteSession, event: Event
) -> None:
    repo = write.get(hub.Repo, event["repo_id"])
    if repo is None:  # gone meanwhile, which is told by itself
        return
    payload = {**describe(write, repo, event), "repo": _repo(write, base, repo)}
    former = event.get("moved_from")
    _tell(write, repo, "repo", payload, names=[repo.full_name, *([former] if former else [])])


def _on_deleted(base: str, write: WriteSession, event: Event) -> None:
    if "name" not in event:  # said by an older version, which did not say of what
        return
    name, owner_id = event["name"], event["owner_id"]
    shape = {
        "type": event["kind"],
        "name": name,
        "id": event["repo_id"],
        "private": event["visibility"] == "private",
        "owner": {"id": owner_id},
        "url": {"web": _web(base, event["kind"], name), "api": _api(base, event["kind"], name)},
    }
    payload = {**_action("delete", "repo"), "repo": shape}
    for webhook in _watching(write, event["kind"], [name], "repo"):
        if event["visibility"] == "public" or webhook.account_id == owner_id:
            write.add(new_delivery(webhook.id, None, {**payload, "webhook": {"id": webhook.id, "version": VERSION}}))


def _on_discussion(base: str, write: WriteSession, event: Event) -> None:
    repo = write.get(hub.Repo, event["repo_id"])
    found = write.get(Discussion, event["discussion_id"])
    if repo is None or found is None:
        return
    said = write.get(DiscussionEvent, event["event_id"]) if "event_id" in event else None
    payload = {
        **_action(event["action"], event["scope"]),
        "repo": _repo(write, base, repo),
        "discussion": _discussion(base, repo, found),
        **({"comment": _comment(base, repo, found, said)} if said is not None else {}),
    }
    _tell(write, repo, "discussion", payload, names=[repo.full_name])


def _tell(
    write: WriteSession, repo: hub.Repo, domain: Literal["repo", "discussion"], payload: Payload, names: Iterable[str]
) -> None:
    for webhook in _watching(write, repo.kind.value, names, domain):
        if may_read(write, webhook.account_id, repo):
            told = {**payload, "webhook": {"id": webhook.id, "version": VERSION}}
            write.add(new_delivery(webhook.id, repo.id, told))


def _watching(read: ReadSession, kind: str, names: Iterable[str], domain: str) -> list[Webhook]:
    conditions: list[ColumnElement[bool]] = []
    for name in names:
        key = name.lower()
        conditions.append(and_(WatchedItem.type == kind, WatchedItem.name_key == key))
        namespace = key.partition("/")[0]
        conditions.append(and_(WatchedItem.type.in_(ACCOUNT_TYPES), WatchedItem.name_key == namespace))
    ids = select(WatchedItem.webhook_id).where(or_(*conditions))
    query = select(Webhook).where(Webhook.id.in_(ids), Webhook.disabled_at.is_(None)).order_by(Webhook.id)
    return [webhook for webhook in read.scalars(query) if domain in webhook.domains]


def _action(action: str, scope: str) -> Payload:
    return {"event": {"action": action, "scope": scope}}


def _updated(_write: WriteSession, repo: hub.Repo, event: Event) -> Payload:
    if "moved_from" not in event:
        return _action("update", "repo.config")
    return {**_action("move", "repo"), "movedTo": {"name": repo.full_name, "owner": {"id": repo.owner_id}}}


def _moved_ref(_write: WriteSession, _repo: hub.Repo, event: Event) -> Payload:
    return _content(event["ref"], event.get("before"), event["revision"])


def _deleted_ref(_write: WriteSession, _repo: hub.Repo, event: Event) -> Payload:
    return _content(event["ref"], event["revision"], None)


def _content(ref: str, before: str | None, after: str | None) -> Payload:
    return {**_action("update", "repo.content"), "updatedRefs": [{"ref": ref, "oldSha": before, "newSha": after}]}


def _repo(read: ReadSession, base: str, repo: hub.Repo) -> Payload:
    kind = repo.kind.value
    return {
        "type": kind,
        "name": repo.full_name,
        "id": repo.id,
        "private": repo.visibility == "private",
        "headSha": hub.branch_head(read, repo, hub.MAIN),
        "owner": {"id": repo.owner_id},
        "url": {"web": _web(base, kind, repo.full_name), "api": _api(base, kind, repo.full_name)},
    }


def _discussion(base: str, repo: hub.Repo, found: Discussion) -> Payload:
    kind, name = repo.kind.value, repo.full_name
    shape: Payload = {
        "id": found.id,
        "num": found.number,
        "title": found.title,
        "status": found.status,
        "isPullRequest": found.is_pull_request,
        "author": {"id": found.author_id},
        "url": {
            "web": f"{_web(base, kind, name)}/discussions/{found.number}",
            "api": f"{_api(base, kind, name)}/discussions/{found.number}",
        },
    }
    if found.is_pull_request:
        shape["changes"] = {"base": f"refs/heads/{found.branch}", "mergeCommitId": found.merge_commit}
    return shape


def _comment(base: str, repo: hub.Repo, found: Discussion, said: DiscussionEvent) -> Payload:
    shape: Payload = {
        "id": said.id,
        "author": {"id": said.author_id},
        "hidden": said.hidden_at is not None,
        "url": {"web": f"{_web(base, repo.kind.value, repo.full_name)}/discussions/{found.number}#{said.id}"},
    }
    return shape if said.hidden_at is not None else {**shape, "content": said.text}


def _web(base: str, kind: str, name: str) -> str:
    return f"{base}/{name}" if kind == hub.RepoKind.MODEL.value else f"{base}/{kind}s/{name}"


def _api(base: str, kind: str, name: str) -> str:
    return f"{base}/api/{kind}s/{name}"
