from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import tholos

if TYPE_CHECKING:
    from conftest import Platform

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless and offline.

    For a module, not the session: while Playwright's synchronous door is open, no asynchronous test can run.
    """
    if not CHROMIUM.exists():
        pytest.fail("Chromium is not installed: run `make test` as root, or `apt-get install chromium`.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def visitor(browser: Browser, platform: Platform) -> Iterator[Page]:
    """A page of someone who has not signed in. Fails the test on any script error."""
    context = browser.new_context(base_url=platform.url, viewport={"width": 1100, "height": 800})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors


@pytest.fixture
def page(visitor: Page, platform: Platform) -> Page:
    """A page of the signed-in administrator."""
    visitor.goto("/login")
    visitor.get_by_label("Token").fill(platform.token)
    visitor.get_by_role("button", name="Sign in").click()
    return visitor


@pytest.fixture(scope="module")
def flippers(client: tholos.Client, penguins: str) -> str:
    """A deployed regression."""
    name = "admin/flippers"
    client.train(penguins, name, target="flipper_length_mm", algorithm="decision_tree").result(timeout=120)
    client.model(name).deploy()
    return name
