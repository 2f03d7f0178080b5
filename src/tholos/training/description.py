"""`algorithm.yaml`: what an algorithm repo says about itself, read with suspicion.

    title: Nearest centroid
    summary: Each class is its mean; a row belongs to the nearest.
    tasks: [tabular-classification]
    entry: train.py:fit
    parameters:
      shrink:
        type: number
        minimum: 0
        maximum: 1
        default: 0
        description: How far the means move towards the mean of all rows.

Parameters are written as in JSON Schema. Unlike a card's, a fault in it is an error: nothing is trained by a guess.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from tholos.hub.cards import MAX_METADATA_BYTES, parse_metadata
from tholos.tasks.signature import TaskId
from tholos.tasks.task import TRAINABLE
from tholos.training.algorithm import Parameter, ParamValue
from tholos.training.errors import BrokenDescription, InvalidParameter

DESCRIPTION_FILE: Final = "algorithm.yaml"
DEFAULT_ENTRY: Final = "train.py:fit"
MAX_DESCRIPTION_BYTES: Final = MAX_METADATA_BYTES

_MAX_PARAMETERS = 100
_MAX_CHOICES = 100
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
_ENTRY = re.compile(
    r"(?P<file>[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\.py):(?P<name>[A-Za-z_]\w*)", re.ASCII
)
_FIELDS = ("title", "summary", "tasks", "entry", "returns", "scale", "citation", "parameters")
_TYPES: Final = {"integer": "int", "number": "float", "string": "choice", "boolean": "bool"}
_OF_TYPE = {
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "string": ("enum",),
    "boolean": (),
}
_RETURNS = "estimator"


@dataclass(frozen=True, kw_only=True)
class Description:
    """An algorithm repo's own account."""

    title: str
    summary: str
    tasks: tuple[TaskId, ...]
    entry: str
    """``file.py:function``"""
    scale: bool
    """Whether numeric columns are standardised before the code gets them."""
    citation: str
    parameters: tuple[Parameter, ...]

    @property
    def file(self) -> str:
        """The path of the entry's file in the repo."""
        return self.entry.partition(":")[0]


def parse_description(data: bytes) -> Description:
    """Read the file's content.

    Raises:
        BrokenDescription: it cannot be read, or a field of it is wrong; the error names the field.

    """
    if len(data) > MAX_DESCRIPTION_BYTES:
        raise _broken("", f"is longer than {MAX_DESCRIPTION_BYTES >> 10} KiB")
    try:
        fields = parse_metadata(data.decode())
    except UnicodeDecodeError as error:
        raise _broken("", "is not UTF-8") from error
    except ValueError as error:
        raise _broken("", f"cannot be read: {error}") from error
    _only(fields, _FIELDS, "")
    if fields.get("returns", _RETURNS) != _RETURNS:
        raise _broken("returns", f"must be {_RETURNS!r}: the function returns a fitted scikit-learn estimator")
    return Description(
        title=_text(fields, "title", 100),
        summary=_text(fields, "summary", 500),
        tasks=_tasks(fields.get("tasks")),
        entry=_entry(fields.get("entry", DEFAULT_ENTRY)),
        scale=_flag(fields.get("scale", False), "scale"),
        citation=_text(fields, "citation", 500, required=False),
        parameters=_parameters(fields.get("parameters")),
    )


def _tasks(value: Any) -> tuple[TaskId, ...]:
    if not isinstance(value, list) or not value:
        raise _broken("tasks", f"must list at least one task: {', '.join(TRAINABLE)}")
    for item in value:
        if item not in TRAINABLE:
            near = difflib.get_close_matches(str(item), TRAINABLE, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise _broken("tasks", f"names {item!r:.80}, which is no task{hint}; there are {', '.join(TRAINABLE)}")
    return cast("tuple[TaskId, ...]", tuple(dict.fromkeys(value)))


def _entry(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 200 or not _ENTRY.fullmatch(value) or ".." in value:
        raise _broken("entry", f"must name a file of the repo and a function in it, such as {DEFAULT_ENTRY}")
    return value


def _parameters(value: Any) -> tuple[Parameter, ...]:
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise _broken("parameters", "must be a mapping from names to what each is")
    if len(value) > _MAX_PARAMETERS:
        raise _broken("parameters", f"has {len(value)} entries; {_MAX_PARAMETERS} are allowed")
    return tuple(_parameter(name, schema) for name, schema in value.items())


def _parameter(name: str, schema: Any) -> Parameter:
    where = f"parameters.{name[:60]}"
    if not _NAME.fullmatch(name):
        raise _broken(where, "is no name: use up to 60 letters, digits and '_', not beginning with a digit")
    if not isinstance(schema, dict):
        raise _broken(where, "must be a mapping with type, default and description")
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise _broken(f"{where}.type", f"must be one of {', '.join(_TYPES)}")
    _only(schema, ("type", "default", "description", *_OF_TYPE[kind]), where)
    if "default" not in schema:
        raise _broken(f"{where}.default", "is missing")
    bounds = (
        {side: _bound(schema, side, where) for side in ("minimum", "maximum")} if kind in ("integer", "number") else {}
    )
    if bounds and bounds["minimum"] > bounds["maximum"]:
        raise _broken(f"{where}.minimum", "is above the maximum")
    parameter = Parameter(
        name=name,
        type=cast("Any", _TYPES[kind]),
        default=schema["default"],
        doc=_text(schema, "description", 500, required=False, where=where),
        minimum=bounds.get("minimum"),
        maximum=bounds.get("maximum"),
        choices=_choices(schema.get("enum"), where) if kind == "string" else (),
    )
    return _with_checked_default(parameter, where)


def _with_checked_default(parameter: Parameter, where: str) -> Parameter:
    try:
        default: ParamValue = parameter.check(parameter.default)
    except InvalidParameter as error:
        raise _broken(f"{where}.default", f"is outside of what the parameter allows ({parameter.allowed})") from error
    return Parameter(**{**vars(parameter), "default": default})


def _bound(schema: Mapping[str, Any], side: str, where: str) -> float:
    value = schema.get(side)
    # Beyond 2**53 whole numbers are not exact; the card's reader has made texts of them.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _broken(f"{where}.{side}", "must be a number: every number has bounds")
    return value


def _choices(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_CHOICES:
        raise _broken(f"{where}.enum", f"must list 1 to {_MAX_CHOICES} words")
    if not all(isinstance(item, str) and 0 < len(item) <= 100 for item in value):
        raise _broken(f"{where}.enum", "must hold words of 1 to 100 characters")
    return tuple(dict.fromkeys(value))


def _text(fields: Mapping[str, Any], name: str, longest: int, *, required: bool = True, where: str = "") -> str:
    value = fields.get(name)
    place = f"{where}.{name}" if where else name
    if value is None and not required:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise _broken(place, "is missing" if value is None else "must be a text")
    if len(value) > longest:
        raise _broken(place, f"is longer than {longest} characters")
    flat = " ".join(value.split())
    if not flat.isprintable():
        raise _broken(place, "holds characters that cannot be shown")
    return flat


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise _broken(name, "must be true or false")
    return value


def _only(fields: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in fields:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise _broken(f"{where}.{name[:60]}" if where else name[:60], f"is no field here; {hint}")


def _broken(field: str, problem: str) -> BrokenDescription:
    subject = f"{DESCRIPTION_FILE}: {field}" if field else DESCRIPTION_FILE
    return BrokenDescription(
        f"{subject} {problem}.",
        next="Correct it and push again; `tholos algorithms init FOLDER` writes one that works.",
        field=field,
    )
