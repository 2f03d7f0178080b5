"""Who may have the content of a repo: the one place that decides it, and the requests for access to gated repos.

A gated repo that is public shows its card, its lists of files and its history to everybody. What its files hold goes
only to those who own it or were given a part in it, to administrators, and to accounts whose request was accepted.
Every door that gives out content, or anything made from it, asks `require_content`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, exists, or_, select

from tholos.accounts.authorization import Action, Actor, entitled, hidden, reaches
from tholos.accounts.limits import within
from tholos.accounts.models import Account
from tholos.accounts.service import get_account, record_audit
from tholos.hub import repository
from tholos.hub.access_models import AccessRequest, AccessState
from tholos.hub.commits import card_of
from tholos.hub.errors import AccessDecided, AccessRequestNotFound, GatedRepo, NotGated
from tholos.hub.gateforms import GateForm, checked_answers, form_of
from tholos.hub.models import Repo
from tholos.hub.names import MAIN, RepoKind
from tholos.hub.proposals import require_word
from tholos.hub.repos import get_repo
from tholos.hub.revisions import revision_of
from tholos.kit.blobs import BlobStore
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession, storable
from tholos.kit.errors import InvalidInput, NotAuthenticated
from tholos.kit.ids import new_id
from tholos.kit.paging import Page, decode_cursor, encode_cursor
from tholos.kit.services import Services

MAX_REASON_CHARACTERS: Final = 2000


@dataclass(frozen=True, slots=True)
class Access:
    """How one reader stands to a repo's content; ``request`` is what became of their request, if there is one."""

    allowed: bool
    request: AccessRequest | None


def access_of(read: ReadSession, actor: Actor, repo: Repo) -> Access:
    """How the actor, who may see the repo, stands to its content."""
    request = None if actor.is_anonymous else _request(read, repo.id, actor.account_id)
    accepted = request is not None and request.state == "accepted" and reaches(actor, repo)
    return Access(not repo.gated or accepted or entitled(actor, Action.READ, repo), request)


def require_content(read: ReadSession, actor: Actor, repo: Repo) -> None:
    """Lets pass whoever may have what the files of a repo hold; the caller has authorized reading it.

    Raises GatedRepo.
    """
    if not repo.gated or entitled(actor, Action.READ, repo):
        return
    access = access_of(read, actor, repo)
    if access.allowed:
        return
    raise _refused(actor, repo, access.request)


def content_readable_by(actor: Actor) -> ColumnElement[bool]:
    """The condition under which `require_content` passes for a repo the actor may read, for queries over many."""
    readable = repository.readable_by(actor)
    if actor.has_admin_power:
        return readable
    open_to_all = Repo.gated.is_(None)
    if actor.is_anonymous:
        return readable & open_to_all
    accepted = exists().where(
        AccessRequest.repo_id == Repo.id,
        AccessRequest.account_id == actor.account_id,
        AccessRequest.state == "accepted",
    )
    reached = within(actor.limits, Repo.namespace_key, Repo.name_key)
    conditions: list[ColumnElement[bool]] = [open_to_all, accepted if reached is None else accepted & reached]
    if (shared := repository.shared_with(actor)) is not None:
        conditions.append(shared)
    return readable & or_(*conditions)


def gate_form(read: ReadSession, blobs: BlobStore, repo: Repo) -> GateForm:
    """What the card at the head of main asks of who wants access."""
    return form_of(_card(read, blobs, repo))


def request_access(
    services: Services, actor: Actor, kind: RepoKind, name: str, answers: Mapping[str, Any]
) -> AccessRequest:
    """Asks, for the actor, for the content of a gated repo; where the gate is ``auto`` that is granted at once.

    ``answers`` answers the questions of the card, by their labels. Asking again while it waits corrects the answers.
    Not inside a transaction.

    Raises RepoNotFound, NotAuthenticated, MissingScope, TokenLimited, NotGated, InvalidInput, AccessDecided.
    """
    with services.database.read() as read:
        card = _card(read, services.blobs, get_repo(read, actor, kind, name))
    with services.database.write() as write:
        return _ask(write, actor, kind, name, card, answers)


