"""Fixtures of the command line's tests: the program in this process and in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tholos.cli.app import run


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the login of whoever runs it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("THOLOS_HOME", str(tmp_path / "no-server"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def tholos(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs a command of the program in this process."""

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def signed_in(platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program finds the shared platform, as its administrator."""
    monkeypatch.setenv("THOLOS_URL", platform.url)
    monkeypatch.setenv("THOLOS_TOKEN", platform.token)


# A shell that runs the tests in the background has Ctrl-C ignored, and its children inherit that.
_AS_FROM_A_TERMINAL = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from tholos.cli import main; main()"
)


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[str]]:
    """Starts the program in a process of its own."""

    def call(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", _AS_FROM_A_TERMINAL, *arguments],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return call
