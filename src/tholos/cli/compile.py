"""``tholos compile``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from tholos.cli.connection import connect
from tholos.cli.files import Pinned
from tholos.cli.output import AsJson, Detach, print_fields
from tholos.cli.waiting import finish


def compile_model(ctx: typer.Context, name: Pinned, detach: Detach = False, as_json: AsJson = False) -> None:
    """Turn a trained model, preprocessing included, into one ONNX graph that answers the same, faster.

    The result is a child revision with its parity report; without parity nothing changes.

    Examples:
      tholos compile me/penguins
      tholos compile me/penguins@v1 --json
    """
    with connect(ctx) as client:
        finish(client.model(name).compile(), _show, detach=detach, as_json=as_json)


def _show(result: Mapping[str, Any]) -> None:
    print_fields({key: value for key, value in result.items() if key != "latency_us_per_row"})
    print_fields({f"{what} (µs a row)": figure for what, figure in (result.get("latency_us_per_row") or {}).items()})
