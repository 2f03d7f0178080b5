"""Linear models: least squares for numbers, logistic regression for classes."""

from __future__ import annotations

from typing import Any

from tholos.training.algorithm import Algorithm, Parameter, Params, Shape


def _build_linear(params: Params, _shape: Shape, seed: int) -> Any:
    from sklearn.linear_model import LinearRegression, Ridge

    intercept = bool(params["intercept"])
    if params["l2"] == 0:
        return LinearRegression(fit_intercept=intercept)
    return Ridge(alpha=float(params["l2"]), fit_intercept=intercept, random_state=seed)


def _build_logistic(params: Params, _shape: Shape, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(
        C=float(params["C"]),
        class_weight="balanced" if params["balanced"] else None,
        max_iter=int(params["max_iterations"]),
        random_state=seed,
    )


ALGORITHMS = (
    Algorithm(
        name="linear_regression",
        title="Linear regression",
        summary="A weighted sum of the columns, by least squares (ridge regression with an L2 penalty).",
        tasks=("tabular-regression",),
        parameters=(
            Parameter(
                name="l2",
                type="float",
                default=0.0,
                minimum=0.0,
                maximum=1e8,
                doc="L2 penalty on the weights; 0 is ordinary least squares.",
            ),
            Parameter(name="intercept", type="bool", default=True, doc="Whether the sum has a constant term."),
        ),
        citation="Hoerl, Kennard: Ridge Regression. Technometrics 12, 1970. doi:10.1080/00401706.1970.10488634",
        build=_build_linear,
        scale=True,
        portfolio=({}, {"l2": 1.0}, {"l2": 100.0}),
        rank=10,
    ),
    Algorithm(
        name="logistic_regression",
        title="Logistic regression",
        summary="A weighted sum of the columns turned into probabilities: quick, steady, easy to explain.",
        tasks=("tabular-classification", "image-classification"),
        parameters=(
            Parameter(
                name="C",
                type="float",
                default=1.0,
                minimum=1e-6,
                maximum=1e6,
                log=True,
                doc="Inverse of the L2 penalty: smaller keeps the weights smaller.",
            ),
            Parameter(
                name="balanced",
                type="bool",
                default=False,
                doc="Whether rare classes weigh as much as frequent ones.",
            ),
            Parameter(
                name="max_iterations",
                type="int",
                default=1000,
                minimum=1,
                maximum=100_000,
                log=True,
                doc="Steps of the L-BFGS solver at most.",
            ),
        ),
        citation="Cox: The Regression Analysis of Binary Sequences. J. R. Statistical Society B 20, 1958.",
        build=_build_logistic,
        scale=True,
        portfolio=({}, {"C": 0.1}, {"C": 10.0}),
        rank=10,
    ),
)
