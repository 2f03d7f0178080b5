"""What is generated is what the generators would write now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("script", ["generate_sync_client.py", "generate_sdk_errors.py", "generate_cli_reference.py"])
def test_it_is_up_to_date(script):
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_synchronous_client_has_every_method_of_the_asynchronous_one():
    from tholos import sdk

    for name in ("Client", "Model", "Dataset", "Job"):
        sync, asynchronous = getattr(sdk, name), getattr(sdk, f"Async{name}")
        assert {member for member in dir(sync) if not member.startswith("_")} == {
            member for member in dir(asynchronous) if not member.startswith("_")
        }


def test_nothing_asynchronous_is_left_in_the_synchronous_client():
    for path in (ROOT / "src/tholos/sdk/_sync").glob("*.py"):
        code = [line for line in path.read_text().splitlines() if not line.startswith("#") and '"""' not in line]
        assert not [line for line in code if "await " in line or "async " in line or "Async" in line], path
