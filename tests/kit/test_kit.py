from __future__ import annotations

import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from tholos.kit.errors import Conflict, NotFound, TholosError, responses
from tholos.kit.home import HomeInUse, HomeLock, write_private
from tholos.kit.ids import new_id
from tholos.kit.paging import BadCursor, decode_cursor, encode_cursor
from tholos.kit.settings import Settings

HOLD = """
import sys
from pathlib import Path
from tholos.kit.home import HomeLock
with HomeLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
ORPHAN = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''
import os, sys, time
from tholos.kit.processes import die_with_parent
die_with_parent(int(sys.argv[1]))
print(os.getpid(), flush=True)
time.sleep(60)
''', str(os.getpid())])
time.sleep(60)
"""


def test_ids_sort_by_time_and_do_not_repeat() -> None:
    first = new_id("job")
    time.sleep(0.002)  # the clock's tick, not an event
    assert first < new_id("job")
    assert len({new_id("x") for _ in range(10_000)}) == 10_000
    assert len(first) == len("job_") + 26


def test_cursors_come_back_whole_and_strangers_are_refused() -> None:
    assert decode_cursor(encode_cursor("a", 1), str, int) == ("a", 1)
    for bad in (
        "",
        "%%%",
        encode_cursor("a"),
        encode_cursor(1, "a"),
        encode_cursor("\0", 1),
        encode_cursor("\ud800", 1),
        "éé",
        "x" * 1000,
    ):
        with pytest.raises(BadCursor):
            decode_cursor(bad, str, int)


def test_an_errors_docstring_is_its_default_sentence() -> None:
    class CoffeeOut(Conflict):
        """The coffee is out."""

        code = "coffee_out"

    error = CoffeeOut(next="Brew some.", cups=0)
    assert error.to_dict() == {
        "code": "coffee_out",
        "message": "The coffee is out.",
        "next": "Brew some.",
        "details": {"cups": 0},
    }
    assert "`coffee_out`: The coffee is out." in responses([CoffeeOut, NotFound])[409]["description"]


def test_every_error_has_its_own_code_or_its_parents() -> None:
    import_module("tholos.app")

    def tree(error: type[TholosError]) -> list[type[TholosError]]:
        return [error, *(found for child in error.__subclasses__() for found in tree(child))]

    by_code: dict[str, type[TholosError]] = {}
    for error in tree(TholosError):
        if error.__module__.startswith("tholos.") and "code" in vars(error):
            assert by_code.setdefault(error.code, error) is error, f"{error} shares its code"


def test_a_second_tree_on_one_home_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    with first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(HomeInUse, match=f"process {first.pid}") as refused, HomeLock(tmp_path):
            pass
        assert "THOLOS_HOME" in refused.value.next
        first.kill()
    with HomeLock(tmp_path):
        pass


def test_a_child_dies_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_private_file_is_private_and_whole(tmp_path: Path) -> None:
    write_private(tmp_path / "token", "one")
    write_private(tmp_path / "token", "two")
    assert (tmp_path / "token").read_text() == "two"
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_settings_pass_to_a_child_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path, port=0, workers=3)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_every_setting_says_what_it_means() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
