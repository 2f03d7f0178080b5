"""``import tholos`` is light, and its names are there all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tholos
from tholos import sdk


def loaded_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_import_loads_no_library():
    loaded = loaded_after("import tholos")
    assert loaded.isdisjoint({"httpx2", "pandas", "numpy", "sklearn", "torch", "rich", "typer", "pydantic", "ssl"})


def test_the_client_loads_nothing_of_the_server():
    loaded = loaded_after("import tholos; tholos.Client; tholos.AsyncClient; tholos.Model; tholos.TholosError")
    heavy = {"fastapi", "sqlalchemy", "pydantic", "pandas", "numpy", "sklearn", "torch", "rich", "typer"}
    assert loaded.isdisjoint(heavy)
    assert not [name for name in loaded if name.startswith("tholos.") and not name.startswith("tholos.sdk")]


@pytest.mark.parametrize("module", [tholos, sdk])
def test_every_public_name_can_be_had(module):
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)


@pytest.mark.parametrize("module", [tholos, sdk])
def test_another_name_is_an_attribute_error(module):
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        module.Nonsense  # noqa: B018
