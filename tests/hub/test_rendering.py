from __future__ import annotations

from html.parser import HTMLParser

import pytest

from tholos.hub.rendering import render

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](\\x01javascript:alert(1))",
    "[x](vbscript:x)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "![x](javascript:alert(1))",
    '!["onerror=alert(1)](x)',
    '![x](y "t\\" onerror=alert(1)")',
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    '```"><script>alert(1)</script>\ncode\n```',
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "<style>*{display:none}</style>",
    "<base href=//evil>",
    "<form action=//evil><input></form>",
    "[x](//[)",
    "[x](http://[::1)",
]


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def to_html(markdown: str) -> str:
    return render(markdown, link=lambda path: f"/blob/{path}", image=lambda path: f"/raw/{path}")


@pytest.mark.parametrize("markdown", HOSTILE)
def test_nothing_in_a_card_runs(markdown: str):
    for tag, attributes in Elements(to_html(markdown)).found:
        assert tag in {"p", "a", "img", "h1", "h2", "pre", "code", "table", "thead", "tbody", "tr", "th", "td", "em"}
        assert set(attributes) <= {"href", "src", "alt", "title", "rel", "loading", "class", "style"}
        for name in ("href", "src"):
            address = attributes.get(name)
            assert address is None or address.startswith(
                ("/blob/", "/raw/", "http://", "https://", "mailto:", "#", "//")
            )


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("[a](docs/use.md)", 'href="/blob/docs/use.md"'),
        ("[a](./docs/../use.md#part)", 'href="/blob/use.md#part"'),
        ("[a](/datasets/ada/penguins)", 'href="/datasets/ada/penguins"'),
        ("![a](/plots/roc.png)", 'src="/raw/plots/roc.png"'),
        ("[a](#section)", 'href="#section"'),
        ("[a](https://example.org/x?y=1)", 'href="https://example.org/x?y=1"'),
        ("![a](plots/roc.png)", 'src="/raw/plots/roc.png"'),
        ("[a](../../../etc/passwd)", 'href="#"'),
        ("![a](..)", 'src="#"'),
    ],
)
def test_relative_addresses_lead_into_the_repo(markdown: str, expected: str):
    assert expected in to_html(markdown)


def test_tables_code_and_emphasis_are_shown():
    html = to_html("# T\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\n```python\nx = 1\n```\n\n~~old~~ **new**")
    for part in ('<th style="text-align:left">a</th>', '<code class="language-python">', "<s>old</s>", "<strong>new"):
        assert part in html


def test_raw_html_shows_as_text():
    assert "&lt;b&gt;bold&lt;/b&gt;" in to_html("<b>bold</b>")


def test_outward_links_carry_no_trust():
    assert "noopener" in to_html("[a](https://example.org)")
    assert "nofollow" in to_html("[a](https://example.org)")


def test_a_very_long_card_is_cut_with_a_note():
    html = to_html("word " * 100_000)
    assert "too long to show" in html
    assert len(html) < 120_000
