"""From a fitted scikit-learn pipeline to one ONNX graph."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tholos.optimization import kernels, linear, preparation, text, trees
from tholos.optimization.errors import not_compilable
from tholos.optimization.graph import Graph, Value
from tholos.optimization.steps import parts_of
from tholos.tasks.signature import Signature

if TYPE_CHECKING:
    import onnx

Converter = Callable[[Graph, Value, Any], Value]
"""Adds a fitted estimator over a float64 matrix of features to a graph.

Answers the probabilities ``[rows, classes]`` of a classifier, or the values ``[rows]`` of a regressor."""


def compile_pipeline(
    pipeline: Any, signature: Signature, *, metadata: Mapping[str, str] | None = None
) -> onnx.ModelProto:
    """Compile a fitted ``Pipeline``, or an estimator without one, of steps that the compiler knows.

    Those of models trained here are called "prepare" and "model" (see ``tholos.training.pipelines``); models from
    elsewhere may have others.

    The graph's inputs are the tensors of a batch (``numeric`` double, ``categorical`` string, ``text`` string,
    ``image`` float); its outputs ``label_index`` int64 ``[rows]`` and ``probabilities`` double ``[rows, labels]``, or
    ``value`` double ``[rows]``. Everything between is computed in float64. *metadata* is kept in the file beside the
    signature.

    Raises:
        NotCompilable: the pipeline has a step, or a setting of one, that the compiler does not know.

    """
    graph = Graph()
    steps, estimator = parts_of(pipeline)
    if signature.task == "text-classification":
        if len(steps) != 1:
            raise not_compilable("a preparation of texts in several steps")
        prediction = _text(graph, steps[0], estimator)
    elif signature.task == "image-classification":
        features = preparation.image_features(graph, signature, steps[0] if len(steps) == 1 else None)
        prediction = predict(graph, features, estimator)
    else:
        features = preparation.tabular_features(graph, signature, steps)
        prediction = predict(graph, features, estimator)
    _declare_outputs(graph, signature, prediction, estimator)
    described = {"producer": "tholos", "signature": json.dumps(signature.to_json(), ensure_ascii=False)}
    return graph.model({**described, **(metadata or {})})


def predict(graph: Graph, features: Value, estimator: Any) -> Value:
    """Add a fitted estimator over a float64 matrix of *features* to a graph."""
    converter = _CONVERTERS.get(type(estimator).__name__)
    if converter is None:
        raise not_compilable(f"the estimator {type(estimator).__name__}")
    return converter(graph, features, estimator)


def _text(graph: Graph, vectorizer: Any, estimator: Any) -> Value:
    if type(estimator).__name__ != "LogisticRegression":
        raise not_compilable(f"{type(estimator).__name__} on text", next="Use the algorithm tfidf_linear on text.")
    weights, intercepts = linear.coefficients(estimator)
    scores = text.text_scores(graph, vectorizer, weights, intercepts)
    return linear.linear_classes(graph, scores, len(estimator.classes_))


def _rescaled_target(graph: Graph, features: Value, estimator: Any) -> Value:
    """``TransformedTargetRegressor`` that learned a standardised target."""
    scaler = estimator.transformer_
    if type(scaler).__name__ != "StandardScaler":
        raise not_compilable(f"a target transformed by {type(scaler).__name__}")
    value = predict(graph, features, estimator.regressor_)
    return graph.op("Add", graph.op("Mul", value, graph.constant(scaler.scale_)), graph.constant(scaler.mean_))


def _declare_outputs(graph: Graph, signature: Signature, prediction: Value, estimator: Any) -> None:
    if signature.output.kind == "number":
        graph.output("value", prediction, "DOUBLE", "rows")
        return
    labels = len(signature.output.labels or ())
    if len(estimator.classes_) != labels:
        raise not_compilable(
            f"a classifier of {len(estimator.classes_)} classes under a signature of {labels} labels",
            next="Train the model again.",
        )
    graph.output("label_index", graph.op("ArgMax", prediction, axis=1, keepdims=0), "INT64", "rows")
    graph.output("probabilities", prediction, "DOUBLE", "rows", labels)


_CONVERTERS: dict[str, Converter] = {
    "CalibratedClassifierCV": kernels.calibrated_classifier,
    "DecisionTreeClassifier": trees.forest,
    "DecisionTreeRegressor": trees.forest,
    "HistGradientBoostingClassifier": trees.gradient_boosting,
    "HistGradientBoostingRegressor": trees.gradient_boosting,
    "LinearRegression": linear.linear_regressor,
    "LogisticRegression": linear.linear_classifier,
    "MLPClassifier": linear.perceptron,
    "MLPRegressor": linear.perceptron,
    "RandomForestClassifier": trees.forest,
    "RandomForestRegressor": trees.forest,
    "Ridge": linear.linear_regressor,
    "SVR": kernels.support_vector_regressor,
    "TransformedTargetRegressor": _rescaled_target,
}
