"""Fixtures for every room: a fresh home, a migrated database on both engines, services, a whole platform."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.engine import make_url

import tholos
from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor
from tholos.hub.models import CollectionState
from tholos.kit.blobs import open_blob_store
from tholos.kit.database import Database
from tholos.kit.logs import configure_logs
from tholos.kit.services import Services
from tholos.kit.settings import Settings
from tholos.migrations import migrate

hypothesis.settings.register_profile("untimed", deadline=None)  # how long an example takes is no matter of a test's
hypothesis.settings.load_profile("untimed")

for _name in [name for name in os.environ if name.startswith("THOLOS_") and not name.startswith("THOLOS_TEST_")]:
    del os.environ[_name]


ON_BOTH_DATABASES = frozenset(
    f"{name}.py"
    for name in (
        *("accounts/test_service", "jobs/test_lifecycle", "jobs/test_runner", "jobs/test_service", "kit/test_database"),
        *("hub/test_collection", "hub/test_commits", "hub/test_crash", "hub/test_quotas", "hub/test_repos"),
        *("hub/test_search", "hub/test_uploads", "hub/xet/test_service", "community/test_pulls"),
    )
)
"""Where PostgreSQL is most likely to behave otherwise. `make test` runs these on both, `make test-all` everything."""

ON_BUCKETS = os.environ.get("THOLOS_TEST_PLATFORM") == "buckets"
"""Puts the shared platform on PostgreSQL and a bucket, and runs only the tests that work with it."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if ON_BUCKETS:
        others = [item for item in items if "platform" not in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if "platform" in getattr(item, "fixturenames", ())]
    for item in items:
        chosen = getattr(item, "callspec", None)
        on_postgresql = chosen is not None and chosen.params.get("database_kind") == "postgresql"
        if on_postgresql and str(item.path.relative_to(Path(__file__).parent)) not in ON_BOTH_DATABASES:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite database, copied for each test."""
    path = tmp_path_factory.mktemp("template") / "tholos.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.checkpoint()
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a throw-away PostgreSQL cluster, with a migrated database named ``template``."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.fail("PostgreSQL is not installed: run `make test` as root, or `apt-get install postgresql`.")
    folder = Path(tempfile.mkdtemp(prefix="tholos-postgres-"))
    folder.chmod(0o777)  # PostgreSQL refuses to run as root, so its own user must get in
    become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

    def run(*command: str) -> None:
        subprocess.run([*become, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")

    data = folder / "data"
    run(str(programs[-1] / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
    options = f"-k {folder} -h '' -c fsync=off -c full_page_writes=off -c max_connections=300"
    run(str(programs[-1] / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
    try:
        _admin(url, "CREATE DATABASE template")
        database = Database(_in(url, "template"))
        migrate(database)
        database.close()
        yield url
    finally:
        run(str(programs[-1] / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def bucket_service() -> Iterator[str]:
    """The address of an S3-compatible service with an empty bucket named ``tholos``."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = next(found[0] for line in process.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        threading.Thread(target=process.stderr.read, daemon=True).start()  # it logs every request
        urllib.request.urlopen(urllib.request.Request(f"{address}/tholos", method="PUT")).close()
        yield address
        process.kill()


@pytest.fixture
def bucket(bucket_service: str) -> dict[str, str]:
    """Settings of a store in a part of the bucket that no other test uses."""
    return _part_of(bucket_service)


def _part_of(bucket_service: str) -> dict[str, str]:
    return {
        "blob_store": f"s3://tholos/{uuid.uuid4().hex}",
        "s3_endpoint": bucket_service,
        "s3_access_key_id": "test",
        "s3_secret_access_key": "test",
    }


