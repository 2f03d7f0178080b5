"""From a template and its values to a page: Jinja with autoescape, gettext, and the filters pages share."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from babel import Locale, negotiate_locale
from babel.dates import format_timedelta
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from tholos.accounts.authorization import ANONYMOUS, Action, Actor, may
from tholos.kit.clock import isoformat, utcnow

_ROOM = Path(__file__).parent
STATIC = _ROOM / "static"
LOCALES = _ROOM / "locale"
_SECURITY = {
    "content-security-policy": "default-src 'self'; img-src 'self' data: https:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


def page(
    request: Request, template: str, actor: Actor = ANONYMOUS, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """A page in the reader's language. ``values`` are the template's variables; a missing one is an error."""
    locale = _locale(request)
    text = (
        _environment(locale)
        .get_template(template)
        .render(actor=actor, locale=locale, here=_section(request.url.path), version=version("tholos"), **values)
    )
    return HTMLResponse(text, status, headers={**_SECURITY, "cache-control": "private, no-cache"})


def available_locales() -> list[str]:
    """English, and every language with a compiled catalogue in ``web/locale``."""
    return ["en", *(path.parent.parent.name for path in sorted(LOCALES.glob("*/LC_MESSAGES/tholos.mo")))]


def _locale(request: Request) -> str:
    wanted = [part.split(";")[0].strip() for part in request.headers.get("accept-language", "").split(",")]
    return negotiate_locale(wanted, available_locales(), sep="-") or "en"


def _section(path: str) -> str:
    return "/" + path.split("/", 2)[1]


@cache
def _environment(locale: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_ROOM / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = NullTranslations() if locale == "en" else Translations.load(LOCALES, [locale], "tholos")
    environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined]
    language = Locale.parse(locale, sep="_")
    environment.globals["static"] = _static
    environment.globals["administers"] = lambda actor, thing: may(actor, Action.ADMIN, thing)
    environment.filters.update(
        ago=lambda moment: _ago(moment, language),
        iso=isoformat,
        number=lambda value: format_decimal(value, locale=language),
        size=_size,
        figure=_figure,
        duration=_duration,
        # What other rooms say: a catalogue may hold it word for word. gettext("") would be the catalogue's header.
        translated=lambda text: catalogue.gettext(text) if text else text,
    )
    return environment


@cache
def _static(name: str) -> str:
    """The address of a static file, with its content in it: caches may keep it for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def _ago(moment: datetime, language: Locale) -> str:
    return str(format_timedelta(moment - utcnow(), add_direction=True, locale=language))


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _figure(value: float | None) -> str:
    """A measured number with four significant digits, never in exponents where that can be helped."""
    if value is None:
        return "–"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        text = f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
        return text if "e" not in text else f"{value:,.0f}"
    return f"{value:.3e}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
