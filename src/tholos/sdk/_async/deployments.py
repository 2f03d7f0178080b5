"""Deployments: named, served choices of a model's revision."""

# ruff: noqa: ASYNC109 - the synchronous twin has the same parameters
from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tholos.sdk import errors
from tholos.sdk._async.concurrency import sleep
from tholos.sdk.references import Reference, segment
from tholos.sdk.results import Deployment, Prediction

if TYPE_CHECKING:
    from tholos.sdk._async.client import AsyncClient

_FIRST_POLL_S = 0.05
_LONGEST_POLL_S = 0.5


class AsyncDeployments:
    """The deployments you may see."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def list(self, *, limit: int | None = None) -> list[Deployment]:
        """Deployments, newest first."""
        items = await self._client.transport.pages("/api/v1/deployments", limit=limit)
        return [Deployment.of(item) for item in items]

    async def get(self, name: str) -> Deployment:
        """One deployment. Raises NotFound."""
        return Deployment.of(await self._client.transport.call("GET", await self._path(name)))

    async def create(
        self,
        model: str,
        *,
        name: str | None = None,
        home: str = "auto",
        allow_unsafe: bool = False,
        wait: bool = True,
        timeout: float | None = 300.0,
    ) -> Deployment:
        """Serves a model's revision (``ns/name`` or ``ns/name@rev``); see ``Model.deploy``.

        ``allow_unsafe`` lets an administrator serve it whatever its scan says.
        """
        reference = Reference.parse(model)
        body: dict[str, Any] = {"model": await self._client.full_name(reference.name), "home": home}
        if reference.revision:
            body["revision"] = reference.revision
        if allow_unsafe:
            body["allow_unsafe"] = True
        if name:
            body["name"] = await self._client.full_name(name)
        deployment = Deployment.of(await self._client.transport.call("POST", "/api/v1/deployments", body=body))
        return await self.wait_ready(deployment.name, timeout) if wait else deployment

    async def wait_ready(self, name: str, timeout: float | None = 300.0) -> Deployment:
        """Waits until the wanted revision serves. Raises DeploymentFailed when it cannot, and WaitTimedOut."""
        started, pause = time.monotonic(), _FIRST_POLL_S
        while not (deployment := await self.get(name)).settled:
            if timeout is not None and time.monotonic() - started > timeout:
                raise errors.WaitTimedOut(
                    f"{deployment.name} is still {deployment.state} after {timeout:g} seconds.",
                    next=f"It goes on: look again with `tholos deployments show {deployment.name}`.",
                )
            await sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL_S)
        if deployment.state != "ready":
            raise errors.DeploymentFailed(
                deployment.error or f"{deployment.name} is {deployment.state}.",
                next=f"Look at it with `tholos deployments show {deployment.name}`.",
                details={"state": deployment.state, "serving_revision": deployment.serving_revision},
            )
        return deployment

    async def start(self, name: str) -> Deployment:
        """Serves a stopped deployment again."""
        return Deployment.of(await self._client.transport.call("POST", f"{await self._path(name)}/start"))

    async def stop(self, name: str) -> Deployment:
        """Stops serving; the deployment stays and can be started again."""
        return Deployment.of(await self._client.transport.call("POST", f"{await self._path(name)}/stop"))

    async def rollback(self, name: str) -> Deployment:
        """Goes back to the revision served before."""
        return Deployment.of(await self._client.transport.call("POST", f"{await self._path(name)}/rollback"))

    async def delete(self, name: str) -> None:
        """Stops serving and removes the deployment; the model stays."""
        await self._client.transport.call("DELETE", await self._path(name))

    async def schema(self, name: str) -> dict[str, Any]:
        """What is deployed: ``task``, ``signature``, ``body_schema``, an ``example`` body and a ``curl`` command."""
        answer: dict[str, Any] = await self._client.transport.call("GET", f"{await self._path(name)}/schema")
        return answer

    async def predict(self, name: str, value: Any) -> Prediction:
        """The answer to an input that is in its JSON form already; ``Model.predict`` takes Python's objects."""
        namespace, _, rest = (await self._client.full_name(name)).partition("/")
        path = f"/predict/{segment(namespace)}/{segment(rest)}"
        return Prediction.of(await self._client.transport.call("POST", path, body={"input": value}))

    async def _path(self, name: str) -> str:
        namespace, _, rest = (await self._client.full_name(name)).partition("/")
        return f"/api/v1/deployments/{segment(namespace)}/{segment(rest)}"
