# Generated from sdk/_async/models.py by scripts/generate_sync_client.py; do not edit.
"""A model: predict with it, deploy, evaluate and compile it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tholos.sdk import errors
from tholos.sdk._sync.concurrency import in_thread
from tholos.sdk._sync.jobs import Job
from tholos.sdk._sync.repos import RepoHandle
from tholos.sdk.inputs import encode_input
from tholos.sdk.references import Kind, Reference
from tholos.sdk.results import Deployment, JobRecord, Prediction

if TYPE_CHECKING:
    from tholos.sdk._sync.client import Client

Home = Literal["auto", "inline", "process"]

_NOT_SET: Any = object()


class Model(RepoHandle):
    """A model repo: ``client.model("ns/name").predict(row)``, or in short ``Model("ns/name")``."""

    kind: ClassVar[Kind] = "model"

    def __init__(self, name: str, *, revision: str | None = None, client: Client | None = None) -> None:
        super().__init__(name, revision=revision, client=client)
        self._input: Any = _NOT_SET

    def set_input(self, value: Any) -> None:
        """Keeps an input for the next ``predict()``; see ``encode_input`` for what it can be."""
        self._input = value

    def predict(self, value: Any = _NOT_SET, *, deployment: str | None = None) -> Prediction:
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
        encoded = in_thread(encode_input, value)
        name = self._client.full_name(deployment) if deployment else self.name()
        return self._client.deployments.predict(name, encoded)

    def deploy(
        self, name: str | None = None, *, home: Home = "auto", wait: bool = True, timeout: float | None = 300.0
    ) -> Deployment:
        """Serves this revision (by default the head of main) under ``name`` (by default the model's).

        A deployment of that name switches to this revision without dropping a request. With ``wait`` it returns once
        the revision serves, and raises DeploymentFailed when it cannot, WaitTimedOut after ``timeout`` seconds.
        """
        return self._client.deployments.create(
            str(Reference(self.name(), self.revision)), name=name, home=home, wait=wait, timeout=timeout
        )

    def evaluate(self, dataset: str, *, split: str | None = None, revision: str | None = None) -> Job:
        """Measures this revision on a split (by default "test") of a dataset (``ns/name`` or ``ns/name@rev``)."""
        data = Reference.parse(dataset)
        body = {
            "model": self.name(),
            "revision": revision or self.revision,
            "dataset": self._client.full_name(data.name),
            "dataset_revision": data.revision,
            "split": split,
        }
        return self._job("/api/v1/evaluate", body)

    def compile(self, *, revision: str | None = None) -> Job:
        """Turns the trained pipeline into one ONNX graph, committed as a child revision if it answers the same."""
        body = {"model": self.name(), "revision": revision or self.revision}
        return self._job("/api/v1/compile", body)

    def _job(self, path: str, body: dict[str, Any]) -> Job:
        given = {key: value for key, value in body.items() if value is not None}
        return Job(self._transport, JobRecord.of(self._transport.call("POST", path, body=given)))
