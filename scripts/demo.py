"""The main job, end to end, on real data: what `make demo` runs.

Starts the platform in a fresh home, then for a table, a set of images and a set of texts: import, split, train,
compile, evaluate on the test split, deploy, predict over HTTP with a key of its own. Prints what it measured. With
``--check`` it stops afterwards and exits with 0 or 1; else it stays in the foreground until Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

import tholos

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 130)
READY_WITHIN_S = 60


@dataclass(frozen=True)
class Chain:
    """One data set's way through the platform."""

    source: str
    target: str
    algorithm: str
    params: Mapping[str, Any]
    features: tuple[str, ...] | None
    stratify: str
    floor: float
    """Accuracy on the test split below which the demo counts as failed."""


CHAINS = (
    Chain("penguins", "species", "random_forest", {}, None, "species", 0.93),
    Chain("digits", "label", "random_forest", {"trees": 100}, None, "label", 0.93),
    Chain("fine-foods", "score", "tfidf_linear", {}, ("review",), "score", 0.75),
)


@dataclass(frozen=True)
class Outcome:
    """What one chain measured."""

    chain: Chain
    model: str
    accuracy: float
    low: float
    high: float
    rows: int
    native_us: float
    compiled_us: float
    max_difference: float
    predict_ms: float
    answer: Mapping[str, Any]


def main() -> int:
    """Runs the demo; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="stop afterwards; exit 0 if all went well, else 1")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tholos-demo-", ignore_cleanup_errors=True) as home:
        server = start(Path(home), options.port)
        try:
            return run(server, Path(home), check=options.check)
        except (tholos.TholosError, httpx2.HTTPError, AssertionError) as error:
            console.print(f"[red]The demo failed:[/red] {error}")
            return 1
        except KeyboardInterrupt:
            return 130
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def start(home: Path, port: int) -> subprocess.Popen[str]:
    """Starts the platform in a fresh home and waits until it is ready."""
    console.print("[bold]Starting Tholos[/bold] in a fresh home …")
    environment = {**os.environ, "THOLOS_HOME": str(home), "THOLOS_PORT": str(port), "THOLOS_LOG_LEVEL": "WARNING"}
    server = subprocess.Popen(
        [sys.executable, "-m", "tholos.agent"], env=environment, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + READY_WITHIN_S
    while not (home / "run" / "server.json").exists():
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit("The platform did not start; see the messages above.")
        time.sleep(0.05)
    return server


def run(server: subprocess.Popen[str], home: Path, *, check: bool) -> int:
    """Everything after the start; returns the exit code."""
    url = json.loads((home / "run" / "server.json").read_text())["url"]
    token = (home / "admin-token").read_text().strip()
    started = time.monotonic()
    with tholos.Client(url=url, token=token) as client:
        key = client.keys.create("demo application", scopes=["predict"]).secret
        assert key is not None
        with ThreadPoolExecutor(len(CHAINS)) as pool:
            outcomes = list(pool.map(lambda chain: walk(client, url, key, chain), CHAINS))
        show(outcomes)
        show_lineage(client, outcomes[0].model)
    console.print(f"\nThe whole chain, three times: {time.monotonic() - started:.0f} s.")
    failed = [outcome for outcome in outcomes if outcome.accuracy < outcome.chain.floor]
    for outcome in failed:
        console.print(f"[red]{outcome.model} reached {outcome.accuracy:.3f}, below {outcome.chain.floor}.[/red]")
    if check or failed:
        return 1 if failed else 0
    console.print(f"\nOpen [bold]{url}[/bold] and sign in with this token:\n\n    {token}\n\nCtrl-C stops it.")
    server.wait()
    return 0


def walk(client: tholos.Client, url: str, key: str, chain: Chain) -> Outcome:
    """One data set from import to a prediction over HTTP."""
    name = chain.source
    say = lambda text: console.print(f"  [dim]{name}[/dim] {text}")  # noqa: E731 - a one-line printer
    data = client.dataset(f"admin/{name}")
    client.datasets.import_(chain.source, name=f"admin/{name}").result()
    data.split({"train": 0.8, "test": 0.2}, method="stratified", column=chain.stratify, seed=0).result()
    say("imported and split")
    features = list(chain.features) if chain.features else None
    client.train(
        f"admin/{name}", target=chain.target, features=features, algorithm=chain.algorithm, params=dict(chain.params)
    ).result()
    say("trained")
    model = client.model(f"admin/{name}")
    compiled = model.compile().result()
    say("compiled at parity")
    report = model.evaluate(f"admin/{name}", split="test").result()
    say("evaluated on the test split")
    model.deploy()
    say("deployed")
    example = client.deployments.schema(f"admin/{name}")["example"]["input"]
    answer, predict_ms = predict(url, key, f"admin/{name}", example)
    accuracy = client.evaluations.get(report["evaluation"]).metrics["accuracy"]
    return Outcome(
        chain,
        f"admin/{name}",
        accuracy.value,
        accuracy.low,
        accuracy.high,
        report["rows"],
        compiled["latency_us_per_row"]["skops, batch of 1"],
        compiled["latency_us_per_row"]["onnx, batch of 1"],
        compiled["max_difference"],
        predict_ms,
        answer,
    )


def predict(url: str, key: str, deployment: str, example: Any) -> tuple[dict[str, Any], float]:
    """Calls the deployed model as an application would: plain HTTP and a key. The time is the median of 20 calls."""
    with httpx2.Client(headers={"Authorization": f"Bearer {key}"}) as http:
        times = []
        for _ in range(20):
            began = time.perf_counter()
            answer = http.post(f"{url}/predict/{deployment}", json={"input": example})
            times.append((time.perf_counter() - began) * 1000)
            answer.raise_for_status()
    return answer.json(), sorted(times)[10]


def show(outcomes: list[Outcome]) -> None:
    """A table of what was measured."""
    table = Table(title="Measured just now, on this machine")
    for heading in (
        "model",
        "algorithm",
        "accuracy on test (95 %)",
        "native",
        "compiled",
        "faster",
        "over HTTP",
        "answer",
    ):
        table.add_column(heading)
    for one in outcomes:
        table.add_row(
            one.model,
            one.chain.algorithm,
            f"{one.accuracy:.3f} ({one.low:.3f} to {one.high:.3f}, {one.rows} rows)",
            f"{one.native_us:,.0f} µs",
            f"{one.compiled_us:,.0f} µs",
            f"{one.native_us / one.compiled_us:,.0f} x",
            f"{one.predict_ms:.1f} ms",
            str(one.answer["output"]),
        )
    console.print(table)
    worst = max(one.max_difference for one in outcomes)
    console.print(f"Compiled and native models agree: largest difference of any probability {worst:.1e}.")


def show_lineage(client: tholos.Client, model: str) -> None:
    """Where the first model came from and what serves it."""
    graph = client.lineage(f"model:{model}")
    console.print(f"\nLineage of {model}:")
    labels = {node["urn"]: node["label"] for node in graph.nodes}
    for edge in graph.edges:
        console.print(f"  {labels[edge['from']]}  →  {labels[edge['to']]}   [dim]{edge['kind']}[/dim]")


if __name__ == "__main__":
    sys.exit(main())
