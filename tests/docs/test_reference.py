"""Pages that are made from the code lag behind it only as long as this test fails."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_the_generated_reference_is_current() -> None:
    for name, text in script("generate_reference").pages().items():
        path = ROOT / "docs" / "reference" / name
        assert path.read_text() == text, f"docs/reference/{name} lags behind the code: run `make docs`"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if not target.startswith(("http:", "https:", "mailto:", "#")):
            assert (path.parent / target.partition("#")[0]).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_the_docs_exist(path: Path) -> None:
    known = (ROOT / "docs" / "reference" / "cli.md").read_text()
    for line in re.findall(r"^\$ (tholos .*)$", path.read_text(), flags=re.MULTILINE):
        words = [word for word in line.split()[1:] if re.fullmatch(r"[a-z-]+", word)]
        names = [" ".join(["tholos", *words[:length]]) for length in (1, 2, 3)]
        assert any(f"`{name}`" in known for name in names), f"{path.name}: {line}"
