"""``tholos config``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tholos.cli.failures import fail
from tholos.cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from tholos.kit.settings import Settings

_CLIENT = (
    ("THOLOS_URL", "The server that the client talks to."),
    ("THOLOS_TOKEN", "The API key that the client shows it."),
)


def config(as_json: AsJson = False) -> None:
    """Print every setting: its environment variable, value, default and meaning.

    Examples:
      tholos config
      THOLOS_PORT=9000 tholos config --json
    """
    if not find_spec("pydantic_settings"):
        fail("The settings are the platform's, which is not installed.", "Install it: pip install 'tholos[server]'")
    from pydantic import ValidationError

    from tholos.kit.settings import Settings, invalid_setting

    try:
        settings = Settings()
    except ValidationError as error:
        fail(invalid_setting(error), "Change or unset it; docs/reference/settings.md has the bounds.")
    rows = [*_server_rows(settings), *_client_rows()]
    if as_json:
        print_json(rows)
        return
    headings = ["variable", "value", "default", "meaning"]
    print_table(headings, [[row[heading] for heading in headings] for row in rows], empty="")


def _server_rows(settings: Settings) -> list[dict[str, Any]]:
    rows = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        extra = field.json_schema_extra
        secret = isinstance(extra, dict) and extra.get("secret")
        rows.append(
            {
                "variable": f"THOLOS_{name.upper()}",
                "value": "(set)" if secret and value else _plain(value),
                "default": _plain(field.get_default(call_default_factory=True, validated_data={})),
                "meaning": field.description or "",
            }
        )
    return rows


def _client_rows() -> list[dict[str, Any]]:
    import os

    shown = {"THOLOS_URL": os.environ.get("THOLOS_URL", ""), "THOLOS_TOKEN": "(set)" * ("THOLOS_TOKEN" in os.environ)}
    return [{"variable": name, "value": shown[name], "default": "", "meaning": meaning} for name, meaning in _CLIENT]


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
