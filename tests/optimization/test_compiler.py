"""Every algorithm of the catalogue, compiled and compared on real rows and edge cases."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tholos.optimization.cases import groups
from tholos.optimization.compiler import compile_pipeline
from tholos.optimization.errors import NotCompilable
from tholos.optimization.graph import IR_VERSION, OPSETS
from tholos.optimization.parity import compare
from tholos.optimization.text import explicit_pattern
from tholos.training.catalogue import catalogue

KERNELS = ("linear", "poly", "rbf", "sigmoid")
ANY_CLASSIFIER: list[tuple[str, dict[str, Any]]] = [
    ("decision_tree", {}),
    ("random_forest", {"trees": 30, "min_samples_leaf": 3}),
    ("gradient_boosting", {"iterations": 20}),
    ("logistic_regression", {}),
    ("mlp", {"epochs": 60, "activation": "tanh"}),
    *(("svm", {"kernel": kernel}) for kernel in KERNELS),
]
MATRIX: list[tuple[str, str, dict[str, Any]]] = [
    *((data, name, params) for data in ("penguins", "iris", "cancer", "digits") for name, params in ANY_CLASSIFIER),
    ("cancer", "mlp", {"epochs": 60, "activation": "logistic", "layers": 2, "width": 16}),
    ("diabetes", "decision_tree", {}),
    ("diabetes", "random_forest", {"trees": 30}),
    ("diabetes", "gradient_boosting", {"iterations": 50}),
    ("diabetes", "linear_regression", {}),
    ("diabetes", "linear_regression", {"l2": 1.0, "intercept": False}),
    ("diabetes", "mlp", {"epochs": 60}),
    *(("diabetes", "svm", {"kernel": kernel}) for kernel in KERNELS),
    ("diabetes", "svm", {"kernel": "poly", "C": 10.0, "degree": 4, "coef0": 2.0}),
    *(("texts", "tfidf_linear", {"max_ngram": size}) for size in (1, 2, 3)),
]
EXACT = {"decision_tree", "random_forest"}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def _name(case: Any) -> str:
    return "-".join(map(str, case.values())) if isinstance(case, dict) else str(case)


@pytest.mark.parametrize(("data", "algorithm", "params"), MATRIX, ids=_name)
def test_compiled_model_is_at_parity(
    data: str, algorithm: str, params: dict[str, Any], trained: Callable, compiled: Callable, record_property: Callable
):
    sample = trained(data, algorithm, **params)
    report = compare(sample.original, compiled(sample), groups(sample.pipeline, sample.signature, sample.batch))
    record_property("max_rel_difference", report.max_rel_difference)
    assert report.verdict == "parity", report.lines()
    assert report.label_disagreements == 0
    assert report.max_rel_difference <= (0.0 if algorithm in EXACT else 1e-9)
    wanted = {"data", "single"} | {
        "texts": {"texts"},
        "digits": {"images"},
        "penguins": {"missing", "unseen", "extremes", "random"},
    }.get(data, {"missing", "extremes", "random"})
    if algorithm in EXACT | {"gradient_boosting"}:
        wanted |= {"thresholds"}
    assert {group.name for group in report.groups} == wanted


def test_matrix_covers_the_catalogue():
    assert {name for _, name, _ in MATRIX} == set(catalogue())


@pytest.mark.parametrize(
    ("algorithm", "params"), [("random_forest", {"trees": 20}), ("gradient_boosting", {"iterations": 10})]
)
def test_threshold_rows_really_stand_at_thresholds(algorithm: str, params: dict[str, Any], trained: Callable):
    """Some of the rows tell `x <= t` in float32 from the same in float64, on both sides."""
    sample = trained("cancer", algorithm, **params)
    group = next(
        group for group in groups(sample.pipeline, sample.signature, sample.batch) if group.name == "thresholds"
    )
    numeric = group.batch["numeric"]
    exact = sample.original.infer(group.batch)["probabilities"]
    rounded = sample.original.infer({"numeric": numeric.astype(np.float32).astype(np.float64)})["probabilities"]
    away = sample.original.infer({"numeric": np.nextafter(numeric.astype(np.float32), np.float32(np.inf)) * 1.0})
    assert (exact != away["probabilities"]).any()
    if algorithm == "random_forest":
        assert (exact == rounded).all()
    else:
        assert (exact != rounded).any()


def test_trees_behind_a_scaler_are_exact(trained: Callable, compiled: Callable):
    """The case in which a float32 conversion was off by 0.06: thresholds on standardised numbers."""
    from sklearn.base import clone
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from tholos.runtimes.frames import frame_of

    sample = trained("penguins", "random_forest", trees=50)
    pipeline = clone(sample.pipeline)
    name, numeric, columns = pipeline.named_steps["prepare"].transformers[0]
    scaled = Pipeline([*numeric.steps, ("scale", StandardScaler())])
    pipeline.named_steps["prepare"].transformers[0] = (name, scaled, columns)
    labels = sample.original.infer(sample.batch)["label_index"]
    pipeline.fit(frame_of(sample.signature, sample.batch), labels)
    behind = type(sample)(pipeline, sample.signature, sample.batch)
    report = compare(behind.original, compiled(behind), groups(pipeline, behind.signature, behind.batch))
    assert report.max_abs_difference == 0.0
    assert report.label_disagreements == 0
    assert next(group.rows for group in report.groups if group.name == "thresholds") > 1000


@pytest.mark.parametrize(
    ("data", "algorithm", "params"),
    [
        ("penguins", "random_forest", {"trees": 30, "min_samples_leaf": 3}),
        ("penguins", "gradient_boosting", {"iterations": 20}),
        ("penguins", "svm", {"kernel": "rbf"}),
        ("diabetes", "mlp", {"epochs": 60}),
    ],
    ids=_name,
)
def test_any_row_of_numbers_agrees(
    data: str, algorithm: str, params: dict[str, Any], trained: Callable, compiled: Callable
):
    sample = trained(data, algorithm, **params)
    graph = compiled(sample)
    width = sample.batch["numeric"].shape[1]
    number = st.one_of(st.floats(-1e12, 1e12), st.floats(-300, 300, width=32), st.just(float("nan")))
    strings = st.sampled_from(["", "Biscoe", "Dream", "female", "male", "elsewhere", "\x00"])

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.lists(st.lists(number, min_size=width, max_size=width), min_size=1, max_size=5),
        st.tuples(strings, strings),
    )
    def agrees(rows: list[list[float]], words: tuple[str, str]) -> None:
        batch = {"numeric": np.array(rows)}
        if "categorical" in sample.batch:
            batch["categorical"] = np.array([words] * len(rows), dtype=object)
        wanted, got = sample.original.infer(batch), graph.infer(batch)
        assert wanted.keys() == got.keys()
        for name, expected in wanted.items():
            np.testing.assert_allclose(got[name], expected, rtol=1e-9, atol=1e-12)

    agrees()


def test_texts_agree_whatever_their_characters(trained: Callable, compiled: Callable):
    sample = trained("texts", "tfidf_linear", max_ngram=2)
    graph = compiled(sample)
    character = st.characters(exclude_categories=("Cs",))
    words = st.sampled_from(["great", "GREAT", "café", "cafe\u0301", "好吃", "İYİ", "ΚΑΛΟΣ", "καλος", "again", "buy"])

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.lists(words | st.text(character, max_size=6), max_size=12).map(" ".join), min_size=1, max_size=4)
    )
    def agrees(texts: list[str]) -> None:
        batch = {"text": np.array(texts, dtype=object)}
        wanted, got = sample.original.infer(batch), graph.infer(batch)
        np.testing.assert_allclose(got["probabilities"], wanted["probabilities"], rtol=0, atol=1e-12)
        assert (got["label_index"] == wanted["label_index"]).all()

    agrees()


def test_a_long_text_beside_short_ones_keeps_memory_in_bounds(trained: Callable, compiled: Callable):
    sample = trained("texts", "tfidf_linear", max_ngram=1)
    texts = np.array(["great taste"] * 300 + ["stale " * 150_000] + ["awful"] * 300, dtype=object)
    got = compiled(sample).infer({"text": texts})
    np.testing.assert_allclose(
        got["probabilities"], sample.original.infer({"text": texts})["probabilities"], rtol=0, atol=1e-12
    )


def test_graph_is_self_contained_and_says_what_it_is(trained: Callable):
    sample = trained("penguins", "random_forest", trees=30, min_samples_leaf=3)
    model = compile_pipeline(sample.pipeline, sample.signature, metadata={"revision": "0" * 40})
    props = {item.key: item.value for item in model.metadata_props}
    assert props["producer"] == "tholos"
    assert props["revision"] == "0" * 40
    assert type(sample.signature).from_json(json.loads(props["signature"])) == sample.signature
    assert model.ir_version == IR_VERSION
    assert {item.domain: item.version for item in model.opset_import} == OPSETS
    assert {item.name for item in model.graph.input} == {"numeric", "categorical"}
    assert all(not tensor.external_data for tensor in model.graph.initializer)


def test_compiling_twice_gives_the_same_bytes(trained: Callable):
    sample = trained("penguins", "gradient_boosting", iterations=20)
    first, second = (compile_pipeline(sample.pipeline, sample.signature) for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_no_matrix_product_that_onnx_runtime_would_scale_in_float32(trained: Callable):
    for name, params in ANY_CLASSIFIER:
        sample = trained("digits", name, **params)
        operators = {node.op_type for node in compile_pipeline(sample.pipeline, sample.signature).graph.node}
        assert "MatMul" not in operators


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_a_column_that_training_saw_no_value_of_is_left_out(trained: Callable, compiled: Callable):
    from sklearn.base import clone

    from tholos.runtimes.frames import frame_of

    sample = trained("penguins", "random_forest", trees=30, min_samples_leaf=3)
    numeric = sample.batch["numeric"].copy()
    numeric[:, 1] = np.nan
    batch = {**sample.batch, "numeric": numeric}
    labels = sample.original.infer(sample.batch)["label_index"]
    pipeline = clone(sample.pipeline).fit(frame_of(sample.signature, batch), labels)
    partial = type(sample)(pipeline, sample.signature, sample.batch)
    report = compare(partial.original, compiled(partial), groups(pipeline, partial.signature, partial.batch))
    assert report.max_abs_difference == 0.0
    assert "thresholds" in {group.name for group in report.groups}


def test_a_graph_that_one_file_cannot_hold_is_refused(trained: Callable, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tholos.optimization.graph.MAX_BYTES", 1000)
    sample = trained("iris", "decision_tree")
    with pytest.raises(NotCompilable, match="in one file") as raised:
        compile_pipeline(sample.pipeline, sample.signature)
    assert "smaller model" in raised.value.next


def test_an_unknown_part_is_named(trained: Callable):
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import Pipeline

    sample = trained("iris", "decision_tree")
    foreign = Pipeline([("prepare", sample.pipeline.named_steps["prepare"]), ("model", GaussianNB())])
    with pytest.raises(NotCompilable, match="GaussianNB") as raised:
        compile_pipeline(foreign, sample.signature)
    assert raised.value.details["part"] == "the estimator GaussianNB"
    assert "tholos algorithms" in raised.value.next


@pytest.mark.parametrize("pattern", [r"\bword\b", r"(?i)\w+", r"(a|b)+", r"\d+", r"[^,]+", r"a b"])
def test_a_token_pattern_that_would_differ_is_refused(pattern: str):
    with pytest.raises(NotCompilable):
        explicit_pattern(pattern)


def test_classes_are_spelled_out_as_python_understands_them():
    ranges = re.findall(r"\\x\{([0-9a-f]+)\}-\\x\{([0-9a-f]+)\}", explicit_pattern(r"\w+"))
    spelled_out = {code for first, last in ranges for code in range(int(first, 16), int(last, 16) + 1)}
    assert spelled_out == {code for code in range(0x110000) if chr(code).isalnum() or chr(code) == "_"}


def test_checker_accepts_the_graph(trained: Callable):
    sample = trained("texts", "tfidf_linear", max_ngram=2)
    onnx.checker.check_model(compile_pipeline(sample.pipeline, sample.signature))