@pytest.fixture
def store_kind(database_kind: str) -> str:
    """Where files lie: a ``folder``, or with THOLOS_TEST_BUCKETS=1 beside PostgreSQL a ``bucket``."""
    return "bucket" if database_kind == "postgresql" and os.environ.get("THOLOS_TEST_BUCKETS") == "1" else "folder"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Which database a test runs on. Override with ``@pytest.mark.parametrize("database_kind", ["sqlite"])``."""
    return str(request.param)


@pytest.fixture
def settings(tmp_path: Path, database_kind: str, store_kind: str, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings of a fresh home with an empty, migrated database and an empty store."""
    home = tmp_path / "home"
    home.mkdir()
    store: dict[str, Any] = {}
    if store_kind == "bucket":
        store = request.getfixturevalue("bucket")
    if database_kind == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), home / "tholos.db")
        yield Settings(home=home, port=0, deploy_unscanned="allow", **store)  # no job runner stands behind these
        return
    url = request.getfixturevalue("postgres")
    name = f"t{uuid.uuid4().hex}"
    _admin(url, f"CREATE DATABASE {name} TEMPLATE template")
    yield Settings(home=home, port=0, database_url=_in(url, name), deploy_unscanned="allow", **store)
    _admin(url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.resolved_database_url)
    yield database
    database.close()


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    return Services(settings, database, open_blob_store(settings))


@pytest.fixture
def admin_token(database: Database) -> str:
    with database.write() as write:
        token = accounts.create_administrator(write)
    assert token is not None
    return token


@pytest.fixture
def admin(database: Database, admin_token: str) -> Actor:
    with database.read() as read:
        return accounts.authenticate(read, admin_token)


@pytest.fixture
def ada_token(database: Database, admin: Actor) -> str:
    """The token of an ordinary user, ada."""
    with database.write() as write:
        return accounts.create_user(write, admin, "ada")[1].secret


@pytest.fixture
def ada(database: Database, ada_token: str) -> Actor:
    with database.read() as read:
        return accounts.authenticate(read, ada_token)


@pytest.fixture
def bob_token(database: Database, admin: Actor) -> str:
    """The token of another ordinary user, bob, to whom nothing of ada's is granted."""
    with database.write() as write:
        return accounts.create_user(write, admin, "bob")[1].secret


@pytest.fixture
def bob(database: Database, bob_token: str) -> Actor:
    with database.read() as read:
        return accounts.authenticate(read, bob_token)


@pytest.fixture(scope="session")
def made_apps() -> list[FastAPI]:
    """Building the application takes longer than most tests, so it is built once and given new services."""
    return []


@pytest.fixture
def app(services: Services, made_apps: list[FastAPI]) -> FastAPI:
    """The whole application in this process, on this test's services."""
    if not made_apps:
        from tholos.app import create_app  # only the tests that ask for it wait for its imports

        configure_logs("ERROR")
        made_apps.append(create_app(services))
    made_apps[0].state.services = services
    return made_apps[0]


@pytest.fixture
def anyone(app: FastAPI) -> TestClient:
    """The application, asked by nobody in particular."""
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def as_ada(app: FastAPI, ada_token: str) -> TestClient:
    return TestClient(app, raise_server_exceptions=False, headers={"authorization": f"Bearer {ada_token}"})


@pytest.fixture
def as_bob(app: FastAPI, bob_token: str) -> TestClient:
    return TestClient(app, raise_server_exceptions=False, headers={"authorization": f"Bearer {bob_token}"})


