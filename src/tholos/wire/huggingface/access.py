"""Requests for access to gated repos."""

from __future__ import annotations

from typing import Any, Final, Literal

from starlette.responses import Response

from tholos.hub import service as hub
from tholos.hub.access_models import AccessState
from tholos.kit.errors import InvalidInput
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer, field
from tholos.wire.huggingface.repos import R
from tholos.wire.huggingface.shapes import date

_STATES: Final[dict[str, AccessState]] = {"pending": "pending", "accepted": "accepted", "rejected": "rejected"}


def list_requests(call: Call) -> Response:
    """Requests in one state, with the answers to the card's questions."""
    state = _state(call.names["state"])
    with call.services.database.read() as read:
        _, found = hub.list_access(
            read,
            call.signed_in(),
            call.kind,
            call.repo_name,
            state,
            cursor=call.text("cursor") or None,
            limit=call.limit(default=100),
        )
        items = [_request(request, account.name) for request, account in found.items]
    return call.page(items, found.next_cursor)


def handle(call: Call) -> Response:
    """Accepts, rejects or sets back a request, named by the user or by its id."""
    wanted = call.json()
    user, request_id = field(wanted, "user", str), field(wanted, "requestId", str)
    if (user is None) == (request_id is None):
        raise InvalidInput("The request names neither a user nor a request, or both.", next="Send one of the two.")
    with call.services.database.write() as write:
        hub.decide_access(
            write,
            call.signed_in(),
            call.kind,
            call.repo_name,
            _state(field(wanted, "status", str, "")),
            user=user,
            request_id=request_id,
            reason=field(wanted, "rejectionReason", str, ""),
        )
    return answer({})


def grant(call: Call) -> Response:
    """Gives a user access who has not asked."""
    user = field(call.json(), "user", str)
    if user is None:
        raise InvalidInput("The request names no user.", next='Send {"user": "name"}.')
    with call.services.database.write() as write:
        hub.grant_access(write, call.signed_in(), call.kind, call.repo_name, user, exist_ok=False)
    return answer({})


def _state(text: str) -> Literal["pending", "accepted", "rejected"]:
    if text not in _STATES:
        raise InvalidInput(f'A request for access is never "{text[:40]}".', next="Say pending, accepted or rejected.")
    return _STATES[text]


def _request(request: hub.AccessRequest, name: str) -> dict[str, Any]:
    return {
        "requestId": request.id,
        "status": request.state,
        "timestamp": date(request.created_at),
        "user": {"user": name, "fullname": name},
        "fields": request.fields or None,
    }


ADDRESSES: Final[tuple[Address, ...]] = (
    address("GET", f"{R}/user-access-request/{{state}}", list_requests),
    address("POST", f"{R}/user-access-request/handle", handle),
    address("POST", f"{R}/user-access-request/grant", grant),
)
