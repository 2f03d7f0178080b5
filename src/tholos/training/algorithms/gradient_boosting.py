"""Gradient boosting over histograms."""

from __future__ import annotations

from typing import Any

from tholos.training.algorithm import Algorithm, Parameter, Params, Shape


def _build(params: Params, shape: Shape, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    boosting = HistGradientBoostingRegressor if shape.regression else HistGradientBoostingClassifier
    return boosting(
        max_iter=int(params["iterations"]),
        learning_rate=float(params["learning_rate"]),
        max_leaf_nodes=int(params["max_leaves"]),
        max_depth=int(params["max_depth"]) or None,
        min_samples_leaf=int(params["min_samples_leaf"]),
        l2_regularization=float(params["l2"]),
        # Off, so that the number of iterations is what was asked for and no rows are held back.
        early_stopping=False,
        random_state=seed,
    )


ALGORITHMS = (
    Algorithm(
        name="gradient_boosting",
        title="Gradient boosting",
        summary="Trees grown one after another, each correcting those before: often the most accurate on tables.",
        tasks=("tabular-classification", "tabular-regression", "image-classification"),
        parameters=(
            Parameter(
                name="iterations",
                type="int",
                default=100,
                minimum=1,
                maximum=5000,
                log=True,
                doc="Rounds of boosting: one tree each (for several classes one tree per class).",
            ),
            Parameter(
                name="learning_rate",
                type="float",
                default=0.1,
                minimum=1e-4,
                maximum=1.0,
                log=True,
                doc="How much of each tree's correction is taken; smaller wants more iterations.",
            ),
            Parameter(
                name="max_leaves",
                type="int",
                default=31,
                minimum=2,
                maximum=1024,
                log=True,
                doc="Leaves that a tree may have.",
            ),
            Parameter(
                name="max_depth",
                type="int",
                default=0,
                minimum=0,
                maximum=100,
                doc="Questions on the longest path of each tree; 0 sets no limit.",
            ),
            Parameter(
                name="min_samples_leaf",
                type="int",
                default=20,
                minimum=1,
                maximum=100_000,
                log=True,
                doc="Training rows that every leaf keeps at least; lower it for small data.",
            ),
            Parameter(
                name="l2",
                type="float",
                default=0.0,
                minimum=0.0,
                maximum=1e4,
                doc="L2 penalty on the leaves' values.",
            ),
        ),
        citation="Friedman: Greedy Function Approximation. Annals of Statistics 29, 2001; histograms after Ke et al.: "
        "LightGBM. NeurIPS 2017.",
        build=_build,
        portfolio=(
            {},
            {"iterations": 300, "learning_rate": 0.05},
            {"iterations": 400, "learning_rate": 0.05, "max_leaves": 15, "min_samples_leaf": 5, "l2": 1.0},
        ),
        rank=40,
    ),
)
