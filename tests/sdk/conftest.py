"""Fixtures of the client's tests: the real application on a port, and a small server that misbehaves on command."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import tholos
from tholos.app import create_app
from tholos.kit.services import Services
from tholos.sdk import RetryPolicy
from tholos.server import uvicorn_options

FAST = RetryPolicy(first_delay_s=0.001)


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the login of whoever runs it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("THOLOS_HOME", str(tmp_path / "no-server"))
    return tmp_path


@pytest.fixture
def server(services: Services, admin_token: str) -> Iterator[str]:
    """The URL of the real application, run as a gateway runs it, in a thread."""
    config = uvicorn.Config(create_app(services), port=0, **uvicorn_options(services.settings))
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not running.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    port = running.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join()


@pytest.fixture
def app_client(server: str, admin_token: str) -> Iterator[tholos.Client]:
    with tholos.Client(server, admin_token) as client:
        yield client


@dataclass
class Reply:
    """What the scripted server answers with; ``body`` may be cut short of the announced ``length``."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    drop: bool = False
    """Close the connection without any answer."""

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Seen:
    """A request that the scripted server got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[Seen], Reply]


class Scripted:
    """A real HTTP server whose answers a test writes: by path a list of replies (the last repeats) or a function."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.script: dict[str, list[Reply] | Behaviour] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                outer.seen.append(Seen(self.command, self.path, dict(self.headers), body))
                told = outer.script.get(path, [Reply(404, {"error": {"code": "not_found", "message": "No."}})])
                listed = told if isinstance(told, list) else [told(outer.seen[-1])]
                reply = listed.pop(0) if len(listed) > 1 else listed[0]
                if reply.drop:
                    self.close_connection = True
                    return
                content = reply.content()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content) if reply.length is None else reply.length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)
                if reply.length is not None and reply.length != len(content):
                    self.close_connection = True

            def log_message(self, *_: object) -> None: ...

        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.answer)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.close()


@pytest.fixture
def scripted_client(scripted: Scripted) -> Iterator[tholos.Client]:
    with tholos.Client(scripted.url, "tholos_test", retry=FAST) as client:
        yield client


@pytest.fixture
def reply() -> type[Reply]:
    return Reply
