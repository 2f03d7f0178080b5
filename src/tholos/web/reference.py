"""The REST API as a page, made from the OpenAPI document; it loads nothing from elsewhere and works offline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from tholos.accounts.dependencies import OptionalActor
from tholos.web.rendering import page

router = APIRouter(include_in_schema=False)
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address."""

    tag: str
    method: str
    path: str
    text: str
    query: tuple[str, ...]
    body: tuple[tuple[str, bool], ...]
    """Fields of the JSON body, and whether each is required."""
    errors: tuple[tuple[str, str, str], ...]
    """Status, code and sentence."""


def operations(document: dict[str, Any]) -> dict[str, list[Operation]]:
    """Every operation of an OpenAPI document, by tag."""
    by_tag: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if raw := item.get(method):
                found = _operation(document, method, path, raw)
                by_tag.setdefault(found.tag, []).append(found)
    return by_tag


@router.get("/api/docs")
def show_reference(request: Request, actor: OptionalActor) -> Response:
    """Every address of the REST API."""
    return page(request, "reference.html", actor, sections=operations(request.app.openapi()))


def _operation(document: dict[str, Any], method: str, path: str, raw: dict[str, Any]) -> Operation:
    schema = raw.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if name := schema.get("$ref", "").rpartition("/")[2]:
        schema = document["components"]["schemas"][name]
    required = set(schema.get("required", []))
    return Operation(
        tag=(raw.get("tags") or ["other"])[0],
        method=method.upper(),
        path=path,
        text=(raw.get("description") or raw["summary"]).strip(),
        query=tuple(one["name"] for one in raw.get("parameters", []) if one["in"] == "query"),
        body=tuple((field, field in required) for field in schema.get("properties", {})),
        errors=tuple(_errors(raw.get("responses", {}))),
    )


def _errors(responses: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, answer in responses.items():
        for line in answer.get("description", "").split("\n\n"):
            if line.startswith("`"):
                code, _, sentence = line[1:].partition("`: ")
                yield status, code, sentence
