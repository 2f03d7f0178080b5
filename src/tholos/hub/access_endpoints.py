"""HTTP of access to gated repos: how one stands, asking, and answering."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tholos.accounts.dependencies import DEFAULT_LIMIT, CurrentActor, Cursor, Limit, OptionalActor, Read
from tholos.accounts.errors import AccountNotFound, InvalidName, MissingScope
from tholos.accounts.models import Account
from tholos.hub import access, errors
from tholos.hub.access_models import AccessRequest, AccessState, Gate
from tholos.hub.addresses import REPO, AddressDep
from tholos.hub.gateforms import GateForm, QuestionType
from tholos.hub.repos import get_repo
from tholos.kit.clock import isoformat
from tholos.kit.errors import Forbidden, TholosError, responses
from tholos.kit.http import ServicesDep

router = APIRouter(prefix="/api/v1", tags=["hub"])

_REPO_ERRORS: list[type[TholosError]] = [InvalidName, errors.RepoNotFound]
_SHARE_ERRORS = [*_REPO_ERRORS, AccountNotFound, Forbidden]


class QuestionOut(BaseModel):
    """A question of the form; `options` are those of a `select`."""

    label: str
    type: QuestionType
    options: list[str]


class FormOut(BaseModel):
    """What the card asks of who wants access."""

    heading: str
    prompt: str = Field(description="Markdown.")
    questions: list[QuestionOut]

    @classmethod
    def of(cls, form: GateForm) -> FormOut:
        questions = [QuestionOut(label=it.label, type=it.type, options=list(it.options)) for it in form.questions]
        return cls(heading=form.heading, prompt=form.prompt, questions=questions)


class AccessOut(BaseModel):
    """How you stand to the files of a repo."""

    gated: Gate | Literal[False]
    allowed: bool
    state: AccessState | None = Field(description="Of your own request; null where there is none.")
    reason: str = Field(description="Why it was rejected.")
    form: FormOut


class AccessRequestOut(BaseModel):
    """A request for access."""

    id: str
    account: str
    state: AccessState
    fields: dict[str, Any] = Field(description="Answers to the questions of the card.")
    reason: str
    created_at: str
    decided_at: str | None

    @classmethod
    def of(cls, request: AccessRequest, account: str) -> AccessRequestOut:
        return cls(
            id=request.id,
            account=account,
            state=request.state,
            fields=request.fields,
            reason=request.reason,
            created_at=isoformat(request.created_at),
            decided_at=isoformat(request.decided_at) if request.decided_at else None,
        )


class AccessRequestPage(BaseModel):
    items: list[AccessRequestOut]
    next_cursor: str | None


class AskAccess(BaseModel, extra="forbid"):
    """A request for access: an answer to each question of the card, by its label."""

    fields: Annotated[dict[str, str | bool], Field(max_length=100)] = {}


class DecideAccess(BaseModel, extra="forbid"):
    """What becomes of an account's access; accepting one that has not asked grants it."""

    state: AccessState
    reason: Annotated[str, Field(max_length=access.MAX_REASON_CHARACTERS, description="Of a rejection.")] = ""


@router.get(f"{REPO}/access", responses=responses(_REPO_ERRORS))
def show_access(address: AddressDep, actor: OptionalActor, read: Read, services: ServicesDep) -> AccessOut:
    """How you stand to the files of a repo, and what its card asks of who wants them."""
    repo = get_repo(read, actor, address.kind, address.name)
    found = access.access_of(read, actor, repo)
    return AccessOut(
        gated=repo.gated or False,
        allowed=found.allowed,
        state=found.request.state if found.request else None,
        reason=found.request.reason if found.request else "",
        form=FormOut.of(access.gate_form(read, services.blobs, repo)),
    )


@router.post(
    f"{REPO}/access",
    status_code=201,
    responses=responses([*_REPO_ERRORS, errors.NotGated, errors.AccessDecided, MissingScope]),
)
def ask_access(address: AddressDep, body: AskAccess, actor: CurrentActor, services: ServicesDep) -> AccessRequestOut:
    """Asks for the files of a gated repo. With the gate `auto` the answer is yes at once."""
    request = access.request_access(services, actor, address.kind, address.name, body.fields)
    return AccessRequestOut.of(request, actor.name)


@router.delete(
    f"{REPO}/access",
    status_code=204,
    responses=responses([*_REPO_ERRORS, errors.AccessRequestNotFound, errors.AccessDecided]),
)
def withdraw_access(address: AddressDep, actor: CurrentActor, services: ServicesDep) -> None:
    """Takes your request back, or gives up the access that came of it."""
    with services.database.write() as write:
        access.withdraw_access(write, actor, address.kind, address.name)


@router.get(f"{REPO}/access/requests", responses=responses([*_REPO_ERRORS, Forbidden]))
def list_access_requests(
    *,
    address: AddressDep,
    actor: CurrentActor,
    read: Read,
    state: AccessState | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> AccessRequestPage:
    """Who asked for the files of your repo, oldest first."""
    _, found = access.list_access(read, actor, address.kind, address.name, state, cursor=cursor, limit=limit)
    items = [AccessRequestOut.of(request, account.name) for request, account in found.items]
    return AccessRequestPage(items=items, next_cursor=found.next_cursor)


@router.put(
    f"{REPO}/access/requests/{{user}}",
    responses=responses([*_SHARE_ERRORS, errors.AccessRequestNotFound, errors.NotGated]),
)
def decide_access(
    address: AddressDep, user: str, body: DecideAccess, actor: CurrentActor, services: ServicesDep
) -> AccessRequestOut:
    """Accepts, rejects or sets back an account's request; `accepted` also gives access to one that never asked."""
    kind, name = address.kind, address.name
    with services.database.write() as write:
        if body.state == "accepted" and not body.reason:
            request = access.grant_access(write, actor, kind, name, user)
        else:
            request = access.decide_access(write, actor, kind, name, body.state, user=user, reason=body.reason)
        account = write.get_one(Account, request.account_id)
        return AccessRequestOut.of(request, account.name)
