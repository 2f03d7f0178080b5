"""``tholos predict``."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tholos.cli.connection import connect
from tholos.cli.failures import USAGE, fail
from tholos.cli.output import AsJson, print_fields, print_json, print_table, say

if TYPE_CHECKING:
    from tholos.sdk import Client, Prediction

_IMAGES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff"})


def predict(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The deployment; by default it is called like its model.")],
    row: Annotated[
        str | None,
        typer.Argument(help="JSON, @rows.json, @rows.csv, an image file, or - for JSON from stdin.", metavar="ROW"),
    ] = None,
    text: Annotated[str | None, typer.Option(help="The input of a text model.")] = None,
    example: Annotated[bool, typer.Option("--example", help="Ask with the model's own example.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a deployed model: one row, or many.

    Examples:
      tholos predict me/penguins '{"bill_length_mm": 39.1, "island": "Torgersen"}'
      tholos predict me/penguins @rows.csv --json
      tholos predict me/digits three.png
      tholos predict me/reviews --text "Hello, world!"
      echo '[[5.1, 3.5]]' | tholos predict me/iris -
      tholos predict me/penguins --example
    """
    if sum((row is not None, text is not None, example)) != 1:
        fail("Give one input: a ROW, --text or --example.", "See `tholos predict --help`.", USAGE)
    with connect(ctx) as client:
        value = text if text is not None else client.deployments.schema(name)["example"]["input"] if example else None
        if row is not None:
            value = _input(client, name, row)
            _check_finite(value)
        answer = client.deployments.predict(name, value)
    if as_json:
        print_json(answer.raw)
    else:
        _show(answer)


def _input(client: Client, name: str, row: str) -> Any:
    """The JSON value of a ROW argument."""
    from tholos.sdk.inputs import encode_input

    if row == "-":
        return _parsed(sys.stdin.read(), "stdin")
    path = Path(row.removeprefix("@"))
    if path.suffix.lower() in _IMAGES:
        return encode_input(path)
    if not row.startswith("@"):
        return _parsed(row, "the ROW")
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        fail(f"{path} is not UTF-8 text.", "Save it as UTF-8.")
    if path.suffix.lower() in (".csv", ".tsv"):
        return _table(client, name, content, "\t" if path.suffix.lower() == ".tsv" else ",")
    return _parsed(content, str(path))


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        fail(
            f"{place} is not JSON: {error}.",
            'Write a row like \'{"column": 1.5, "other": "word"}\', or use @file.json, @file.csv or --text.',
            USAGE,
        )


def _check_finite(value: Any) -> None:
    """Ends the program at the first number that JSON does not have, with the row (from 0, as the server counts)."""
    rows = value if isinstance(value, list) else [value]
    for (row, *rest), number in _not_finite(rows):
        column = f", column {rest[0]!r}" if rest else ""
        fail(
            f"Row {row}{column}: {'NaN' if math.isnan(number) else 'an infinite or too large number'} cannot be sent.",
            "Use null for a missing value, otherwise a finite number.",
            USAGE,
        )


def _not_finite(value: Any) -> Iterator[tuple[tuple[str | int, ...], float]]:
    """The way, by keys and positions, to each number that is not finite, and the number."""
    match value:
        case float() if not math.isfinite(value):
            yield (), value
        case dict() | list():
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                yield from (((key, *way), number) for way, number in _not_finite(item))
        case _:
            pass


def _table(client: Client, name: str, content: str, delimiter: str) -> list[dict[str, Any]]:
    """The rows of a CSV, typed as the model's signature says; columns that it does not have are left out."""
    import csv
    import io

    fields = {field["name"]: field["dtype"] for field in client.deployments.schema(name)["signature"]["inputs"]}
    reader = csv.DictReader(io.StringIO(content), delimiter=delimiter)
    extra = [column for column in reader.fieldnames or () if column not in fields]
    if extra:
        say(f"Left out, as the model does not take them: {', '.join(extra)}.")
    return [
        {column: _typed(value, fields[column]) for column, value in line.items() if column in fields} for line in reader
    ]


def _typed(value: str | None, dtype: str) -> Any:
    if value is None or value.strip() in ("", "NA", "NaN", "nan", "null"):
        return "" if dtype == "text" else None
    if dtype == "boolean":
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
            value.strip().lower(), value
        )
    if dtype in ("number", "integer"):
        try:
            number = float(value)
        except ValueError:
            return value  # the server says which row and column
        return int(number) if dtype == "integer" and number.is_integer() else number
    return value


def _show(answer: Prediction) -> None:
    if isinstance(answer.output, list):
        chances = answer.probabilities if isinstance(answer.probabilities, list) else [None] * len(answer.output)
        rows = [[output, _likeliest(chance)] for output, chance in zip(answer.output, chances, strict=True)]
        print_table(["output", "probability"], rows, empty="No rows.")
        return
    print(answer.output)
    if isinstance(answer.probabilities, dict):
        ranked = sorted(answer.probabilities.items(), key=lambda item: -item[1])
        print_fields({f"  {label}": f"{chance:.4f}" for label, chance in ranked[:10]})


def _likeliest(chances: Mapping[str, float] | None) -> str:
    return f"{max(chances.values()):.4f}" if chances else ""
