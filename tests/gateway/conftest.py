"""Fixtures of the gateway's tests: a real server on a real port, in the test's own event loop."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from tholos.accounts.authorization import Actor
from tholos.gateway.gateway import Gateway
from tholos.gateway.routes import routes
from tholos.kit.http import RequestIdentity, install_errors
from tholos.kit.services import Services
from tholos.kit.settings import Settings
from tholos.serving import service
from tholos.serving.admission import Policy
from tholos.serving.endpoints import router
from tholos.serving.service import View
from tholos.serving.supervisor import Supervisor

sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))  # the samples are serving's

from model_samples import publish

DEADLINE_S = 120.0
POLL_S = 0.02


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"shutdown_grace_s": 3.0})


@dataclass
class Front:
    """The server under test, seen as ada."""

    client: httpx2.AsyncClient
    port: int
    gateway: Gateway
    services: Services
    ada: Actor

    def client_of(self, token: str | None) -> httpx2.AsyncClient:
        """A client of somebody else's, or of nobody's."""
        return _client(self.port, token)

    async def predict(self, value: Any, name: str = "ada/penguins", **options: Any) -> httpx2.Response:
        return await self.client.post(f"/predict/{name}", json={"input": value}, **options)

    async def deploy(self, files: dict[str, bytes], **choice: Any) -> View:
        """Publishes the files, deploys them, and waits until they are served."""
        await asyncio.to_thread(publish, self.services, self.ada, files)
        view = await self.choose(**choice)
        return await self.until(lambda view: view.status.state == "ready", view.deployment.full_name)

    async def choose(self, **choice: Any) -> View:
        chosen = {"model": "ada/penguins", "policy": Policy("allow"), **choice}
        return await asyncio.to_thread(
            lambda: service.deploy(self.services.database, self.services.blobs, self.ada, **chosen)
        )

    async def until(self, condition: Callable[[View], bool], name: str = "ada/penguins") -> View:
        """Waits until a deployment is as the condition wants it."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition(view := await asyncio.to_thread(self.look, name)):  # noqa: ASYNC110 - it is in a database
                await asyncio.sleep(POLL_S)
        return view

    def look(self, name: str = "ada/penguins") -> View:
        with self.services.database.read() as read:
            return service.get(read, self.services.database, self.ada, name)


def _client(port: int, token: str | None) -> httpx2.AsyncClient:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=DEADLINE_S)


@asynccontextmanager
async def listening(services: Services) -> AsyncIterator[tuple[Gateway, int]]:
    """A gateway behind uvicorn on a free port."""
    gateway = Gateway(services)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with gateway.running():
            yield

    async def no_page(*_: object) -> None:
        return None

    app = FastAPI(lifespan=lifespan)
    app.state.services = services
    app.router.routes.extend(routes(gateway, services.settings.max_predict_bytes))
    app.include_router(router)
    install_errors(app, no_page)
    app.add_middleware(RequestIdentity)
    config = uvicorn.Config(app, http="httptools", log_config=None, access_log=False, timeout_graceful_shutdown=10)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        async with asyncio.timeout(DEADLINE_S):
            while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
                await asyncio.sleep(POLL_S)
        yield gateway, sock.getsockname()[1]
        server.should_exit = True
        await serving


Listen = Callable[[Services], AbstractAsyncContextManager[Front]]


@pytest.fixture
def listen(ada: Actor, ada_token: str) -> Listen:
    """Starts a server on services of the test's choosing."""

    @asynccontextmanager
    async def listen(services: Services) -> AsyncIterator[Front]:
        async with listening(services) as (gateway, port), _client(port, ada_token) as client:
            yield Front(client, port, gateway, services, ada)

    return listen


@pytest.fixture
async def front(services: Services, listen: Listen) -> AsyncIterator[Front]:
    async with listen(services) as front:
        yield front


@pytest.fixture
async def supervised(services: Services) -> AsyncIterator[Supervisor]:
    """The node agent's part: replica processes are started and healed."""
    supervisor = Supervisor(services.settings, services.database, services.blobs)
    stopping = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stopping))
    yield supervisor
    stopping.set()
    await running


Raw = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture
def raw(front: Front, ada_token: str) -> Raw:
    """Sends bytes of the test's own choosing over a socket; returns status and JSON of the one answer."""

    async def send(head: str, *body: bytes) -> tuple[int, dict[str, Any]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(head.replace("\n", "\r\n").replace("TOKEN", ada_token).encode() + b"\r\n\r\n")
        for part in body:
            writer.write(part)
        async with asyncio.timeout(DEADLINE_S):
            answer_head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.partition(b":")[2])
                for line in answer_head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            answer = await reader.readexactly(length)
        writer.close()
        return int(answer_head.split()[1]), json.loads(answer)

    return send
