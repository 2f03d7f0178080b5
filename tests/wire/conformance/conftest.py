"""Clients of the Hugging Face Hub as people install them, each version in an environment of its own."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

if TYPE_CHECKING:
    from conftest import Platform

HERE = Path(__file__).parent
NEWEST_RELEASE = "newest"
"""Stands for whatever release the package index offers today."""
LIBRARIES = ("torch==2.13.0", "transformers==5.23.0", "datasets==5.2.0", "huggingface_hub==2.4.0")
CLIENTS = Path(os.environ.get("THOLOS_TEST_CLIENTS") or Path.home() / ".cache" / "tholos-test-clients")


@pytest.fixture(scope="session")
def client_python() -> Callable[..., Path]:
    """The Python of an environment that holds what was asked for, made at first use and kept."""
    fresh: set[str] = set()

    def run(name: str, *requirements: str) -> Path:
        folder = CLIENTS / name
        CLIENTS.mkdir(parents=True, exist_ok=True)
        with (CLIENTS / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (name == NEWEST_RELEASE and name not in fresh) or not (folder / "ready").exists():
                subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
                pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
                subprocess.run([*pip, *requirements], check=True)
                (folder / "ready").touch()
                fresh.add(name)
        return folder / "bin" / "python"

    return run


@pytest.fixture(scope="session")
def stranger_token(platform: Platform) -> str:
    """The token of a user to whom nothing was given."""
    made = httpx2.post(
        f"{platform.url}/api/v1/users",
        json={"name": "wire-stranger"},
        headers={"authorization": f"Bearer {platform.token}"},
    )
    return str(made.raise_for_status().json()["secret"])


@pytest.fixture
def run_suite(
    platform: Platform, stranger_token: str, client_python: Callable[..., Path]
) -> Callable[..., list[dict[str, Any]]]:
    """Runs the suite, or those of its checks, with a version of the client; returns what each check came to."""

    def run(version: str, *checks: str, xet: bool) -> list[dict[str, Any]]:
        wanted = "huggingface_hub" if version == NEWEST_RELEASE else f"huggingface_hub=={version}"
        python = client_python(version, wanted)
        command = [str(python), str(HERE / "suite.py"), platform.url, platform.token, stranger_token, *checks]
        return _lines(command, HF_HUB_DISABLE_XET="0" if xet else "1")

    return run


@pytest.fixture
def run_libraries(platform: Platform, client_python: Callable[..., Path]) -> Callable[[], list[dict[str, Any]]]:
    """Runs what transformers and datasets are asked to do; returns what each check came to."""

    def run() -> list[dict[str, Any]]:
        python = client_python("libraries", *LIBRARIES)
        return _lines([str(python), str(HERE / "library_suite.py"), platform.url, platform.token])

    return run


def _lines(command: list[str], **variables: str) -> list[dict[str, Any]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        command, env=environment | variables, capture_output=True, text=True, timeout=280, check=False
    )
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert results, done.stderr[-4000:]
    return results
