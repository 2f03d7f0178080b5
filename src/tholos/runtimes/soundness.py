"""Whether a model's numbers hold together: scikit-learn's compiled loops follow indices without a look where they lead.

A file of trusted types can still hold a tree whose child lies outside the tree, and predicting with it reads foreign
memory or never ends. Everything that compiled code indexes by is checked here, once, after a file was loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tholos.runtimes.errors import BrokenModel


def check_sound(model: Any) -> None:
    """Look at every part of a loaded model, however deep.

    Raises:
        BrokenModel: a part contradicts itself; the error names its type.

    """
    for part in _parts(model):
        name = type(part).__name__
        check = _CHECKS.get(name)
        if check is None or not (name in _UNFITTED or _is_fitted(part)):
            continue
        try:
            sound = check(part)
        except (AttributeError, TypeError, ValueError, LookupError, OverflowError):
            sound = False  # something that it must have is missing, or of another kind
        if not sound:
            raise BrokenModel(
                f"The model's {name} contradicts itself: its indices lead outside of its data.",
                next="Train the model again, or save it again from where it came.",
                part=name,
            )


def _is_fitted(part: Any) -> bool:
    """As scikit-learn tells it, which refuses to predict with anything else."""
    return any(name.endswith("_") and not name.startswith("__") for name in vars(part))


def _parts(model: Any) -> Iterator[Any]:
    """Every object that can be reached from the model."""
    waiting, seen = [model], set[int]()
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, str | bytes | int | float | type | None):
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple | set):
            waiting.extend(item)
        elif isinstance(item, np.ndarray):
            if item.dtype == object:
                waiting.extend(item.ravel().tolist())
        else:
            yield item
            waiting.extend(getattr(item, "__dict__", {}).values())


def _tree(estimator: Any) -> bool:
    """DecisionTree*: children lie after their parent, and features within those that the estimator checks for."""
    tree = estimator.tree_
    if type(tree).__name__ != "Tree":
        return False
    split = tree.children_left != -1
    return _leads_on(tree.children_left, tree.children_right, split) and _within(
        tree.feature[split], estimator.n_features_in_
    )


def _forest(estimator: Any) -> bool:
    """RandomForest*: it alone checks the width of the input, for all its trees."""
    trees = estimator.estimators_
    return len(trees) > 0 and all(
        type(tree).__name__.startswith("DecisionTree") and tree.n_features_in_ == estimator.n_features_in_
        for tree in trees
    )


def _boosting(estimator: Any) -> bool:
    """HistGradientBoosting*: as the trees; categories, which index further tables, are not used here."""
    predictors = [predictor for round_ in estimator._predictors for predictor in round_]  # noqa: SLF001 - its own name
    return all(_predictor(predictor.nodes, estimator.n_features_in_) for predictor in predictors)


def _predictor(nodes: np.ndarray[Any, Any], features: int) -> bool:
    split = nodes["is_leaf"] == 0
    return (
        not nodes["is_categorical"].any()
        and _leads_on(nodes["left"].astype(np.int64), nodes["right"].astype(np.int64), split)
        and _within(nodes["feature_idx"][split], features)
    )


def _support_vectors(estimator: Any) -> bool:
    """SVC, SVR: as many coefficients as the support vectors and classes ask for."""
    counts = estimator._n_support  # noqa: SLF001 - its own name
    vectors = estimator.support_vectors_
    classes = 2 if type(estimator).__name__ == "SVR" else len(estimator.classes_)
    return bool(
        len(counts) == classes
        and (counts >= 0).all()
        and (type(estimator).__name__ == "SVR" or counts.sum() == len(vectors))
        and vectors.ndim == 2
        and vectors.shape[1] == estimator.n_features_in_
        and len(estimator.support_) == len(vectors)
        and estimator._dual_coef_.shape == (classes - 1, len(vectors))
        and estimator._intercept_.shape == (classes * (classes - 1) // 2,)
        and estimator.kernel in ("linear", "poly", "rbf", "sigmoid")
        and len(estimator._probA) == len(estimator._probB) == 0  # noqa: SLF001 - its own names
    )


def _one_hot(encoder: Any) -> bool:
    """OneHotEncoder: as many columns as categories."""
    widths = [len(categories) for categories in encoder.categories_]
    return (
        list(encoder._n_features_outs) == widths  # noqa: SLF001 - its own name
        and encoder.drop_idx_ is None
        and not encoder._infrequent_enabled  # noqa: SLF001 - its own name
    )


def _vectorizer(vectorizer: Any) -> bool:
    """TfidfVectorizer: every term has a column of its own."""
    places = list(vectorizer.vocabulary_.values())
    return sorted(places) == list(range(len(places))) and len(vectorizer.idf_) == len(places)


def _passes_on(transformer: Any) -> bool:
    """FunctionTransformer: only the one that returns its input; any other calls what the file names."""
    return (
        transformer.func is None
        and transformer.inverse_func is None
        and transformer.feature_names_out
        in (
            None,
            "one-to-one",
        )
    )


def _leads_on(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any], split: np.ndarray[Any, Any]) -> bool:
    """Whether both children of every node that splits lie after it, so that every path ends at a leaf."""
    places = np.arange(len(split))
    return len(split) > 0 and all(
        bool(((child[split] > places[split]) & (child[split] < len(split))).all()) for child in (left, right)
    )


def _within(features: np.ndarray[Any, Any], count: int) -> bool:
    return type(count) is int and bool(((features >= 0) & (features < count)).all())


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "FunctionTransformer": _passes_on,
    "DecisionTreeClassifier": _tree,
    "DecisionTreeRegressor": _tree,
    "RandomForestClassifier": _forest,
    "RandomForestRegressor": _forest,
    "HistGradientBoostingClassifier": _boosting,
    "HistGradientBoostingRegressor": _boosting,
    "SVC": _support_vectors,
    "SVR": _support_vectors,
    "OneHotEncoder": _one_hot,
    "TfidfVectorizer": _vectorizer,
}

_UNFITTED = frozenset({"FunctionTransformer"})
"""Parts that work without having been fitted."""
