"""Help: every command has examples, and asking for help loads next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from tholos.cli.app import COMMANDS, root


def commands(command=None, path="tholos"):
    command = command or get_command(root())
    if not isinstance(command, TyperGroup):
        yield path, command
        return
    for name in command.list_commands(None):
        yield from commands(command.get_command(None, name), f"{path} {name}")


ALL = dict(commands())


def test_the_commands_of_the_chain_are_there():
    wanted = "up login data push pull train compile evaluate compare deploy predict jobs logs lineage algorithms config"
    assert set(wanted.split()) <= set(COMMANDS)
    assert set(COMMANDS) == {path.split()[1] for path in ALL}


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_examples_that_call_it_and_prints_them(path, tholos):
    help_text = tholos(*path.split()[1:], "--help")
    assert help_text.code == 0
    _, _, examples = help_text.out.partition("\nExamples:\n")
    assert f"  {path}" in examples
    assert "Traceback" not in help_text.err


@pytest.mark.parametrize(("path", "command"), ALL.items())
def test_every_option_says_what_it_is_for(path, command):
    assert [item.name for item in command.params if not item.help] == []


@pytest.mark.parametrize(("path", "command"), ALL.items())
def test_options_have_the_same_meaning_everywhere(path, command):
    options = {option: item.name for item in command.params for option in item.opts if option.startswith("-")}
    expected = {"--json": "as_json", "--detach": "detach", "-d": "detach", "-y": "yes", "-f": "follow", "-m": "message"}
    assert {name: options[name] for name in options if name in expected} == {
        name: meaning for name, meaning in expected.items() if name in options
    }


def test_the_root_lists_every_command_with_its_line(tholos):
    shown = tholos("--help")
    assert shown.code == 0
    for name, (_, line) in COMMANDS.items():
        assert f"  {name} " in shown.out
        assert line in shown.out
    assert "Exit codes:" in shown.out


def test_help_loads_neither_the_sdk_nor_any_command():
    code = "import sys\nfrom tholos.cli.app import run\nrun(['--help'])\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert loaded.isdisjoint({"httpx2", "rich", "pandas", "numpy", "pydantic", "ssl", "tholos.sdk.results"})
    assert not [name for name in loaded if name.startswith("tholos.sdk._")]
    assert not [name for name in loaded if name.startswith("tholos.cli.") and name.rpartition(".")[2] in COMMANDS]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "config"])
def test_no_command_needs_the_servers_packages(name):
    code = (
        "import sys\nfrom typer.main import get_command\nfrom tholos.cli.app import root\n"
        f"get_command(root()).get_command(None, {name!r})\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint({"fastapi", "sqlalchemy", "pydantic", "pandas", "numpy", "httpx2"})


def test_a_mistyped_command_gets_a_proposal(tholos):
    outcome = tholos("trian")
    assert outcome.code == 2
    assert "Did you mean train?" in outcome.err


def test_the_version_is_printed(tholos):
    assert tholos("--version").out.startswith("tholos 0.")


@pytest.mark.parametrize(
    ("words", "expected"), [("tholos tr", "train"), ("tholos data sp", "split"), ("tholos train --al", "--algorithm")]
)
def test_shells_complete(start, words, expected):
    done = start(_THOLOS_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1))
    out, err = done.communicate(timeout=60)
    assert expected in out.split(), err
