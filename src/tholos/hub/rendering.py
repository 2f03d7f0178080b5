"""A card's Markdown as HTML that may stand inside a page of ours."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

MAX_RENDERED_CHARACTERS: Final = 100_000  # hostile nesting costs seconds beyond it

Resolve = Callable[[str], str]
"""Gives the address of a file of the repo, by its clean path."""

_TAG_NAMES = "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr img li ol p pre s strong table tbody td th thead tr ul"
_TAGS = set(_TAG_NAMES.split())
_ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "loading"},
    "code": {"class"},
    "ol": {"start"},
    "th": {"style"},
    "td": {"style"},
}
_SCHEMES = {"http", "https", "mailto"}
# Card templates are full of comments to their author; those on lines of their own are not for readers.
_COMMENT = re.compile(r"^<!--(?:(?!-->).)*-->[ \t]*$\n?", re.MULTILINE | re.DOTALL)


def render(markdown: str, *, link: Resolve, image: Resolve) -> str:
    """Returns sanitised HTML; raw HTML in the source shows as text.

    Relative links and images lead to files of the repo through ``link`` and ``image``; what leaves the repo ("../..")
    loses its target.
    """
    markdown = _COMMENT.sub("", markdown)
    shown = markdown
    if len(markdown) > MAX_RENDERED_CHARACTERS:
        shown = markdown[:MAX_RENDERED_CHARACTERS] + "\n\n*The rest of this card is too long to show.*\n"
    parser = _parser()
    environment: dict[str, Any] = {}
    tokens = parser.parse(shown, environment)
    _redirect(tokens, link, image)
    html = str(parser.renderer.render(tokens, parser.options, environment))
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_filter,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow ugc",
    )


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def _redirect(tokens: Sequence[Token], link: Resolve, image: Resolve) -> None:
    for token in tokens:
        if token.type == "link_open":
            token.attrSet("href", _address(str(token.attrGet("href") or ""), link))
        elif token.type == "image":
            token.attrSet("src", _address(str(token.attrGet("src") or "").lstrip("/"), image))
            token.attrSet("loading", "lazy")
        _redirect(token.children or [], link, image)


def _address(target: str, resolve: Resolve) -> str:
    try:
        parts = urlsplit(target)
    except ValueError:  # such as an unclosed IPv6 bracket
        return "#"
    if parts.scheme or parts.netloc or target.startswith("/"):
        return target  # elsewhere, or a page of this site
    if not parts.path:
        return f"#{parts.fragment}"
    path = posixpath.normpath(unquote(parts.path).lstrip("/"))
    if path == "." or path.startswith("..") or "\0" in path:
        return "#"
    return resolve(path) + (f"#{quote(unquote(parts.fragment))}" if parts.fragment else "")


def _filter(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "style":  # written by the table renderer for column alignment, and by nobody else
        return value if value in {"text-align:left", "text-align:center", "text-align:right"} else None
    if tag == "code" and not value.startswith("language-"):
        return None
    return value
