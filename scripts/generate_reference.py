"""Writes the reference pages that are made from the code: settings, REST, algorithms.

    python scripts/generate_reference.py

``tests/docs/test_reference.py`` fails when a page lags behind the code.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tholos.app import create_app
from tholos.kit.blobs import open_blob_store
from tholos.kit.database import Database
from tholos.kit.services import Services
from tholos.kit.settings import Settings
from tholos.training.catalogue import catalogue
from tholos.web.reference import operations

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


def pages() -> dict[str, str]:
    """Every generated page by file name."""
    return {"settings.md": settings_page(), "rest.md": rest_page(), "algorithms.md": algorithms_page()}


def settings_page() -> str:
    """The settings, with default and meaning."""
    lines = [
        "# Settings",
        "",
        "Each is an environment variable, read once at the start; `tholos config` prints their present values.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = "`~/.tholos`" if name == "home" else f"`{field.default}`" if field.default != "" else "(empty)"
        lines.append(f"| `THOLOS_{name.upper()}` | {default} | {field.description} |")
    return "\n".join([*lines, ""])


def rest_page() -> str:
    """Every address of the REST API."""
    lines = [
        "# REST API",
        "",
        "The same on a running server: `/api/docs`; for programs: `/api/openapi.json`.",
        "",
        'Send `Authorization: Bearer <token>`. Lists answer `{"items": […], "next_cursor": …}`; pass the cursor on as',
        '`?cursor=`. Every error has one shape: `{"error": {"code", "message", "next", "details"}, "request_id"}`.',
    ]
    for tag, found in operations(_openapi()).items():
        lines += ["", f"## {tag.capitalize()}"]
        for one in found:
            lines += ["", f"### `{one.method} {one.path}`", "", one.text]
            if one.query:
                lines += ["", f"Query: {', '.join(f'`{name}`' for name in one.query)}."]
            if one.body:
                fields = ", ".join(f"`{name}`{'' if required else '?'}" for name, required in one.body)
                lines += ["", f"Body: {fields}."]
            if one.errors:
                lines += ["", "Errors: " + " ".join(f"{status} `{code}`: {text}" for status, code, text in one.errors)]
    return "\n".join([*lines, ""])


def _openapi() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        services = Services(settings, Database(settings.resolved_database_url), open_blob_store(settings))
        document: dict[str, Any] = create_app(services).openapi()
        services.database.close()
    return document


def algorithms_page() -> str:
    """The training catalogue with every parameter and its bounds."""
    lines = [
        "# Algorithms",
        "",
        "`tholos algorithms` lists them, `--json` for programs; `GET /api/v1/algorithms` is the same. Every parameter",
        "has a default, and bounds beyond which a training is refused.",
    ]
    for algorithm in catalogue().values():
        lines += ["", f"## {algorithm.title} (`{algorithm.name}`)", "", algorithm.summary, ""]
        lines += [f"Tasks: {', '.join(algorithm.tasks)}. {algorithm.citation}", ""]
        lines += ["| parameter | type | default | bounds | meaning |", "|---|---|---|---|---|"]
        lines += [
            f"| `{one.name}` | {one.type} | `{one.default}` | {one.allowed} | {one.doc} |"
            for one in algorithm.parameters
        ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
        print(f"wrote docs/reference/{name}")
