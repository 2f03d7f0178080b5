"""Cards: looked over before they are committed."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from tholos.hub.cards import read_card
from tholos.hub.licences import card_report
from tholos.wire.huggingface.addresses import Address, address
from tholos.wire.huggingface.call import Call, answer, field


def validate(call: Call) -> Response:
    """What is wrong with a card. Nothing that is stops a commit here: a broken card is shown with a warning."""
    card = read_card(field(call.json(), "content", str, "").encode("utf-8", "replace"))
    with call.services.database.read() as read:
        licences = card_report(read, call.actor, card.metadata).findings
    # what cannot be told is no reason to warn each time: only what is wrong in the card, or does not fit
    about = [finding.message for finding in licences if finding.parent is None or finding.level != "unknown"]
    return answer({"errors": [], "warnings": [{"message": warning} for warning in (*card.warnings, *about)]})


ADDRESSES: Final[tuple[Address, ...]] = (address("POST", "/api/validate-yaml", validate),)
