"""Trees and ensembles of trees, answering bit for bit as scikit-learn does.

scikit-learn's trees and forests compare ``float64(float32(x)) <= threshold`` with a float64 threshold; gradient
boosting compares ``x <= threshold`` in float64 throughout. ``TreeEnsemble`` of ai.onnx.ml 5 holds thresholds and
leaves in float64, so that the same comparisons are made if the input is prepared in float64 and, for trees, rounded
once through float32. Every sum is taken in scikit-learn's order: rounding would otherwise decide between tied classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tholos.optimization.errors import not_compilable
from tholos.optimization.graph import Graph, Value
from tholos.optimization.links import logistic, softmax

_BRANCH_LEQ = 0
_SUM = 1


@dataclass(frozen=True, eq=False)
class Tree:
    """One binary tree as arrays over its nodes; node 0 is the root."""

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    """Where a row goes whose feature is at most the threshold."""
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    """Where a row goes whose feature is NaN."""
    is_leaf: NDArray[np.bool_]
    value: NDArray[np.float64]
    """What a leaf answers: ``[nodes, outputs]``."""

    @classmethod
    def of_sklearn(cls, tree: Any) -> Tree:
        """Read a ``sklearn.tree._tree.Tree`` with one target."""
        if tree.n_outputs != 1:
            raise not_compilable("trees with several targets")
        is_leaf = np.asarray(tree.children_left) == -1
        return cls(
            feature=np.asarray(tree.feature, dtype=np.int64),
            threshold=np.asarray(tree.threshold, dtype=np.float64),
            left=np.asarray(tree.children_left, dtype=np.int64),
            right=np.asarray(tree.children_right, dtype=np.int64),
            missing_left=np.asarray(tree.missing_go_to_left, dtype=bool),
            is_leaf=is_leaf,
            value=np.asarray(tree.value, dtype=np.float64)[:, 0, :],
        )

    @classmethod
    def of_boosting(cls, predictor: Any) -> Tree:
        """Read a ``TreePredictor`` of histogram gradient boosting."""
        nodes = predictor.nodes
        if nodes["is_categorical"].any():
            raise not_compilable(
                "gradient boosting with native categorical splits", next="Encode categories before the estimator."
            )
        return cls(
            feature=nodes["feature_idx"].astype(np.int64),
            threshold=nodes["num_threshold"].astype(np.float64),
            left=nodes["left"].astype(np.int64),
            right=nodes["right"].astype(np.int64),
            missing_left=nodes["missing_go_to_left"].astype(bool),
            is_leaf=nodes["is_leaf"].astype(bool),
            value=nodes["value"].astype(np.float64)[:, np.newaxis],
        )

    @classmethod
    def constant(cls, value: float) -> Tree:
        """A tree that answers *value* whatever the row."""
        nothing = np.zeros(1, dtype=np.int64)
        return cls(
            feature=nothing,
            threshold=np.zeros(1),
            left=nothing,
            right=nothing,
            missing_left=np.zeros(1, dtype=bool),
            is_leaf=np.ones(1, dtype=bool),
            value=np.array([[value]]),
        )


def trees_of(estimator: Any) -> list[Tree]:
    """The trees of a fitted tree, forest or gradient boosting; none for any other estimator."""
    kind = type(estimator).__name__
    if kind.startswith("DecisionTree"):
        return [Tree.of_sklearn(estimator.tree_)]
    if kind.startswith("RandomForest"):
        return [Tree.of_sklearn(member.tree_) for member in estimator.estimators_]
    if kind.startswith("HistGradientBoosting"):
        return [Tree.of_boosting(tree) for iteration in estimator._predictors for tree in iteration]  # noqa: SLF001
    return []


def forest(graph: Graph, features: Value, estimator: Any) -> Value:
    """``DecisionTree*`` and ``RandomForest*``: the mean of the trees, summed in their order."""
    trees = trees_of(estimator)
    rounded = graph.cast(graph.cast(features, "FLOAT"), "DOUBLE")
    count = graph.constant(float(len(trees)))
    if hasattr(estimator, "classes_"):
        return graph.op("Div", _summed_leaves(graph, rounded, trees), count)
    weights = [tree.value[tree.is_leaf, 0] for tree in trees]
    total = _ensemble(graph, rounded, trees, [0] * len(trees), weights, outputs=1)
    return graph.flat(graph.op("Div", total, count))


def gradient_boosting(graph: Graph, features: Value, estimator: Any) -> Value:
    """``HistGradientBoosting*``; its baseline is the first "tree", because scikit-learn's sums start from it."""
    if estimator.is_categorical_ is not None:
        raise not_compilable(
            "gradient boosting with native categorical features", next="Encode categories before the estimator."
        )
    baseline = np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(-1)  # noqa: SLF001 - not public
    width = len(baseline)
    trees = [Tree.constant(value) for value in baseline]
    trees += trees_of(estimator)
    targets = [position % width for position in range(len(trees))]
    weights = [tree.value[tree.is_leaf, 0] for tree in trees]
    raw = _ensemble(graph, features, trees, targets, weights, outputs=width)
    if not hasattr(estimator, "classes_"):
        return _boosted_value(graph, raw, estimator)
    return logistic(graph, raw) if width == 1 else softmax(graph, raw)


