"""Random forests."""

from __future__ import annotations

from typing import Any

from tholos.training.algorithm import Algorithm, Parameter, Params, Shape

_FEATURES: dict[str, Any] = {"sqrt": "sqrt", "log2": "log2", "third": 1 / 3, "all": None}


def _build(params: Params, shape: Shape, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    forest = RandomForestRegressor if shape.regression else RandomForestClassifier
    chosen = str(params["max_features"])
    if chosen == "default":
        chosen = "all" if shape.regression else "sqrt"
    return forest(
        n_estimators=int(params["trees"]),
        max_depth=int(params["max_depth"]) or None,
        min_samples_leaf=int(params["min_samples_leaf"]),
        max_features=_FEATURES[chosen],
        bootstrap=bool(params["bootstrap"]),
        random_state=seed,
    )


ALGORITHMS = (
    Algorithm(
        name="random_forest",
        title="Random forest",
        summary="Many decision trees on random parts of the data, averaged: accurate with hardly any tuning.",
        tasks=("tabular-classification", "tabular-regression", "image-classification"),
        parameters=(
            Parameter(
                name="trees",
                type="int",
                default=100,
                minimum=1,
                maximum=2000,
                log=True,
                doc="Number of trees; more is steadier, slower and larger.",
            ),
            Parameter(
                name="max_depth",
                type="int",
                default=0,
                minimum=0,
                maximum=1000,
                doc="Questions on the longest path of each tree; 0 sets no limit.",
            ),
            Parameter(
                name="min_samples_leaf",
                type="int",
                default=1,
                minimum=1,
                maximum=100_000,
                log=True,
                doc="Training rows that every leaf keeps at least.",
            ),
            Parameter(
                name="max_features",
                type="choice",
                default="default",
                choices=("default", "sqrt", "log2", "third", "all"),
                doc="Columns looked at for each split; default is sqrt for classes and all for numbers.",
            ),
            Parameter(
                name="bootstrap",
                type="bool",
                default=True,
                doc="Whether each tree sees a random sample of the rows (drawn with replacement) rather than all.",
            ),
        ),
        citation="Breiman: Random Forests. Machine Learning 45, 2001. doi:10.1023/A:1010933404324",
        build=_build,
        portfolio=({}, {"trees": 300, "min_samples_leaf": 3}, {"trees": 300, "max_features": "third"}),
        rank=30,
    ),
)
