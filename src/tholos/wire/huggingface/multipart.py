"""The `multipart` transfer of Hugging Face's Git LFS: a file is sent in parts, each to an address of its own.

A client gets the size of the parts and their addresses among the headers of the upload action, puts one after the
other, and posts the ETags of the answers to the action's own address.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from tholos.accounts import service as accounts
from tholos.hub import service as hub
from tholos.hub.errors import InvalidParts, WrongPartSize
from tholos.kit.errors import InvalidInput
from tholos.kit.signing import InvalidSignature, Signer
from tholos.wire.huggingface.addresses import Address, streamed
from tholos.wire.huggingface.call import Call, answer, field, read_body, read_object

_PURPOSE: Final = "lfs-parts"
_LIFETIME_S: Final = 24 * 3600
"""For all parts and the completion together. What is staged and abandoned stays about as long."""
_MAX_BODY: Final = 1 << 20


def upload_action(signer: Signer, address: str, claims: dict[str, Any], plan: hub.PartPlan) -> dict[str, Any]:
    """The action that asks for a file in parts, at this address."""
    grant = signer.sign(_PURPOSE, claims | {"size": plan.size, "part": plan.part_bytes}, _LIFETIME_S)
    # git-lfs passes headers on in the order of their names, and its agent takes the addresses as they come
    parts = {f"{number:05d}": f"{address}/{number}?grant={grant}" for number in range(1, plan.count + 1)}
    return {
        "href": f"{address}?grant={grant}",
        "header": {"chunk_size": str(plan.part_bytes), **parts},
        "expires_in": _LIFETIME_S,
    }


async def put_part(call: Call) -> Response:
    """Takes one part, for whoever brings the address that a batch gave out; the ETag is its SHA-256."""
    number = _number(call.names["number"])
    multipart = await run_in_threadpool(_begin, call)
    _check_announced(call, number, multipart.plan.length(number))
    etag = await hub.receive_part(call.services, multipart, number, call.request.stream())
    return Response(status_code=200, headers={"etag": f'"{etag}"'})


async def complete(call: Call) -> Response:
    """Makes the file of its parts."""
    wanted = read_object(await read_body(call.request, _MAX_BODY))
    if wanted.get("oid") != call.names["oid"]:
        raise InvalidInput("The oid is not that of the address.", next="Complete each file at its own address.")
    named = [_named(item) for item in field(wanted, "parts", list, [])]
    blob = await hub.complete_multipart(call.services, lambda: _begin(call), named)
    return answer({"oid": blob.sha256, "size": blob.size})


def _begin(call: Call) -> hub.MultipartUpload:
    """What the address allows, as the rights of who asked for it are now."""
    services = call.services
    grant = Signer(services.settings).verify(_PURPOSE, call.text("grant"))
    if grant.get("oid") != call.names["oid"]:
        raise InvalidSignature(next="Use the address as the batch gave it out.")
    with services.database.read() as read:
        actor = accounts.actor_of_key(read, str(grant["key"]))
        repo = hub.get_repo_by_id(read, actor, str(grant["repo"]))
    plan = hub.PartPlan(call.names["oid"], int(grant["size"]), int(grant["part"]))
    return hub.begin_multipart(services, actor, repo, plan, proposes=bool(grant.get("proposes")))


def _check_announced(call: Call, number: int, length: int) -> None:
    """Refuses a part of another length before its first byte is read."""
    announced = call.request.headers.get("content-length", "")
    if announced.isdigit() and int(announced[:18]) != length:
        raise WrongPartSize(
            f"Part {number} has to have exactly {length:,} bytes, not {announced[:18]}.",
            next="Cut the file as the batch says, and send that part again.",
            part=number,
            size=length,
        )


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 5:
        raise InvalidParts(f'There is no part "{text[:40]}".', next="Use the addresses as the batch gave them out.")
    return int(text)


def _named(item: Any) -> tuple[int, str]:
    number, etag = (item.get("partNumber"), item.get("etag")) if isinstance(item, dict) else (None, None)
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(etag, str):
        raise InvalidInput(
            "A part is named by its number and the ETag of the answer to it.",
            next='Send {"oid": …, "parts": [{"partNumber": 1, "etag": …}, …]}.',
        )
    return number, etag.strip('"')


_PARTS: Final = "{namespace}/{name}.git/info/lfs/objects/{oid}/parts"
ADDRESSES: Final[tuple[Address, ...]] = tuple(
    found
    for prefix in ("/{kinds}/", "/")
    for found in (
        streamed("PUT", f"{prefix}{_PARTS}/{{number}}", put_part),
        streamed("POST", f"{prefix}{_PARTS}", complete),
    )
)
