"""Decision trees (CART)."""

from __future__ import annotations

from typing import Any

from tholos.training.algorithm import Algorithm, Parameter, Params, Shape


def _build(params: Params, shape: Shape, seed: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    tree = DecisionTreeRegressor if shape.regression else DecisionTreeClassifier
    return tree(
        max_depth=int(params["max_depth"]) or None,
        min_samples_leaf=int(params["min_samples_leaf"]),
        min_samples_split=int(params["min_samples_split"]),
        ccp_alpha=float(params["pruning"]),
        random_state=seed,
    )


ALGORITHMS = (
    Algorithm(
        name="decision_tree",
        title="Decision tree",
        summary="A single tree of yes-or-no questions: fast, needs no scaling, and can be read.",
        tasks=("tabular-classification", "tabular-regression", "image-classification"),
        parameters=(
            Parameter(
                name="max_depth",
                type="int",
                default=0,
                minimum=0,
                maximum=1000,
                doc="Questions on the longest path from root to leaf; 0 sets no limit.",
            ),
            Parameter(
                name="min_samples_leaf",
                type="int",
                default=1,
                minimum=1,
                maximum=100_000,
                log=True,
                doc="Training rows that every leaf keeps at least; more gives a smoother tree.",
            ),
            Parameter(
                name="min_samples_split",
                type="int",
                default=2,
                minimum=2,
                maximum=100_000,
                log=True,
                doc="Training rows that a node needs before it may be split.",
            ),
            Parameter(
                name="pruning",
                type="float",
                default=0.0,
                minimum=0.0,
                maximum=1e6,
                doc="Cost per leaf in minimal cost-complexity pruning; 0 does not prune.",
            ),
        ),
        citation="Breiman, Friedman, Olshen, Stone: Classification and Regression Trees. Wadsworth, 1984.",
        build=_build,
        portfolio=({}, {"max_depth": 8, "min_samples_leaf": 5}),
        rank=20,
    ),
)
