"""A model: predict with it, deploy, evaluate and compile it."""

# ruff: noqa: ASYNC109 - the synchronous twin has the same parameters
from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tholos.sdk import errors
from tholos.sdk._async.concurrency import in_thread, sleep
from tholos.sdk._async.jobs import AsyncJob
from tholos.sdk._async.repos import AsyncRepoHandle, AsyncRepos
from tholos.sdk.inputs import encode_input
from tholos.sdk.mlflow_registry import PREFIX, registered_folder
from tholos.sdk.progress import OnTransfer
from tholos.sdk.references import Kind, Reference
from tholos.sdk.results import Deployment, Description, JobRecord, Prediction

if TYPE_CHECKING:
    from tholos.sdk._async.client import AsyncClient

Home = Literal["auto", "inline", "process"]

_NOT_SET: Any = object()
_FIRST_POLL_S = 0.05
_LONGEST_POLL_S = 1.0


class AsyncModel(AsyncRepoHandle):
    """A model repo: ``client.model("ns/name").predict(row)``, or in short ``Model("ns/name")``."""

    kind: ClassVar[Kind] = "model"

    def __init__(self, name: str, *, revision: str | None = None, client: AsyncClient | None = None) -> None:
        super().__init__(name, revision=revision, client=client)
        self._input: Any = _NOT_SET

    def set_input(self, value: Any) -> None:
        """Keeps an input for the next ``predict()``; see ``encode_input`` for what it can be."""
        self._input = value

    async def predict(self, value: Any = _NOT_SET, *, deployment: str | None = None) -> Prediction:
        """The deployed model's answer.

        ``value`` is one row (a dict), many (a list of dicts, a DataFrame, a 2-D array), text (a string or a list of
        them) or images (bytes, a Path, a PIL image, an array of pixels); without it, what ``set_input`` was given.
        ``deployment`` names the deployment when it is not called like the model. One input gets one output, many get
        lists. Raises NotFound when nothing is deployed and InvalidInput when the input does not fit the signature.
        """
        if value is _NOT_SET:
            value = self._input
        if value is _NOT_SET:
            raise errors.InvalidInput(
                "There is no input to predict for.", next="Pass one to predict(), or call set_input() before."
            )
        encoded = await in_thread(encode_input, value)
        name = await self._client.full_name(deployment) if deployment else await self.name()
        return await self._client.deployments.predict(name, encoded)

    async def deploy(
        self, name: str | None = None, *, home: Home = "auto", wait: bool = True, timeout: float | None = 300.0
    ) -> Deployment:
        """Serves this revision (by default the head of main) under ``name`` (by default the model's).

        A deployment of that name switches to this revision without dropping a request. With ``wait`` it returns once
        the revision serves, and raises DeploymentFailed when it cannot, WaitTimedOut after ``timeout`` seconds.
        """
        return await self._client.deployments.create(
            str(Reference(await self.name(), self.revision)), name=name, home=home, wait=wait, timeout=timeout
        )

    async def evaluate(self, dataset: str, *, split: str | None = None, revision: str | None = None) -> AsyncJob:
        """Measures this revision on a split (by default "test") of a dataset (``ns/name`` or ``ns/name@rev``)."""
        data = Reference.parse(dataset)
        body = {
            "model": await self.name(),
            "revision": revision or self.revision,
            "dataset": await self._client.full_name(data.name),
            "dataset_revision": data.revision,
            "split": split,
        }
        return await self._job("/api/v1/evaluate", body)

    async def compile(self, *, revision: str | None = None) -> AsyncJob:
        """Turns the trained pipeline into one ONNX graph, committed as a child revision if it answers the same."""
        body = {"model": await self.name(), "revision": revision or self.revision}
        return await self._job("/api/v1/compile", body)

    async def describe(self, *, timeout: float = 120.0) -> Description:
        """Format, task, signature and runtime of this revision's model; each fact says whether it was read or guessed.

        What was just pushed is still being read: that is waited for. Raises WaitTimedOut.
        """
        started, pause = time.monotonic(), _FIRST_POLL_S
        path, query = f"{await self._path()}/description", {"revision": self.revision}
        while True:
            found = Description.of(await self._transport.call("GET", path, query=query))
            if found.state != "pending":
                return found
            if time.monotonic() - started > timeout:
                raise errors.WaitTimedOut(
                    f"The model of {await self.name()} has not been read after {timeout:g} seconds.",
                    next="It goes on: ask again later, or look at `tholos jobs list --kind imports.describe`.",
                )
            await sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL_S)

    async def import_(
        self,
        *,
        task: str | None = None,
        label_names: Sequence[str | int | bool] = (),
        input_names: Sequence[str] = (),
        output_name: str = "",
        data: str = "",
    ) -> AsyncJob:
        """Makes what was pushed (ONNX, skops, an MLflow folder) deployable: a job commits its description.

        What the files do not say can be said: the task, the classes in the order of the outputs, the inputs in the
        model's order, what it predicts, and the dataset (``ns/name`` or ``ns/name@rev``) that it learned from, on whose
        rows compiling compares. Said again later, it corrects.
        """
        source = Reference.parse(data) if data else None
        body = {
            "revision": self.revision,
            "task": task,
            "label_names": list(label_names) or None,
            "input_names": list(input_names) or None,
            "output_name": output_name or None,
            "data": await self._client.full_name(source.name) if source else None,
            "data_revision": source.revision if source else None,
        }
        return await self._job(f"{await self._path()}/import", body)

    async def _job(self, path: str, body: dict[str, Any]) -> AsyncJob:
        given = {key: value for key, value in body.items() if value is not None}
        return AsyncJob(self._transport, JobRecord.of(await self._transport.call("POST", path, body=given)))


class AsyncModels(AsyncRepos):
    """All models you may see, and the way in for those made elsewhere."""

    def __init__(self, client: AsyncClient) -> None:
        super().__init__(client, "model")

    async def import_(
        self,
        source: str | Path,
        name: str | None = None,
        *,
        task: str | None = None,
        label_names: Sequence[str | int | bool] = (),
        input_names: Sequence[str] = (),
        output_name: str = "",
        data: str = "",
        progress: OnTransfer | None = None,
    ) -> AsyncJob:
        """Pushes a model made elsewhere, and starts the job that makes it deployable; see ``Model.import_``.

        ``source`` is an MLflow model folder, ``mlflow:mlruns#model/version``, an ONNX, skops or GGUF file, or a folder
        of transformers; ``name`` is by default that of the file or folder.
        """
        text = str(source)
        registered = text.startswith(PREFIX)
        path = await in_thread(registered_folder, text) if registered else Path(source)
        model = self._client.model(name or default_name(text, path))
        await model.push(path, message=f"Push {path.name}", progress=progress)
        return await model.import_(
            task=task, label_names=label_names, input_names=input_names, output_name=output_name, data=data
        )


def default_name(source: str, path: Path) -> str:
    """The repo's name where none was given: the registered model's, or the file's or folder's without ending."""
    if source.startswith(PREFIX):
        return source.partition("#")[2].rpartition("/")[0]
    resolved = path.expanduser().resolve()
    return resolved.name if resolved.is_dir() else resolved.stem
