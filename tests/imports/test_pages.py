"""What the page of a model from elsewhere shows, and its form."""

from __future__ import annotations

import foreign_models as foreign

from tholos import runtimes
from tholos.jobs.models import Job


def test_the_page_shows_what_was_guessed_and_its_form_imports(bench, as_ada, as_bob):
    bench.push("ada/net", {"net.onnx": foreign.network_onnx(metadata={"classes": '["<b>", "x", "y"]'})})
    assert "A job is reading the files" in as_ada.get("/ada/net").text
    bench.settle()
    shown = as_ada.get("/ada/net").text
    assert "Make it deployable" in shown
    assert "guessed" in shown
    assert "&lt;b&gt;, x, y" in shown
    assert "<b>, x" not in shown
    answer = as_ada.post("/ada/net/import", data={"label_names": "a, b, c"}, follow_redirects=False)
    assert answer.status_code == 303
    with bench.services.database.read() as read:
        job = read.get(Job, answer.headers["location"].rpartition("/")[2])
    assert bench.run(job)["deployable"]
    corrected = as_ada.get("/ada/net").text
    assert "given" in corrected
    assert "Correct" in corrected
    assert as_bob.post("/ada/net/import", data={}).status_code == 404


def test_a_model_that_is_not_served_says_so_on_its_page(bench, as_ada):
    metadata = {"general.architecture": "bert", "general.name": "<script>alert(1)</script>"}
    bench.push("ada/tiny", {"tiny.gguf": foreign.gguf_bytes(metadata=metadata)})
    bench.settle()
    shown = as_ada.get("/ada/tiny").text
    assert "no runtime of this installation serves it yet" in shown
    assert "Make it deployable" not in shown
    assert "<script>alert" not in shown


def test_a_model_whose_runtime_is_not_installed_says_what_to_install(bench, as_ada, monkeypatch):
    monkeypatch.setitem(runtimes.EXTRAS, "gguf", ("llm", ("no_such_module",)))
    bench.push("ada/letters", {"letters.gguf": foreign.letters_gguf()})
    bench.settle()
    shown = as_ada.get("/ada/letters").text
    assert "This installation lacks no_such_module" in shown
    assert "tholos[llm]" in shown
    assert "Make it deployable" in shown