def _ask(
    write: WriteSession, actor: Actor, kind: RepoKind, name: str, card: Mapping[str, Any], answers: Mapping[str, Any]
) -> AccessRequest:
    repo = get_repo(write, actor, kind, name)
    if actor.is_anonymous:
        raise NotAuthenticated(f"Sign in to ask for access to {repo.label}.", next="Run `tholos login`.")
    require_word(actor, repo)
    if not repo.gated:
        raise _not_gated(repo)
    if entitled(actor, Action.READ, repo):
        raise AccessDecided(f"You have access to {repo.label} already.", next="Download its files.")
    fields = checked_answers(card, answers)
    repository.lock_repo(write, repo.id)
    request = _request(write, repo.id, actor.account_id)
    if request is not None and request.state != "pending":
        raise AccessDecided(
            f"Your request for access to {repo.label} was {request.state} already.",
            next="Download its files." if request.state == "accepted" else "Ask its owner.",
            state=request.state,
        )
    if request is None:
        request = _new(write, repo, actor.account_id)
    request.fields = fields
    if repo.gated == "auto":
        _decide(request, "accepted", "")
    record_audit(write, actor, "access.request", repo.label, {"state": request.state})
    write.flush()
    return request


def list_access(
    read: ReadSession,
    actor: Actor,
    kind: RepoKind,
    name: str,
    state: AccessState | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[Repo, Page[tuple[AccessRequest, Account]]]:
    """Requests for access to a repo and who made them, oldest first; for who may share it.

    Raises RepoNotFound, Forbidden, BadCursor.
    """
    repo = get_repo(read, actor, kind, name, Action.ADMIN)
    query = select(AccessRequest, Account).join(Account, Account.id == AccessRequest.account_id)
    query = query.where(AccessRequest.repo_id == repo.id).order_by(AccessRequest.id).limit(limit + 1)
    if state is not None:
        query = query.where(AccessRequest.state == state)
    if cursor:
        query = query.where(AccessRequest.id > decode_cursor(cursor, str)[0])
    rows = [(request, account) for request, account in read.execute(query)]
    return repo, Page(rows[:limit], encode_cursor(rows[limit - 1][0].id) if len(rows) > limit else None)


def decide_access(
    write: WriteSession,
    actor: Actor,
    kind: RepoKind,
    name: str,
    state: AccessState,
    *,
    user: str | None = None,
    request_id: str | None = None,
    reason: str = "",
) -> AccessRequest:
    """Accepts or rejects a request (named by its account or its id), or puts it back among the pending ones.

    Whatever it was before, it is as ``state`` says from the next download on. For who may share the repo.

    Raises RepoNotFound, Forbidden, AccountNotFound, AccessRequestNotFound, InvalidInput (the reason).
    """
    repo = get_repo(write, actor, kind, name, Action.ADMIN)
    _check_reason(reason, state)
    request = None
    if request_id is not None:
        request = write.get(AccessRequest, request_id) if storable(request_id) else None
    elif user is not None:
        request = _request(write, repo.id, get_account(write, user).id)
    if request is None or request.repo_id != repo.id:
        raise hidden(AccessRequestNotFound, f"request for access by {(user or request_id or 'nobody')[:96]}")
    _decide(request, state, reason)
    record_audit(write, actor, f"access.{state}", repo.label, {"account": request.account_id})
    write.flush()
    return request


def grant_access(
    write: WriteSession, actor: Actor, kind: RepoKind, name: str, user: str, *, exist_ok: bool = True
) -> AccessRequest:
    """Gives an account access to a gated repo, whether it has asked or not. For who may share the repo.

    Raises RepoNotFound, Forbidden, AccountNotFound, NotGated, and AccessDecided where it has access unless
    ``exist_ok``.
    """
    repo = get_repo(write, actor, kind, name, Action.ADMIN)
    if not repo.gated:
        raise _not_gated(repo)
    account = get_account(write, user)
    repository.lock_repo(write, repo.id)
    request = _request(write, repo.id, account.id) or _new(write, repo, account.id)
    if request.state == "accepted" and not exist_ok:
        raise AccessDecided(f"{account.name} has access to {repo.label} already.", next="There is nothing to do.")
    _decide(request, "accepted", "")
    record_audit(write, actor, "access.accepted", repo.label, {"account": account.id, "granted": True})
    write.flush()
    return request


def withdraw_access(write: WriteSession, actor: Actor, kind: RepoKind, name: str) -> None:
    """Takes the actor's own request back, or gives up the access that came of it.

    A rejection stays. Raises RepoNotFound, MissingScope, TokenLimited, AccessRequestNotFound, AccessDecided.
    """
    repo = get_repo(write, actor, kind, name)
    if not actor.is_anonymous:
        require_word(actor, repo)
    request = None if actor.is_anonymous else _request(write, repo.id, actor.account_id)
    if request is None:
        raise AccessRequestNotFound(f"You have not asked for access to {repo.label}.", next="There is nothing to do.")
    if request.state == "rejected":
        raise AccessDecided(f"Your request for access to {repo.label} was rejected.", next="Ask its owner.")
    write.delete(request)
    record_audit(write, actor, "access.withdraw", repo.label)
    write.flush()


def _card(read: ReadSession, blobs: BlobStore, repo: Repo) -> Mapping[str, Any]:
    head = revision_of(read, repo, MAIN)
    return card_of(read, blobs, head.tree_id).metadata


def _request(read: ReadSession, repo_id: str, account_id: str) -> AccessRequest | None:
    query = select(AccessRequest).where(AccessRequest.repo_id == repo_id, AccessRequest.account_id == account_id)
    return read.scalar(query)


def _new(write: WriteSession, repo: Repo, account_id: str) -> AccessRequest:
    request = AccessRequest(
        id=new_id("acr"),
        repo_id=repo.id,
        account_id=account_id,
        state="pending",
        fields={},
        reason="",
        created_at=utcnow(),
        decided_at=None,
    )
    write.add(request)
    return request


def _decide(request: AccessRequest, state: AccessState, reason: str) -> None:
    request.state, request.reason = state, reason if state == "rejected" else ""
    request.decided_at = None if state == "pending" else utcnow()


def _check_reason(reason: str, state: AccessState) -> None:
    if reason and state != "rejected":
        raise InvalidInput("Only a rejection has a reason.", next="Leave the reason out.")
    if len(reason) > MAX_REASON_CHARACTERS or not storable(reason):
        raise InvalidInput(
            f"The reason is longer than {MAX_REASON_CHARACTERS} characters or holds a NUL or a lone surrogate.",
            next="Shorten or correct it.",
        )


def _not_gated(repo: Repo) -> NotGated:
    return NotGated(f"{repo.label} is not gated.", next="Whoever may see it may download its files.")


def _refused(actor: Actor, repo: Repo, request: AccessRequest | None) -> GatedRepo:
    ask = f"Ask for access on its page, or with `tholos access request {repo.full_name}`."
    if actor.is_anonymous:
        step = "Sign in, then ask for access on its page."
    elif request is None:
        step = ask if repo.kind is RepoKind.MODEL else ask.replace("request ", "request --kind dataset ")
    elif request.state == "pending":
        step = "Your request waits for its owner."
    else:
        step = f"Your request was rejected. {request.reason}".strip()
    return GatedRepo(
        f"Access to {repo.label} is restricted: its files are given to those whose request was accepted.",
        next=step,
        gated=repo.gated,
        state=request.state if request else None,
    )
