"""The pages in a real browser, over a model that went through the whole chain."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

import tholos


def test_signing_in_leads_on_and_out_again(visitor: Page, platform: object) -> None:
    visitor.goto("/datasets")
    expect(visitor).to_have_url(re.compile(r"/login\?next=%2Fdatasets"))
    visitor.get_by_label("Token").fill("tholos_wrong")
    visitor.get_by_role("button", name="Sign in").click()
    expect(visitor.get_by_role("alert")).to_contain_text("not valid")
    visitor.get_by_label("Token").fill(platform.token)  # type: ignore[attr-defined]
    visitor.get_by_role("button", name="Sign in").click()
    expect(visitor).to_have_url(re.compile(r"/datasets$"))
    visitor.get_by_role("button", name="Sign out").click()
    visitor.goto("/jobs")
    expect(visitor).to_have_url(re.compile(r"/login"))


def test_a_sign_in_cannot_lead_elsewhere(visitor: Page, platform: object) -> None:
    visitor.goto("/login?next=//evil.example/")
    visitor.get_by_label("Token").fill(platform.token)  # type: ignore[attr-defined]
    visitor.get_by_role("button", name="Sign in").click()
    expect(visitor.get_by_role("heading", name="Welcome, admin")).to_be_visible()


def test_from_the_front_page_to_a_models_card(page: Page, penguins: str) -> None:
    page.goto("/models?search=penguin")
    page.get_by_role("link", name=penguins).first.click()
    expect(page.get_by_role("heading", level=1).first).to_contain_text("penguins")
    expect(page.get_by_text("tabular-classification").first).to_be_visible()


def test_files_and_history(page: Page, penguins: str) -> None:
    page.goto(f"/{penguins}")
    page.get_by_role("link", name="Files").click()
    page.get_by_role("link", name="model.json", exact=True).click()
    expect(page.locator("pre")).to_contain_text('"task": "tabular-classification"')
    page.get_by_role("link", name="History").click()
    expect(page.locator("tbody tr").first).to_contain_text("ONNX")


def test_measurements_show_figures_with_intervals_and_plots(page: Page, penguins: str) -> None:
    page.goto(f"/{penguins}/measurements")
    expect(page.locator(".figure", has_text="Accuracy").first).to_contain_text("–")
    pictures = page.locator(".plots img")
    assert pictures.count() >= 3
    for i in range(pictures.count()):
        pictures.nth(i).scroll_into_view_if_needed()
        expect(pictures.nth(i)).not_to_have_js_property("naturalWidth", 0)


def test_the_form_of_the_signature_predicts(page: Page, penguins: str) -> None:
    page.goto(f"/{penguins}/predict")
    page.get_by_label("flipper_length_mm").fill("230")
    page.get_by_label("bill_depth_mm").fill("14")
    page.get_by_label("island").select_option("Biscoe")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#output")).to_have_text("Gentoo")
    expect(page.get_by_label("flipper_length_mm")).to_have_value("230")


def test_the_deployments_page_answers_and_shows_how_to_call(page: Page, penguins: str) -> None:
    page.goto("/deployments")
    page.get_by_role("link", name=penguins).first.click()
    expect(page.locator("pre").first).to_contain_text(f"/predict/{penguins}")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#output")).to_have_text(re.compile("Adelie|Chinstrap|Gentoo"))


def test_a_datasets_data_is_profiled(page: Page, penguins: str) -> None:
    page.goto(f"/datasets/{penguins}/data")
    expect(page.locator("tr", has_text="species").first).to_contain_text("Adelie")
    expect(page.locator(".figure", has_text="default / test")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page).to_have_url(re.compile("offset=25"))


def test_lineage_names_every_step(page: Page, penguins: str) -> None:
    page.goto(f"/{penguins}/lineage")
    for kind in ("training.train", "optimization.compile"):
        expect(page.get_by_role("link", name=kind).first).to_be_visible()


def test_a_jobs_log_and_progress_come_in_live(page: Page, client: tholos.Client, penguins: str) -> None:
    job = client.train(penguins, "admin/live", target="species", algorithm="auto", budget_s=6)
    page.goto(f"/jobs/{job.id}")
    expect(page.locator("#state")).to_contain_text("succeeded", timeout=120_000)
    expect(page.locator("#log")).not_to_be_empty()
    expect(page.locator("#series figure").first).to_be_visible()
    job.result(timeout=60)


def test_a_job_can_be_cancelled_and_run_again(page: Page, client: tholos.Client, penguins: str) -> None:
    job = client.train(penguins, "admin/cancelled", target="species", algorithm="auto", budget_s=60)
    page.goto(f"/jobs/{job.id}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#state")).to_contain_text("cancelled", timeout=60_000)
    expect(page.get_by_role("button", name="Run again")).to_be_visible()


def test_what_is_not_there_says_so_as_a_page(page: Page) -> None:
    answer = page.goto("/nobody/nothing")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_contain_text("There is no model")


def test_a_private_model_does_not_show_to_a_visitor(visitor: Page, penguins: str) -> None:
    answer = visitor.goto(f"/{penguins}")
    assert answer is not None
    assert answer.status == 404


@pytest.mark.parametrize("address", ["/", "/{0}", "/{0}/measurements", "/{0}/predict", "/datasets/{0}/data", "/jobs"])
def test_nothing_is_wider_than_a_phone(page: Page, penguins: str, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(address.format(penguins))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("address", ["/{}/predict", "/deployments/{}"])
def test_the_form_of_a_regression_predicts(page: Page, flippers: str, address: str) -> None:
    page.goto(address.format(flippers))
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#output")).to_have_text(re.compile(r"\d"))


def test_every_link_of_a_trained_models_card_leads_somewhere(page: Page, penguins: str) -> None:
    page.goto(f"/{penguins}")
    links = page.locator(".prose a")
    addresses = {links.nth(i).get_attribute("href") or "" for i in range(links.count())}
    inside = {address for address in addresses if address.startswith("/")}
    assert f"/datasets/{penguins}" in inside
    for address in inside:
        assert page.request.get(address).status == 200, address
