"""Cards: looked over before they are committed."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from tholos.hub.cards import read_card
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer, field


def validate(call: Call) -> Response:
    """What is wrong with a card. Nothing that is stops a commit here: a broken card is shown with a warning."""
    card = read_card(field(call.json(), "content", str, "").encode("utf-8", "replace"))
    return answer({"errors": [], "warnings": [{"message": warning} for warning in card.warnings]})


ADDRESSES: Final[tuple[Address, ...]] = (address("POST", "/api/validate-yaml", validate),)
