"""Tholos: a self-hosted Model-as-a-Service platform.

``import tholos`` costs a few milliseconds: each public name is imported when it is first asked for (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tholos.sdk import (
        AsyncClient,
        AsyncDataset,
        AsyncModel,
        Client,
        Conflict,
        Dataset,
        Forbidden,
        InvalidInput,
        JobFailed,
        Model,
        NotAuthenticated,
        NotFound,
        TholosError,
    )

    __version__: str

__all__ = [
    "AsyncClient",
    "AsyncDataset",
    "AsyncModel",
    "Client",
    "Conflict",
    "Dataset",
    "Forbidden",
    "InvalidInput",
    "JobFailed",
    "Model",
    "NotAuthenticated",
    "NotFound",
    "TholosError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tholos")
    if name in __all__:
        from tholos import sdk

        return getattr(sdk, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
