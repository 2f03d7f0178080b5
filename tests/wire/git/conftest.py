"""A repo of the SDK's and git, before one running platform; and the application in this process for garbage."""

from __future__ import annotations

import importlib.util
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import tholos
from tholos.kit.services import Services

_spec = importlib.util.spec_from_file_location("git_client", Path(__file__).with_name("git_client.py"))
assert _spec
assert _spec.loader
_module = importlib.util.module_from_spec(_spec)
sys.modules["git_client"] = _module
_spec.loader.exec_module(_module)

from git_client import Git, change  # noqa: E402 - it is loaded from beside this file, which is no package


@pytest.fixture
def git(tmp_path: Path, platform: Any) -> Git:
    """Git as the administrator, in an empty folder."""
    folder = tmp_path / "git"
    folder.mkdir()
    return Git(folder, platform.url, platform.token)


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"admin/r{uuid.uuid4().hex[:10]}"


@pytest.fixture
def model(client: tholos.Client, name: str) -> tholos.Model:
    """A private model with three files, one of them kept by LFS."""
    model = client.model(name)
    model.create()
    change(
        model,
        "Add files",
        add={"README.md": b"---\ntags: [first]\n---\nHi\n", "a/b/c.txt": b"deep", "w.bin": b"\0" * 99},
    )
    return model


@pytest.fixture
def as_ada_with(app: FastAPI, services: Services, ada_token: str) -> Callable[..., TestClient]:
    """Ada, on a server with other settings: `as_ada_with(max_push_bytes=10)`."""
    from dataclasses import replace

    def run(**changes: Any) -> TestClient:
        app.state.services = replace(services, settings=services.settings.model_copy(update=changes))
        return TestClient(app, headers={"authorization": f"Bearer {ada_token}"})

    return run
