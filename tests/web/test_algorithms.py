"""The pages of algorithm repos in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import tholos
from tholos.cli.app import run


@pytest.fixture(scope="module")
def centroid(client: tholos.Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An algorithm repo of the administrator's."""
    folder = tmp_path_factory.mktemp("algorithms") / "centroid"
    assert run(["algorithms", "init", str(folder)]) == 0
    client.algorithm("admin/centroid").push(folder)
    return "admin/centroid"


@pytest.mark.long
def test_a_model_is_trained_by_the_form(page: Page, client: tholos.Client, penguins: str, centroid: str) -> None:
    page.goto("/algorithms")
    page.get_by_role("link", name=centroid).click()
    expect(page.locator(".prose")).to_contain_text("Train with it")
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Train").click()
    expect(page.locator("#parameters")).to_contain_text("How far the means of the classes move")
    expect(page.locator("#made")).to_contain_text("None that you may see.")
    page.get_by_label("Dataset").fill(penguins)
    page.get_by_label("Target column").fill("specie")
    page.get_by_label("Model to make").fill("admin/by-form")
    page.get_by_label("shrink").fill("0.2")
    page.get_by_role("button", name="Train").click()
    expect(page.get_by_role("alert")).to_contain_text("species")
    expect(page.get_by_label("shrink")).to_have_value("0.2")
    page.get_by_label("Target column").fill("species")
    page.get_by_role("button", name="Train").click()
    page.wait_for_url("**/jobs/*")
    job = client.jobs.get(page.url.rpartition("/")[2])
    assert job.result(timeout=240)["params"] == {"shrink": 0.2}
    page.goto(f"/algorithms/{centroid}/train")
    expect(page.locator("#made")).to_contain_text("admin/by-form")
    page.goto("/admin/by-form")
    page.get_by_role("link", name=centroid).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("centroid")
    for tab in ("Files", "History", "Lineage"):
        page.get_by_role("navigation", name="Sections").get_by_role("link", name=tab).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("centroid")


def test_a_broken_description_is_told_on_the_page(page: Page, client: tholos.Client, tmp_path: Path) -> None:
    (tmp_path / "algorithm.yaml").write_text("title: <script>alert(1)</script>\nsummary: a\ntasks: [tasks]\n")
    client.algorithm("admin/broken").push(tmp_path / "algorithm.yaml")
    page.goto("/algorithms/admin/broken/train")
    expect(page.get_by_text("algorithm.yaml: tasks names 'tasks'")).to_be_visible()
    (tmp_path / "algorithm.yaml").write_text(
        "title: <script>alert(1)</script>\nsummary: a\ntasks: [text-classification]\n"
    )
    client.algorithm("admin/broken").push(tmp_path / "algorithm.yaml")
    page.goto("/algorithms/admin/broken/train")
    expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()


def test_a_private_algorithm_has_no_page_for_strangers(visitor: Page, centroid: str) -> None:
    hidden = visitor.request.get(f"/algorithms/{centroid}/train")
    missing = visitor.request.get("/algorithms/admin/absent/train")
    assert hidden.status == missing.status == 404
