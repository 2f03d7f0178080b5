"""Support vector machines: kernels, decision functions and calibrated probabilities in double precision.

Formulas: C.-C. Chang and C.-J. Lin, LIBSVM: A library for support vector machines, 2011.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from tholos.optimization.errors import not_compilable
from tholos.optimization.graph import Graph, Value
from tholos.optimization.links import both


def support_vector_regressor(graph: Graph, features: Value, estimator: Any) -> Value:
    """``SVR``: kernel times dual coefficients plus intercept."""
    return graph.flat(graph.product(_kernel(graph, features, estimator), estimator.dual_coef_.T, estimator.intercept_))


def calibrated_classifier(graph: Graph, features: Value, estimator: Any) -> Value:
    """``CalibratedClassifierCV(SVC(...), method="sigmoid", ensemble=False)``.

    Each class's decision value passes a fitted sigmoid (Platt, 1999); more than two are divided by their sum.
    """
    members = estimator.calibrated_classifiers_
    if len(members) != 1 or estimator.method != "sigmoid" or type(members[0].estimator).__name__ != "SVC":
        raise not_compilable("this calibration", next="Use an SVC with sigmoid calibration and ensemble=False.")
    machine, sigmoids = members[0].estimator, members[0].calibrators
    decision = _decision(graph, features, machine)
    slope = graph.constant([[-sigmoid.a_ for sigmoid in sigmoids]])
    offset = graph.constant([[sigmoid.b_ for sigmoid in sigmoids]])
    raw = graph.op("Sigmoid", graph.op("Sub", graph.op("Mul", decision, slope), offset))
    classes = len(machine.classes_)
    return both(graph, raw) if classes == 2 else _normalised(graph, raw, classes)


def _normalised(graph: Graph, raw: Value, classes: int) -> Value:
    """Divide by the row's sum; a row of zeros becomes uniform."""
    total = graph.op("ReduceSum", raw, graph.constant([1], np.int64), keepdims=1)
    empty = graph.op("Equal", total, graph.constant(0.0))
    divided = graph.op("Div", raw, graph.op("Where", empty, graph.constant(1.0), total))
    return graph.op("Where", empty, graph.constant(1.0 / classes), divided)


def _decision(graph: Graph, features: Value, machine: Any) -> Value:
    """``SVC.decision_function`` of shape "ovr": ``[rows, 1]`` for two classes, else ``[rows, classes]``."""
    kernel = _kernel(graph, features, machine)
    classes = len(machine.classes_)
    if classes == 2:
        return graph.product(kernel, machine.dual_coef_.T, machine.intercept_)
    if machine.decision_function_shape != "ovr":
        raise not_compilable("SVC with decision_function_shape='ovo'")
    pairs = list(combinations(range(classes), 2))
    versus = graph.product(kernel, _pair_coefficients(machine, pairs), machine.intercept_)
    first = np.zeros((len(pairs), classes))
    second = np.zeros((len(pairs), classes))
    for row, (i, j) in enumerate(pairs):
        first[row, i] = second[row, j] = 1.0
    lost = graph.cast(graph.op("Less", versus, graph.constant(0.0)), "DOUBLE")
    # A pair's vote goes to its second class where the decision is negative and else to its first: every pair starts
    # as a vote for the first and moves where it was lost.
    votes = graph.product(lost, second - first, first.sum(axis=0))
    confidence = graph.product(versus, first - second)
    bound = graph.op("Mul", graph.op("Add", graph.op("Abs", confidence), graph.constant(1.0)), graph.constant(3.0))
    return graph.op("Add", votes, graph.op("Div", confidence, bound))


def _pair_coefficients(machine: Any, pairs: list[tuple[int, int]]) -> Any:
    """The dual coefficients of each pair of classes as columns ``[support vectors, pairs]``.

    LIBSVM keeps, for a support vector of class i, its coefficient against class j in row j - 1 if j > i, else row j.
    """
    starts = np.cumsum([0, *machine.n_support_])
    columns = np.zeros((starts[-1], len(pairs)))
    for column, (i, j) in enumerate(pairs):
        of_i, of_j = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
        columns[of_i, column] = machine.dual_coef_[j - 1, of_i]
        columns[of_j, column] = machine.dual_coef_[i, of_j]
    return columns


def _kernel(graph: Graph, features: Value, machine: Any) -> Value:
    """The kernel of every row with every support vector: ``[rows, support vectors]``."""
    vectors = np.asarray(machine.support_vectors_, dtype=np.float64)
    gamma = float(machine._gamma)  # noqa: SLF001 - the resolved value of gamma="scale" is kept nowhere else
    kind = machine.kernel
    if kind == "rbf":
        return _radial(graph, features, vectors, gamma)
    if kind == "linear":
        return graph.product(features, vectors.T)
    if kind not in ("poly", "sigmoid"):
        raise not_compilable(f"the kernel {kind!r}")
    product = graph.product(features, gamma * vectors.T, np.full(len(vectors), machine.coef0))
    if kind == "sigmoid":
        return graph.op("Tanh", product)
    return graph.op("Pow", product, graph.constant(float(machine.degree)))


def _radial(graph: Graph, features: Value, vectors: Any, gamma: float) -> Value:
    """``exp(-gamma |x - s|²)`` by ``|x|² - 2 x·s + |s|²``, around the support vectors' mean to keep the terms small."""
    centre = vectors.mean(axis=0)
    moved = vectors - centre
    x = graph.op("Sub", features, graph.constant(centre))
    own = graph.op("ReduceSumSquare", x, graph.constant([1], np.int64), keepdims=1)
    cross = graph.product(x, 2.0 * gamma * moved.T, -gamma * (moved**2).sum(axis=1))
    exponent = graph.op("Sub", cross, graph.op("Mul", own, graph.constant(gamma)))
    return graph.op("Exp", graph.op("Min", exponent, graph.constant(0.0)))
