"""Pages without a browser: every visible sentence goes through gettext, and scripts of others do not."""

from __future__ import annotations

import re
from pathlib import Path

from tholos.web import rendering

TEMPLATES = Path(rendering.__file__).parent / "templates"
# What may stand outside gettext: numbers, signs, commands, the product's name, units.
NEUTRAL = re.compile(
    r"^(?:[\W\d_]*(?:ms)?[\W\d_]*|Tholos[\W]*(?:Tholos)?|SHA-256|ms|tholos .*|import tholos.*|model.*|cat .*|https://\S+"
    r"|a, b, c|namespace/name|.*acme/.*|/penguins)$",
    re.DOTALL,
)


def test_every_visible_sentence_of_a_template_can_be_translated() -> None:
    for path in TEMPLATES.glob("*.html"):
        text = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", " ", path.read_text(), flags=re.DOTALL)
        text = re.sub(r"<(pre|code|script|style)\b.*?</\1>", " ", text, flags=re.DOTALL)
        for piece in re.split(r"<[^>]*>", text):
            assert NEUTRAL.match(piece.strip()), f"{path.name}: {piece.strip()!r} does not go through gettext"
        for attribute in re.findall(r'(?:placeholder|aria-label|alt|title)="([^"]*)"', text):
            assert NEUTRAL.match(attribute.strip()), f"{path.name}: {attribute!r} does not go through gettext"


def test_figures_read_like_figures() -> None:
    shown = {0.98234: "0.9823", 1234.5: "1,234", 53940: "53,940", 0: "0", 1e-9: "1.000e-09", None: "–"}
    for value, text in shown.items():
        assert rendering._figure(value) == text
