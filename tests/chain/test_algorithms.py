"""An algorithm that one account shares and another trains with, all the way to predictions, on a running platform."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx2
import psutil
import pytest

import tholos
from tholos.cli.app import run


@pytest.fixture(scope="module")
def author(client: tholos.Client) -> tholos.Client:
    """The author of algorithms, who has nothing else here."""
    with tholos.Client(client.url, client.users.create("grace").secret) as session:
        yield session


@pytest.fixture(scope="module")
def centroid(author: tholos.Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `init` writes, shared as grace/centroid with the tag v1."""
    folder = tmp_path_factory.mktemp("algorithms") / "centroid"
    assert run(["algorithms", "init", str(folder)]) == 0
    repo = author.algorithm("grace/centroid")
    repo.create(visibility="public")
    repo.set_tag("v1", repo.push(folder).id)
    return folder


def test_the_example_passes_its_own_test(centroid: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_train.py"]
    done = subprocess.run(command, cwd=centroid, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_from_a_shared_algorithm_to_a_prediction(
    author: tholos.Client, client: tholos.Client, penguins: str, centroid: Path
) -> None:
    pinned = author.algorithm("grace/centroid@v1").resolve()
    settings = {"params": {"shrink": 0.05}, "validation": 0.2}  # where none is asked for, a slow machine goes without
    job = client.train(penguins, "admin/near", target="species", algorithm="grace/centroid@v1", **settings)
    result = job.result(timeout=240)
    assert result["algorithm"] == f"grace/centroid@{pinned.id}"
    log = job.log()
    assert "Confined by" in log
    assert result["validation"]["accuracy"] > 0.9, log
    model = client.model("admin/near")
    assert model.evaluate(penguins).result(timeout=120)["metrics"]["accuracy"] > 0.9
    compiled = model.compile().result(timeout=240)
    model.deploy()
    example = client.deployments.schema("admin/near")["example"]["input"]
    assert model.predict(example).output in {"Adelie", "Chinstrap", "Gentoo"}
    graph = client.lineage(f"model:admin/near@{compiled['revision']}")
    assert f"algorithm grace/centroid@{pinned.id[:7]}" in {node["label"] for node in graph.nodes}
    described = author.algorithm("grace/centroid@v1").description()
    assert (described.title, described.revision) == ("Centroid", pinned.id)
    assert "grace/centroid" in {repo.name for repo in client.algorithms.repos(owner="grace")}
    # What was trained is the trainer's: the author sees neither model, nor job, nor that there is any.
    with pytest.raises(tholos.NotFound):
        author.model("admin/near").info()
    assert all("admin/near" not in str(node) for node in author.lineage("algorithm:grace/centroid@v1").nodes)


def test_it_is_a_repo_like_any_other(client: tholos.Client, centroid: Path, tmp_path: Path) -> None:
    url = f"{client.url}/algorithms/grace/centroid"
    command = ["git", "clone", "--quiet", url, str(tmp_path / "clone")]
    subprocess.run(
        command, check=True, env={"GIT_TERMINAL_PROMPT": "0", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    )
    assert (tmp_path / "clone" / "train.py").read_bytes() == (centroid / "train.py").read_bytes()
    with httpx2.Client(base_url=client.url) as http:
        raw = http.get("/algorithms/grace/centroid/resolve/v1/train.py")
        assert raw.content == (centroid / "train.py").read_bytes()
        assert http.get("/api/algorithms/grace/centroid").json()["id"] == "grace/centroid"
        assert http.get("/grace/centroid/resolve/v1/train.py").status_code == 404, "it is no model"
        listed = http.get("/api/models", params={"author": "grace"})
        assert listed.json() == []
    client.algorithm("grace/centroid@v1").pull(tmp_path / "pulled")
    assert (tmp_path / "pulled" / "algorithm.yaml").exists()


def test_cancelling_ends_the_code(author: tholos.Client, client: tholos.Client, penguins: str, tmp_path: Path) -> None:
    about = "title: Sleeper\nsummary: Sleeps.\ntasks: [tabular-classification]\n"
    code = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\ndef fit(*_): print('asleep'), time.sleep(600)\n"
    (tmp_path / "algorithm.yaml").write_text(about)
    (tmp_path / "train.py").write_text(code)
    author.algorithm("grace/sleeper").create(visibility="public")
    author.algorithm("grace/sleeper").push(tmp_path)
    job = client.train(penguins, "admin/asleep", target="species", algorithm="grace/sleeper")
    deadline = time.monotonic() + 120
    while "asleep" not in job.log():
        assert time.monotonic() < deadline, job.log()
        time.sleep(0.1)
    assert inside(job.id)
    job.cancel()
    assert job.wait(timeout=60).state == "cancelled"
    assert not inside(job.id)
    assert {entry.path for entry in client.model("admin/asleep").files()} == {".gitattributes"}


def inside(job_id: str) -> list[int]:
    """The processes that run a job's code."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if "tholos.jobs.sandbox.inside" in words and job_id in words:
            found.append(process.pid)
    return found
