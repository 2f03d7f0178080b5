"""Text by weighted word counts and a linear model."""

from __future__ import annotations

from typing import Any

from tholos.training.algorithm import Algorithm, Parameter, Params, Shape


def _build(params: Params, _shape: Shape, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(
        C=float(params["C"]),
        class_weight="balanced" if params["balanced"] else None,
        max_iter=int(params["max_iterations"]),
        random_state=seed,
    )


ALGORITHMS = (
    Algorithm(
        name="tfidf_linear",
        title="TF-IDF and linear model",
        summary="Words weighted by how telling they are, then logistic regression: a hard baseline to beat on text.",
        tasks=("text-classification",),
        parameters=(
            Parameter(
                name="C",
                type="float",
                default=10.0,
                minimum=1e-6,
                maximum=1e6,
                log=True,
                doc="Inverse of the L2 penalty: smaller keeps the weights smaller.",
            ),
            Parameter(
                name="max_ngram",
                type="int",
                default=1,
                minimum=1,
                maximum=3,
                doc="Longest run of neighbouring words that counts as a term of its own.",
            ),
            Parameter(
                name="min_count",
                type="int",
                default=1,
                minimum=1,
                maximum=1000,
                log=True,
                doc="Texts in which a term must occur to be used.",
            ),
            Parameter(
                name="max_features",
                type="int",
                default=50_000,
                minimum=10,
                maximum=1_000_000,
                log=True,
                doc="Terms kept at most: the most frequent.",
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
        citation="Salton, Buckley: Term-weighting approaches in automatic text retrieval. Information Processing & "
        "Management 24, 1988.",
        build=_build,
        portfolio=({}, {"max_ngram": 2}, {"C": 1.0}, {"max_ngram": 2, "C": 100.0, "min_count": 2}),
        rank=10,
    ),
)
