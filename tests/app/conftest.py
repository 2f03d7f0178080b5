from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tholos.app import create_app
from tholos.kit.services import Services

sys.path.insert(0, str(Path(__file__).parent))  # the tests share `addresses`


@pytest.fixture
async def http(services: Services, admin_token: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The whole application in process, asked as the administrator."""
    app = create_app(services)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=transport, base_url="http://tholos.test", headers={"authorization": f"Bearer {admin_token}"}
        ) as client,
    ):
        yield client
