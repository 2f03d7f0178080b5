"""The Python client of Tholos.

    import tholos

    with tholos.Client() as client:
        client.dataset("me/penguins").push("penguins.csv")
        client.train("me/penguins", "me/species", target="species").result()
        client.model("me/species").deploy()
        print(client.model("me/species").predict({"bill_length_mm": 39.1, ...}).output)

``AsyncClient`` is the same with ``await``. Every name is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tholos.sdk._async.client import AsyncClient
    from tholos.sdk._async.datasets import AsyncDataset
    from tholos.sdk._async.jobs import AsyncJob
    from tholos.sdk._async.models import AsyncModel
    from tholos.sdk._sync.client import Client
    from tholos.sdk._sync.datasets import Dataset
    from tholos.sdk._sync.jobs import Job
    from tholos.sdk._sync.models import Model
    from tholos.sdk.errors import (
        Conflict,
        DeploymentFailed,
        Forbidden,
        InvalidInput,
        JobCancelled,
        JobFailed,
        MissingLibrary,
        NotAuthenticated,
        NotFound,
        ServerUnreachable,
        TholosError,
        TransferFailed,
        Unprocessable,
        WaitTimedOut,
    )
    from tholos.sdk.progress import Transferred
    from tholos.sdk.results import Deployment, Evaluation, JobRecord, Prediction, Repo, Revision
    from tholos.sdk.retries import RetryPolicy

_HOMES = {
    "_async.client": ("AsyncClient",),
    "_async.datasets": ("AsyncDataset",),
    "_async.jobs": ("AsyncJob",),
    "_async.models": ("AsyncModel",),
    "_sync.client": ("Client",),
    "_sync.datasets": ("Dataset",),
    "_sync.jobs": ("Job",),
    "_sync.models": ("Model",),
    "errors": (
        "Conflict",
        "DeploymentFailed",
        "Forbidden",
        "InvalidInput",
        "JobCancelled",
        "JobFailed",
        "MissingLibrary",
        "NotAuthenticated",
        "NotFound",
        "ServerUnreachable",
        "TholosError",
        "TransferFailed",
        "Unprocessable",
        "WaitTimedOut",
    ),
    "progress": ("Transferred",),
    "results": ("Deployment", "Evaluation", "JobRecord", "Prediction", "Repo", "Revision"),
    "retries": ("RetryPolicy",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AsyncClient",
    "AsyncDataset",
    "AsyncJob",
    "AsyncModel",
    "Client",
    "Conflict",
    "Dataset",
    "Deployment",
    "DeploymentFailed",
    "Evaluation",
    "Forbidden",
    "InvalidInput",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobRecord",
    "MissingLibrary",
    "Model",
    "NotAuthenticated",
    "NotFound",
    "Prediction",
    "Repo",
    "RetryPolicy",
    "Revision",
    "ServerUnreachable",
    "TholosError",
    "TransferFailed",
    "Transferred",
    "Unprocessable",
    "WaitTimedOut",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
