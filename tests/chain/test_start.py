"""Starting the platform: what it says, what it refuses, what it never imports."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from conftest import Platform


def agent(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tholos.agent", "--home", str(home), *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("THOLOS_")},
    )


def test_a_second_server_on_the_same_home_is_refused(platform: Platform) -> None:
    refused = agent(platform.home, "--port", "0")
    assert refused.returncode == 1
    assert "already running" in refused.stderr
    assert "THOLOS_HOME" in refused.stderr


def test_a_port_in_use_is_said_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = agent(tmp_path / "home", "--port", str(taken.getsockname()[1]))
    assert refused.returncode == 1
    assert "in use" in refused.stderr
    assert "--port" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_setting_out_of_bounds_is_said_by_name(tmp_path: Path) -> None:
    refused = agent(tmp_path / "home", "--workers", "1000")
    assert refused.returncode == 1
    assert "THOLOS_WORKERS" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_administrators_token_is_private_and_shown_once(own_platform: Platform) -> None:
    path = own_platform.home / "admin-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = own_platform.token
    own_platform.stop()
    own_platform.start()
    assert own_platform.token == token
    assert own_platform.process is not None
    assert own_platform.process.stdout is not None
    own_platform.process.terminate()
    assert token not in own_platform.process.stdout.read()


def test_server_processes_hold_no_heavy_library(platform: Platform, penguins: str) -> None:
    assert penguins
    assert platform.process is not None
    agent_process = psutil.Process(platform.process.pid)
    gateways = [child for child in agent_process.children() if "tholos.server" in child.cmdline()]
    assert gateways
    for process in (agent_process, *gateways):
        mapped = " ".join(region.path for region in process.memory_maps())
        for library in ("pandas", "sklearn", "scipy", "torch"):
            assert f"/{library}/" not in mapped, f"{process.cmdline()} holds {library}"


@pytest.mark.parametrize("module", ["tholos.agent.parts", "tholos.server", "tholos.app"])
def test_importing_the_server_imports_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('pandas', 'sklearn', 'scipy', 'torch') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_a_file_that_is_no_database_is_said_with_what_to_do(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "tholos.db").write_bytes(b"not a database at all\n" * 500)
    refused = agent(home, "--port", "0")
    assert refused.returncode == 1
    assert "database" in refused.stderr
    assert "THOLOS_DATABASE_URL" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (home / "tholos.db").read_bytes() == b"not a database at all\n" * 500
