"""How every picture looks: the parts of a Vega-Lite specification (plain dicts), and its rendering to SVG.

A specification carries its data, asks for the width of its container, and needs no network. `render` gives it a fixed
width; it starts a JavaScript engine, so only a job's child process calls it.
"""

from __future__ import annotations

from typing import Any

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.4.json"
_VERSION = "6.4"
_WIDTH = 440
BLUE, ORANGE, TEAL = "#3465c2", "#c4660a", "#1b8a72"
INK, SOFT, _FAINT = "#24292f", "#59636e", "#d8dee4"
# Told apart by people with any of the common colour blindnesses, and each dark enough for a line on white.
PALETTE = [
    "#3465c2", "#d97706", "#0d9488", "#c026a3", "#65840b", "#7c4dff", "#b91c1c", "#1e293b", "#8a5a2b", "#9ca3af",
]  # fmt: skip
SHADES = ["#f3f7fc", "#c9dcf2", "#8db5e2", "#4a84c9", "#1f559f", "#0f3670"]
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif"

_CONFIG: Spec = {
    "font": _FONT,
    "background": "#ffffff",
    "view": {"stroke": None},
    "title": {"anchor": "start", "color": INK, "fontSize": 15, "fontWeight": 600, "offset": 14}
    | {"subtitleColor": SOFT, "subtitleFontSize": 12, "subtitlePadding": 5},
    "axis": {"labelColor": SOFT, "titleColor": INK, "titleFontWeight": 500, "labelFontSize": 11, "titleFontSize": 12}
    | {"gridColor": "#eceff3", "domainColor": _FAINT, "tickColor": _FAINT, "titlePadding": 10, "labelPadding": 5}
    | {"tickSize": 4, "labelLimit": 160, "labelFlush": False},
    "legend": {"labelColor": INK, "titleColor": SOFT, "labelFontSize": 11, "titleFontSize": 11, "symbolSize": 90}
    | {"titleFontWeight": 500, "symbolStrokeWidth": 3, "labelLimit": 200},
    "range": {"category": PALETTE},
}


def chart(title: str, subtitle: str, values: list[Spec], *, height: int, encoding: Spec, layer: list[Spec]) -> Spec:
    """Lay pictures over the same *values* (rows of named fields) under one title; *height* is in pixels."""
    return {
        "$schema": SCHEMA,
        "title": {"text": title, "subtitle": subtitle},
        "description": f"{title}. {subtitle}.",
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": 12,
        "data": {"values": values},
        "encoding": encoding,
        "layer": layer,
        "config": _CONFIG,
    }


def guide() -> Spec:
    """A dashed line that shows what would be right; the caller adds its data."""
    return {"mark": {"type": "line", "color": SOFT, "strokeDash": [5, 4], "strokeWidth": 1.2, "opacity": 0.8}}


def tooltip(*fields: tuple[str, str]) -> list[Spec]:
    """Show these fields under the pointer: pairs of name and number format (empty for text)."""
    return [
        {"field": name, "type": "quantitative", "format": pattern} if pattern else {"field": name, "type": "nominal"}
        for name, pattern in fields
    ]


def render(spec: Spec) -> str:
    """Render a specification as an SVG document of fixed width, without network access."""
    import vl_convert

    sized = {**spec, "width": _WIDTH}
    svg: str = vl_convert.vegalite_to_svg(sized, vl_version=_VERSION, allowed_base_urls=[])
    return svg


def short(value: float) -> float:
    """Five significant digits are more than a picture shows."""
    return float(f"{value:.5g}")
