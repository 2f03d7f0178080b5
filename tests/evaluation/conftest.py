"""Fixtures of the evaluation tests: an empty laboratory, and one where everything was made before."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Actor
from tholos.kit.blobs import LocalBlobStore
from tholos.kit.database import Database
from tholos.kit.services import Services
from tholos.kit.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))

from evaluation_lab import Ask, Garden, Lab, asking, plant


@pytest.fixture
def lab(services: Services, ada: Actor, tmp_path: Path) -> Lab:
    """An empty laboratory of ada's, on either database."""
    return Lab(services, ada, tmp_path)


@pytest.fixture(scope="session")
def planted(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Garden:
    """Made once; each test gets a copy."""
    folder = tmp_path_factory.mktemp("garden")
    settings = Settings(home=folder / "home", port=0)
    settings.home.mkdir()
    shutil.copy(sqlite_template, settings.home / "tholos.db")
    database = Database(settings.resolved_database_url)
    services = Services(settings, database, LocalBlobStore(settings.blobs_dir))
    with database.write() as write:
        admin = accounts.authenticate(write, accounts.create_administrator(write) or "")
        ada_token, bob_token = (accounts.create_user(write, admin, name)[1].secret for name in ("ada", "bob"))
        ada, bob = (accounts.authenticate(write, token) for token in (ada_token, bob_token))
    garden = plant(Lab(services, ada, folder), bob, ada_token, bob_token)
    database.checkpoint()
    database.close()
    return garden


@pytest.fixture
def garden(planted: Garden, tmp_path: Path) -> Iterator[Garden]:
    garden = planted.moved(tmp_path / "home", tmp_path)
    yield garden
    garden.services.database.close()


@pytest.fixture
def ask(garden: Garden) -> Iterator[Ask]:
    with asking(garden.services) as ask:
        yield ask
