"""Moving a repo on its page, and its former address, in a real browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

import tholos


def test_a_repo_is_moved_and_its_former_pages_lead_to_it(page: Page, client: tholos.Client) -> None:
    client.dataset("admin/nests").create()
    page.goto("/datasets/admin/nests")
    page.get_by_role("link", name="Access, requests and name").click()
    page.get_by_label("Move it to another name").fill("admin/burrows")
    page.get_by_role("button", name="Move").click()
    expect(page).to_have_url(f"{client.url}/datasets/admin/burrows")
    page.goto("/datasets/admin/nests/tree/main?x=1")
    expect(page).to_have_url(f"{client.url}/datasets/admin/burrows/tree/main?x=1")
    expect(page.get_by_role("link", name=".gitattributes")).to_be_visible()
    page.goto("/datasets/admin/burrows/access")
    page.get_by_label("Move it to another name").fill("nobody-there/burrows")
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_text("nobody-there")).to_be_visible()


def test_a_deployment_follows_its_model(page: Page, client: tholos.Client, flippers: str) -> None:
    former = f"{flippers}-before"
    client.model(flippers).move(former)  # the deployment keeps its own name
    client.model(former).move("admin/fins")
    try:
        deployment = client.deployments.get(flippers)
        assert deployment.model == "admin/fins"
        assert client.deployments.schema(flippers)["model"] == "admin/fins"
        page.goto("/deployments")
        page.get_by_role("link", name="admin/fins").click()
        page.get_by_role("link", name="Predict").click()
        expect(page.get_by_role("link", name=flippers, exact=True)).to_be_visible()
        page.get_by_role("button", name="Predict").click()
        expect(page.get_by_text("by revision")).to_be_visible()
    finally:
        client.model("admin/fins").move(flippers)