def _boosted_value(graph: Graph, raw: Value, estimator: Any) -> Value:
    value = graph.flat(raw)
    link = type(estimator._loss.link).__name__  # noqa: SLF001 - the loss is not public
    if link == "LogLink":
        return graph.op("Exp", value)
    if link != "IdentityLink":
        raise not_compilable(f"gradient boosting with the link {link}")
    return value


def _summed_leaves(graph: Graph, features: Value, trees: list[Tree]) -> Value:
    """The trees' class fractions added up: ``[rows, classes]``.

    A leaf of ``TreeEnsemble`` answers one number only. So each tree answers *which* leaf a row reaches, in an output of
    its own, and a table of all leaves gives the fractions. ``CumSum`` adds strictly in order; ``ReduceSum`` need not.
    """
    table = np.concatenate([tree.value[tree.is_leaf] for tree in trees])
    starts = np.cumsum([0, *(int(tree.is_leaf.sum()) for tree in trees)])
    numbers = [np.arange(start, stop, dtype=np.float64) for start, stop in pairwise(starts)]
    reached = _ensemble(graph, features, trees, list(range(len(trees))), numbers, outputs=len(trees))
    fractions = graph.op("Gather", graph.constant(table), graph.cast(reached, "INT64"), axis=0)
    running = graph.op("CumSum", fractions, graph.constant(1, np.int64))
    return graph.op("Gather", running, graph.constant(len(trees) - 1, np.int64), axis=1)


def _ensemble(
    graph: Graph,
    features: Value,
    trees: list[Tree],
    targets: list[int],
    weights: list[NDArray[np.float64]],
    *,
    outputs: int,
) -> Value:
    """One ``TreeEnsemble`` node: tree *t* adds to output ``targets[t]`` the weight of the leaf that a row reaches.

    ``weights[t]`` has one entry per leaf of tree *t*, in node order. Answers ``[rows, outputs]`` in float64.
    """
    from onnx import TensorProto, helper

    parts = list(_flattened(trees))
    splits = np.concatenate([part.threshold for part in parts])
    leaves = np.concatenate(weights)
    leaf_targets = np.repeat(targets, [len(part) for part in weights])

    def ints(name: str) -> list[int]:
        joined: list[int] = np.concatenate([getattr(part, name) for part in parts]).tolist()
        return joined

    return graph.op(
        "TreeEnsemble",
        features,
        domain="ai.onnx.ml",
        n_targets=outputs,
        aggregate_function=_SUM,
        nodes_featureids=ints("feature"),
        nodes_splits=helper.make_tensor("splits", TensorProto.DOUBLE, [len(splits)], splits),
        nodes_modes=helper.make_tensor("modes", TensorProto.UINT8, [len(splits)], [_BRANCH_LEQ] * len(splits)),
        nodes_truenodeids=ints("true_id"),
        nodes_trueleafs=ints("true_is_leaf"),
        nodes_falsenodeids=ints("false_id"),
        nodes_falseleafs=ints("false_is_leaf"),
        nodes_missing_value_tracks_true=ints("missing_true"),
        leaf_targetids=leaf_targets.tolist(),
        leaf_weights=helper.make_tensor("weights", TensorProto.DOUBLE, [len(leaves)], leaves),
        tree_roots=[part.root for part in parts],
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """One tree within the ensemble's numbering, in which inner nodes and leaves are counted apart."""

    root: int
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    true_id: NDArray[np.int64]
    true_is_leaf: NDArray[np.int64]
    false_id: NDArray[np.int64]
    false_is_leaf: NDArray[np.int64]
    missing_true: NDArray[np.int64]


def _flattened(trees: Iterable[Tree]) -> Iterable[_Part]:
    nodes = leaves = 0
    for tree in trees:
        inner = np.flatnonzero(~tree.is_leaf)
        number = np.empty(len(tree.is_leaf), dtype=np.int64)
        number[inner] = nodes + np.arange(len(inner))
        number[tree.is_leaf] = leaves + np.arange(int(tree.is_leaf.sum()))
        if len(inner) == 0:
            yield _leaf_only(nodes, int(number[0]))
        else:
            left, right = tree.left[inner], tree.right[inner]
            yield _Part(
                root=nodes,
                feature=tree.feature[inner],
                threshold=tree.threshold[inner],
                true_id=number[left],
                true_is_leaf=tree.is_leaf[left].astype(np.int64),
                false_id=number[right],
                false_is_leaf=tree.is_leaf[right].astype(np.int64),
                missing_true=tree.missing_left[inner].astype(np.int64),
            )
        nodes += max(1, len(inner))
        leaves += int(tree.is_leaf.sum())


def _leaf_only(root: int, leaf: int) -> _Part:
    """A root must be an inner node; one whose branches are the same leaf stands for a tree without a split."""
    zero, one, both = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64), np.array([leaf], dtype=np.int64)
    return _Part(
        root=root,
        feature=zero,
        threshold=np.zeros(1),
        true_id=both,
        true_is_leaf=one,
        false_id=both,
        false_is_leaf=one,
        missing_true=zero,
    )
