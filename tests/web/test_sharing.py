"""The pages on which things are shared, in a real browser."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request

from playwright.sync_api import Page, expect

import tholos


def test_an_organization_its_members_and_a_repo_of_it(page: Page, client: tholos.Client) -> None:
    client.users.create("hedy")
    page.goto("/organizations")
    page.get_by_label("Name", exact=False).first.fill("labs")
    page.get_by_label("Full name").fill("Labs <b>& Co</b>")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Labs <b>& Co</b>")
    page.get_by_label("User").fill("hedy")
    page.get_by_label("Role").select_option("write")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#members")).to_contain_text("hedy")
    client.model("labs/tree").create()
    page.reload()
    page.get_by_role("link", name="labs/tree").click()
    page.get_by_role("link", name="Collaborators").click()
    page.get_by_label("User").fill("hedy")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("tbody tr")).to_contain_text("reader")
    page.get_by_role("button", name="Remove hedy").click()
    expect(page.get_by_text("Nobody but its owner")).to_be_visible()
    page.goto("/labs")
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_text("without an admin")).to_be_visible()


def test_keys_are_made_shown_once_and_revoked(page: Page) -> None:
    page.goto("/settings/tokens")
    page.get_by_label("What it is for").fill("shop")
    page.get_by_label("All it may reach").fill("admin/x:read\nadmin/y:nonsense")
    page.get_by_label("admin", exact=True).uncheck()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("alert")).to_contain_text("no limit")
    page.get_by_label("What it is for").fill("shop")
    page.get_by_label("All it may reach").fill("admin/x:read")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#secret")).to_contain_text("tholos_")
    row = page.locator("tr", has_text="shop")
    expect(row).to_contain_text("admin/x:read")
    page.get_by_role("button", name="Revoke shop").click()
    expect(page.locator("tr", has_text="shop")).to_have_count(0)
    expect(page.locator("#secret")).to_have_count(0)


def test_a_program_is_let_in_by_its_code(page: Page, client: tholos.Client) -> None:
    request = urllib.request.Request(
        f"{client.url}/oauth/device", data=urllib.parse.urlencode({"client_id": "x"}).encode()
    )
    with urllib.request.urlopen(request) as answer:
        code = json.load(answer)["user_code"]
    page.goto("/login/device")
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text(code)).to_be_visible()
    page.get_by_role("button", name="Let it in").click()
    expect(page.get_by_role("status")).to_contain_text("The program is in")
