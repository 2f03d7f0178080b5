"""Requests as the clients write them."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from fastapi.testclient import TestClient


def commit_lines(files: dict[str, bytes], *, parent: str | None = None, more: tuple[dict[str, Any], ...] = ()) -> bytes:
    lines: list[dict[str, Any]] = [
        {"key": "header", "value": {"summary": "Change", "description": "", "parentCommit": parent}}
    ]
    for path, data in files.items():
        content = base64.b64encode(data).decode()
        lines.append({"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}})
    return b"\n".join(json.dumps(line).encode() for line in (*lines, *more))


def lfs_line(path: str, data: bytes, **changes: Any) -> dict[str, Any]:
    value = {"path": path, "algo": "sha256", "oid": hashlib.sha256(data).hexdigest(), "size": len(data), **changes}
    return {"key": "lfsFile", "value": value}


def head(client: TestClient, repo: str) -> str:
    return str(client.get(f"/api/models/{repo}").json()["sha"])
