"""Discussions, pull requests and webhooks in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import tholos


@pytest.fixture(scope="module")
def talked_about(client: tholos.Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model with a pull request, #1, that changes a text and brings a binary file."""
    folder = tmp_path_factory.mktemp("pull")
    (folder / "notes.txt").write_text("one\ntwo\n")
    model = client.model("admin/talked-about")
    model.push(folder / "notes.txt")
    (folder / "notes.txt").write_text("one\n2\n")
    (folder / "w.bin").write_bytes(b"\0\1" * 5000)
    model.propose(folder, title="Write numbers", text="Digits are **shorter**.")
    return "admin/talked-about"


def test_a_discussion_from_form_to_form(page: Page, talked_about: str) -> None:
    page.goto(f"/{talked_about}")
    page.get_by_role("link", name="Community").click()
    page.get_by_label("Title").fill("Which island?")
    page.get_by_label("What is it about?").fill("Is it *Dream*? <script>document.title = 'owned'</script>")
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.get_by_role("heading", name="Which island?")).to_be_visible()
    expect(page.locator(".prose em")).to_have_text("Dream")
    expect(page).not_to_have_title("owned")
    page.get_by_role("textbox", name="Comment Markdown").fill("It is Biscoe.")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".prose").nth(1)).to_have_text("It is Biscoe.")
    page.locator("summary", has_text="Hide").last.click()
    page.get_by_role("button", name="Hide").last.click()
    expect(page.get_by_text("This comment has been hidden.")).to_be_visible()
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator("[data-state=closed]")).to_be_visible()
    expect(page.get_by_role("button", name="Comment", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Open again").click()
    expect(page.locator("[data-state=open]")).to_be_visible()


def test_a_pull_request_is_looked_at_and_merged(page: Page, talked_about: str) -> None:
    page.goto(f"/{talked_about}/discussions")
    page.get_by_role("link", name="Write numbers").click()
    expect(page.locator(".prose strong")).to_have_text("shorter")
    page.get_by_role("link", name="Files changed").click()
    expect(page.locator(".diff .removed")).to_have_text("-two")
    expect(page.locator(".diff .added")).to_have_text("+2")
    expect(page.locator("section", has_text="w.bin")).to_contain_text("new, 9.8 KiB")
    page.get_by_role("link", name="Conversation").click()
    page.get_by_role("button", name="Merge into main").click()
    expect(page.locator("[data-state=merged]")).to_be_visible()
    page.get_by_role("link", name="Files", exact=True).click()
    expect(page.get_by_role("link", name="w.bin")).to_be_visible()


def test_a_visitor_sees_no_forms_and_nothing_of_private_repos(visitor: Page, talked_about: str) -> None:
    answer = visitor.goto(f"/{talked_about}/discussions")
    assert answer is not None
    assert answer.status == 404


def test_webhooks(page: Page, client: tholos.Client, talked_about: str) -> None:
    page.goto("/settings/webhooks")
    page.get_by_label("Address").fill("http://127.0.0.1:9/hook")
    page.get_by_label("Watches").fill(f"model:{talked_about}")
    page.get_by_label("Secret").fill("s3cret")
    page.get_by_role("button", name="Add").click()
    expect(page).to_have_url(re.compile(r"/settings/webhooks/hook_"))
    client.model(talked_about).discussions.open("For the webhook")
    delivery = page.locator("details.delivery")
    for _ in range(100):
        if delivery.count() and "public internet" in (delivery.first.text_content() or ""):
            break
        page.wait_for_timeout(100)
        page.reload()
    delivery.first.locator("summary").click()
    expect(delivery.first.locator(".note")).to_contain_text("not an address of the public internet")
    expect(delivery.first.locator("pre")).to_contain_text('"scope": "discussion"')
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Enable")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(r"/settings/webhooks$"))


def test_pictures_of_the_pages(page: Page, talked_about: str, tmp_path: Path) -> None:
    """Nothing runs over the edge on a narrow screen."""
    page.set_viewport_size({"width": 400, "height": 800})
    for path in (
        f"/{talked_about}/discussions",
        f"/{talked_about}/discussions/1",
        f"/{talked_about}/discussions/1/files",
    ):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, path
