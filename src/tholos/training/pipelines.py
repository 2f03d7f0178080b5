"""The scikit-learn pipeline of a model: preprocessing and estimator in one object, so that serving cannot differ.

`Pipeline([("prepare", …), ("model", …)])` over what `frame_of` (`tholos.runtimes.frames`) makes of a batch:

- tabular: a data frame, columns in the signature's order. "prepare" is a ColumnTransformer that puts the numeric
  columns first (missing values replaced by the median, then standardised where the algorithm asks) and then one 0/1
  column per category of each string column (in the signature's order of categories, then missing if that is allowed; a
  string that was not seen becomes all zeros).
- text: a one-dimensional array of strings. "prepare" is a TfidfVectorizer over lower-cased runs of two or more letters,
  digits or underscores.
- images: float64 [rows, height * width * channels] in 0..1, row-major. "prepare" is "passthrough".

Classifiers are fitted on label indices 0..K-1 (positions in `signature.output.labels`), so `classes_` is that range;
the SVM's estimator is a CalibratedClassifierCV around it. Regression with SVM and MLP is a TransformedTargetRegressor
with a StandardScaler of the target.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tholos.runtimes.frames import frame_of
from tholos.tasks.signature import Signature
from tholos.training.algorithm import Algorithm, Params, Shape

__all__ = ["WORD_PATTERN", "build", "frame_of"]

WORD_PATTERN = r"\w{2,}"
"""What counts as a word: two or more letters, digits or underscores, in any script."""


def build(algorithm: Algorithm, params: Params, signature: Signature, shape: Shape, seed: int) -> Any:
    """The unfitted pipeline of an algorithm with checked `params` for data of this signature."""
    from sklearn.pipeline import Pipeline

    return Pipeline(
        [("prepare", _prepare(algorithm, params, signature)), ("model", algorithm.build(params, shape, seed))]
    )


def _prepare(algorithm: Algorithm, params: Params, signature: Signature) -> Any:
    if signature.task == "image-classification":
        return "passthrough"
    if signature.task == "text-classification":
        return _vectorizer(params)
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    steps: list[tuple[str, Any, list[str]]] = []
    if signature.numeric:
        numeric: list[tuple[str, Any]] = [("impute", SimpleImputer(strategy="median"))]
        if algorithm.scale:
            numeric.append(("scale", StandardScaler()))
        steps.append(("numeric", Pipeline(numeric), [signature.inputs[i].name for i in signature.numeric]))
    if signature.categorical:
        fields = [signature.inputs[i] for i in signature.categorical]
        encoder = OneHotEncoder(
            categories=[
                np.array([*(item.categories or ()), *([""] if item.missing else [])], dtype=object) for item in fields
            ],
            handle_unknown="ignore",
            sparse_output=False,
        )
        steps.append(("categorical", encoder, [item.name for item in fields]))
    return ColumnTransformer(steps, sparse_threshold=0.0)


def _vectorizer(params: Params) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        lowercase=True,
        token_pattern=WORD_PATTERN,
        ngram_range=(1, int(params.get("max_ngram", 1))),
        min_df=int(params.get("min_count", 1)),
        max_features=int(params.get("max_features", 50_000)),
    )