@pytest.fixture
def endpoint(app: FastAPI, database: Database) -> Iterator[str]:
    """The application on a port, for clients that want sockets: its address."""
    with database.write() as write:  # Xet clients remember addresses, and another test may have had this port
        write.execute(update(CollectionState).values(generation=random.randrange(1 << 30)))
    options: dict[str, Any] = {"port": 0, "log_level": "warning", "lifespan": "off", "timeout_graceful_shutdown": 5}
    server = uvicorn.Server(uvicorn.Config(app, **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def _admin(url: str, statement: str) -> None:
    parsed = make_url(url)
    with psycopg.connect(host=str(parsed.query["host"]), user="postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def _in(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@dataclass
class Platform:
    """A whole platform in processes of its own, as `tholos up` starts it."""

    home: Path
    environment: dict[str, str]
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Starts it and waits until it is ready; raises when it dies first."""
        (self.home / "run" / "server.json").unlink(missing_ok=True)
        with (self.home.parent / "platform.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tholos.agent"],
                env={**os.environ, **self.environment},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        deadline = time.monotonic() + 180
        while not (self.home / "run" / "server.json").exists():
            said = (self.home.parent / "platform.log").read_text()
            assert self.process.poll() is None, f"the platform ended with {self.process.returncode}\n{said}"
            assert time.monotonic() < deadline, f"the platform was not ready in time\n{said}"
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILLs the agent; all that it owns dies with it."""
        assert self.process is not None
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """Asks it to stop; returns its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self._reap()

    def _reap(self) -> int:
        assert self.process is not None
        status = self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    @property
    def settings(self) -> Settings:
        """What it runs with, for tests that look into its database or store."""
        given: dict[str, Any] = {key.removeprefix("THOLOS_").lower(): text for key, text in self.environment.items()}
        return Settings(**given)

    @property
    def url(self) -> str:
        return str(json.loads((self.home / "run" / "server.json").read_text())["url"])

    @property
    def token(self) -> str:
        return (self.home / "admin-token").read_text().strip()


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Platform]:
    """One running platform that tests share: each works in repos of its own.

    On SQLite and a folder, or with THOLOS_TEST_PLATFORM=buckets on PostgreSQL and a bucket. Only what is larger than
    a client of Xet asks for at once (256 MiB) is offered for download by Xet, so that both ways are gone.
    """
    home = tmp_path_factory.mktemp("platform") / "home"
    environment = {"THOLOS_XET_DOWNLOAD_BYTES": str(256 << 20)}
    if not ON_BUCKETS:
        yield from _running(home, environment)
        return
    store = _part_of(request.getfixturevalue("bucket_service"))
    with _empty_database(request.getfixturevalue("postgres")) as url:
        environment |= {f"THOLOS_{name.upper()}": value for name, value in store.items()}
        yield from _running(home, environment | {"THOLOS_DATABASE_URL": url})


@pytest.fixture
def own_platform(tmp_path: Path) -> Iterator[Platform]:
    """A running platform that one test may kill, stop and start again."""
    yield from _running(tmp_path / "home", {})


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with nothing in it."""
    with _empty_database(postgres) as url:
        yield url


@contextmanager
def _empty_database(postgres: str) -> Iterator[str]:
    name = f"t{uuid.uuid4().hex}"
    _admin(postgres, f"CREATE DATABASE {name}")
    yield _in(postgres, name)
    _admin(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], Platform]]:
    """Starts a platform with these settings, as environment; it may be killed and is stopped afterwards."""
    started: list[Iterator[Platform]] = []

    def run(environment: dict[str, str]) -> Platform:
        started.append(_running(tmp_path / f"home{len(started)}", environment))
        return next(started[-1])

    yield run
    for platform in started:
        next(platform, None)


@pytest.fixture
def postgres_platform(tmp_path: Path, empty_database: str) -> Iterator[Platform]:
    """As ``own_platform``, with two gateways, on an empty PostgreSQL database."""
    yield from _running(tmp_path / "home", {"THOLOS_DATABASE_URL": empty_database, "THOLOS_WORKERS": "2"})


@pytest.fixture(scope="module")
def start_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Platform]]:
    """Starts platforms that live as long as the module's tests: `start_platform("there", THOLOS_WORKERS="2")`."""
    with ExitStack() as stack:

        def start(name: str, **environment: str) -> Platform:
            running = contextmanager(_running)(tmp_path_factory.mktemp(name) / "home", environment)
            return stack.enter_context(running)

        yield start


def _running(home: Path, environment: dict[str, str]) -> Iterator[Platform]:
    home.mkdir()
    own = {"THOLOS_HOME": str(home), "THOLOS_PORT": "0", "THOLOS_JOB_RETRY_DELAY_S": "0.1"}
    platform = Platform(home, own | environment)
    platform.start()
    yield platform
    platform.stop()


@pytest.fixture(scope="session")
def client(platform: Platform) -> Iterator[tholos.Client]:
    """The SDK as the administrator of the shared platform."""
    with tholos.Client(platform.url, platform.token) as client:
        yield client


@pytest.fixture(scope="session")
def penguins(client: tholos.Client) -> str:
    """A model that went through the whole chain on the shared platform; dataset and deployment have its name."""
    name = "admin/penguins"
    client.datasets.import_("penguins", name).result(timeout=120)
    client.dataset(name).split(method="stratified", column="species", seed=0).result(timeout=120)
    client.train(name, target="species", algorithm="decision_tree").result(timeout=120)
    client.model(name).compile().result(timeout=120)
    client.model(name).evaluate(name).result(timeout=120)
    client.model(name).deploy()
    return name
