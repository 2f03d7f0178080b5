"""Every address of the API, asked nonsense: a clear refusal, never a 500, and always the one error shape."""

from __future__ import annotations

import json
import os
import random
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

# A fixed seed: what fails once fails again. `make test-all` asks for more rounds.
ROUNDS = int(os.environ.get("THOLOS_TEST_FUZZ_ROUNDS", "4"))
NAMES = [
    "admin",
    "nobody",
    "a--b",
    "..",
    "%2e%2e",
    "ADMIN",
    "x" * 200,
    "é",
    "\u202egnp",
    "penguins",
    "'; DROP TABLE accounts; --",
]
TEXTS = [*NAMES, "", " ", "main", "0" * 40, "abc1234", "\x00", "\U0001f600", "a/b/c", "1e309", "-1", "null", "True"]
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**63, -(2**70), 1.5, 1e308,
    "", "main", "admin/x", "\x00", "x" * 5000, [], {}, [[]], {"a": None},
]  # fmt: skip


def value_for(schema: dict[str, Any], document: dict[str, Any], dice: random.Random, depth: int = 0) -> Any:
    """A value that fits the schema more often than not."""
    if depth > 4 or dice.random() < 0.2:
        return dice.choice(VALUES)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return value_for(document["components"]["schemas"][name], document, dice, depth)
    if choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return value_for(dice.choice(choices), document, dice, depth + 1)
    plain = {
        "integer": [0, 1, 5, -1, 2**40],
        "number": [0.0, 0.5, -1.0, 1e300],
        "boolean": [True, False],
        "string": TEXTS,
    }
    kind = schema.get("type")
    if kind == "object":
        chosen = [field for field in schema.get("properties", {}) if dice.random() < 0.8]
        fields = {name: value_for(schema["properties"][name], document, dice, depth + 1) for name in chosen}
        return fields | ({"surprise": 1} if dice.random() < 0.1 else {})
    if kind == "array":
        return [value_for(schema.get("items", {}), document, dice, depth + 1) for _ in range(dice.randrange(3))]
    return dice.choice(schema.get("enum") or plain.get(str(kind), VALUES))


def request_for(
    method: str, path: str, operation: dict[str, Any], document: dict[str, Any], dice: random.Random
) -> tuple[str, str, dict[str, Any]]:
    """Method, address and the rest of a request, as ``httpx2`` takes them."""
    query = {}
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            chosen = dice.choice(["admin", "penguins", "main", "models", *TEXTS])
            path = path.replace("{" + parameter["name"] + "}", quote(chosen or "-", safe=""))
        elif parameter["in"] == "query" and dice.random() < 0.6:
            query[parameter["name"]] = dice.choice(TEXTS)
    rest: dict[str, Any] = {"params": query}
    if schema := operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema"):
        content = json.dumps(value_for(schema, document, dice)).encode()
        if dice.random() < 0.1:
            content = dice.choice([b"", b"{", b"\xff\xfe", b"[" * 10_000, content[:-1], b"NaN"])
        rest |= {"content": content, "headers": {"content-type": "application/json"}}
    return method.upper(), path, rest


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete", "head") and not path.endswith("/events")
    ]


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_nonsense_gets_a_clear_refusal(http: httpx2.AsyncClient) -> None:
    document = (await http.get("/api/openapi.json")).json()
    dice = random.Random(20261122)
    for kind in ("model", "dataset"):
        assert (await http.post("/api/v1/repos", json={"kind": kind, "name": "penguins"})).status_code == 201
    asked = 0
    for method, path, operation in operations(document) * ROUNDS:
        verb, address, rest = request_for(method, path, operation, document, dice)
        answer = await http.request(verb, address, **rest)
        asked += 1
        said = f"{verb} {answer.url} {rest} -> {answer.status_code} {answer.text[:500]}"
        assert answer.status_code != 500, said
        if answer.status_code >= 400 and verb != "HEAD":
            error = answer.json()["error"]
            if isinstance(error, str) and not answer.url.path.startswith("/api/v1/"):
                assert answer.headers["x-error-message"], said  # nonsense led to Hugging Face's wire
                continue
            assert error["code"], said
            assert error["message"], said
            assert error["next"], f"no next step: {said}"
    assert asked >= 50 * ROUNDS


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_too_large_a_body_is_refused_before_it_is_read(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/api/v1/train", content=b"[" + b"0," * 20_000_000 + b"0]")
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_errors_are_pages_for_people_and_json_for_programs(http: httpx2.AsyncClient) -> None:
    page = await http.get("/nobody/nothing", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    program = await http.get("/nobody/nothing")
    assert program.json()["error"]["code"] == "repo_not_found"
    wrong = await http.delete("/api/v1/whoami")
    assert wrong.json()["error"]["code"] == "method_not_allowed"
    assert wrong.json()["request_id"] == wrong.headers["x-request-id"]


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_signed_in_browser_does_nothing_at_another_sites_word(
    http: httpx2.AsyncClient, admin_token: str
) -> None:
    signed_in = await http.post("/login", data={"token": admin_token}, headers={"authorization": ""})
    cookie = {"cookie": signed_in.headers["set-cookie"].partition(";")[0], "authorization": ""}
    body = {"kind": "model", "name": "forged"}
    forged = await http.post("/api/v1/repos", json=body, headers={**cookie, "sec-fetch-site": "cross-site"})
    assert forged.json()["error"]["code"] == "cross_origin_refused"
    older = await http.post("/api/v1/repos", json=body, headers={**cookie, "origin": "https://evil.example"})
    assert older.status_code == 403
    own = await http.post("/api/v1/repos", json=body, headers={**cookie, "sec-fetch-site": "same-origin"})
    assert own.status_code == 201
