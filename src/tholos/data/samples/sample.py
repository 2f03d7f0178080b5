"""What a sample is, and what exporting one gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tholos.data.errors import SamplesNotInstalled

INSTALL = "Run `pip install 'tholos[samples]'` where the server runs, then try again."


@dataclass(frozen=True, slots=True)
class Export:
    """The files that were written, as one would push them, and what the package says about them."""

    title: str
    description: str
    """Markdown."""
    licence: str = "unknown"
    """A licence name as Hugging Face's cards have it; "unknown" where the package states none."""
    citation: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    """More of the card's header."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A data set that a package carries. ``export`` writes its files into a folder; it may import heavy libraries."""

    source: str
    """How users name it."""
    package: str
    """Name of the distribution that carries it."""
    module: str
    """Name of its module."""
    title: str
    export: Callable[[Path], Export]
    rows: int | None = None
    columns: int | None = None
    default_name: str = ""
    """What a dataset made from it is called unless the user says otherwise."""

    @property
    def is_installed(self) -> bool:
        return find_spec(self.module) is not None

    @property
    def version(self) -> str:
        """Version of the installed package. Raises SamplesNotInstalled."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            raise not_installed(self.source, self.package) from None


def not_installed(source: str, package: str) -> SamplesNotInstalled:
    """The error for a sample whose package is missing."""
    return SamplesNotInstalled(
        f"The data set {source!r} comes with the package {package}, which is not installed.",
        next=INSTALL,
        package=package,
    )


def folder_of(module: str) -> Path | None:
    """Where a package lies, without importing it."""
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))
