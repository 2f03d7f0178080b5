"""Linear models and multi-layer perceptrons over a dense matrix of features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tholos.optimization.errors import not_compilable
from tholos.optimization.graph import Graph, Value
from tholos.optimization.links import logistic, softmax

_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "identity": None}


def linear_classifier(graph: Graph, features: Value, estimator: Any) -> Value:
    """``LogisticRegression``: one score for two classes, one per class for more."""
    return linear_classes(graph, _scores(graph, features, estimator), len(estimator.classes_))


def linear_classes(graph: Graph, scores: Value, classes: int) -> Value:
    """The classes of a logistic regression from its scores: logistic for two, softmax for more."""
    return logistic(graph, scores) if classes == 2 else softmax(graph, scores)


def linear_regressor(graph: Graph, features: Value, estimator: Any) -> Value:
    """``LinearRegression`` and ``Ridge`` with one target."""
    return graph.flat(_scores(graph, features, estimator))


def coefficients(estimator: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights ``[scores, features]`` and intercepts ``[scores]`` of a linear model."""
    weights = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64))
    return weights, np.broadcast_to(np.asarray(estimator.intercept_, dtype=np.float64), (len(weights),))


def _scores(graph: Graph, features: Value, estimator: Any) -> Value:
    weights, intercepts = coefficients(estimator)
    return graph.product(features, weights.T, intercepts)


def perceptron(graph: Graph, features: Value, estimator: Any) -> Value:
    """``MLPClassifier`` and ``MLPRegressor``: layers of products and an activation."""
    if estimator.activation not in _ACTIVATIONS:
        raise not_compilable(f"the activation {estimator.activation!r}")
    hidden = _ACTIVATIONS[estimator.activation]
    values, last = features, len(estimator.coefs_) - 1
    for layer, (weights, bias) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        values = graph.product(values, weights, bias)
        if hidden and layer < last:
            values = graph.op(hidden, values)
    output = estimator.out_activation_
    if output in ("softmax", "logistic"):
        return softmax(graph, values) if output == "softmax" else logistic(graph, values)
    if estimator.n_outputs_ != 1:
        raise not_compilable("a perceptron with several targets")
    return graph.flat(graph.op("Exp", values) if output == "exp" else values)
