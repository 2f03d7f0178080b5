"""Pages of one's API keys, and of letting a program in by the code that it shows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from tholos.accounts import devices
from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor, Scope
from tholos.accounts.dependencies import CurrentActor, Read
from tholos.accounts.errors import DeviceLoginNotFound
from tholos.accounts.limits import written
from tholos.accounts.models import ApiKey
from tholos.accounts.service import NewKey
from tholos.kit.errors import InvalidInput, TholosError
from tholos.kit.http import ServicesDep
from tholos.web.rendering import page
from tholos.wire.huggingface.oauth import DEVICE_PAGE

router = APIRouter(include_in_schema=False)
_MAX_DAYS = 3650
_TOKENS = "/settings/tokens"


@router.get(_TOKENS)
def show_tokens(request: Request, actor: CurrentActor, read: Read) -> Response:
    """The reader's keys, and a form for another."""
    return _page(request, actor, accounts.list_keys(read, actor))


@router.post(_TOKENS)
def create_token(
    request: Request,
    actor: CurrentActor,
    services: ServicesDep,
    name: Annotated[str, Form(min_length=1, max_length=96)],
    scopes: Annotated[list[Scope], Form()],
    limits: Annotated[str, Form(max_length=20_000)] = "",
    days: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Makes a key and shows its secret, this once."""
    made: NewKey | None = None
    error: TholosError | None = None
    try:
        with services.database.write() as write:
            made = accounts.create_key(write, actor, name, frozenset(scopes), _days(days), limits.split())
    except TholosError as refused:
        error = refused
    with services.database.read() as read:
        keys = accounts.list_keys(read, actor)
    return _page(request, actor, keys, made=made, error=error)


@router.post(f"{_TOKENS}/revoke")
def revoke_token(actor: CurrentActor, services: ServicesDep, key_id: Annotated[str, Form(max_length=40)]) -> Response:
    """Ends a key at once; with the one that this browser signed in with, the visit ends."""
    with services.database.write() as write:
        accounts.revoke_key(write, actor, key_id)
    return RedirectResponse(_TOKENS, 303)


@router.get(DEVICE_PAGE)
def show_device(request: Request, actor: CurrentActor, read: Read, code: str = "") -> Response:
    """Asks for the code that a program shows; with one, whether to let the program in."""
    try:
        login = devices.find(read, code[:40]) if code else None
    except DeviceLoginNotFound as error:
        return page(request, "device.html", actor, login=None, error=error, done="", status=error.status)
    return page(request, "device.html", actor, login=login, error=None, done="")


@router.post(DEVICE_PAGE)
def decide_device(
    request: Request,
    actor: CurrentActor,
    services: ServicesDep,
    code: Annotated[str, Form(max_length=40)],
    decision: Annotated[str, Form(pattern="^(approve|deny)$")],
) -> Response:
    """Lets the program in, or turns it away."""
    try:
        with services.database.write() as write:
            devices.decide(write, actor, code, approve=decision == "approve")
    except TholosError as error:
        return page(request, "device.html", actor, login=None, error=error, done="", status=error.status)
    return page(request, "device.html", actor, login=None, error=None, done=decision)


def _page(
    request: Request, actor: Actor, keys: list[ApiKey], *, made: NewKey | None = None, error: TholosError | None = None
) -> Response:
    return page(
        request,
        "tokens.html",
        actor,
        keys=keys,
        made=made,
        error=error,
        written=written,
        scopes=[scope.value for scope in Scope if scope in actor.scopes],
        status=error.status if error else 200,
    )


def _days(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= _MAX_DAYS:
        raise InvalidInput(f"A key lives for up to {_MAX_DAYS} days.", next="Write a number, or leave it empty.")
    return days
