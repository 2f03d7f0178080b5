"""Files of trusted types that would crash, hang or spy: each is refused before anything is predicted with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tholos.runtimes.errors import BrokenModel
from tholos.runtimes.skops import load_pipeline, save_pipeline

X = np.random.default_rng(0).normal(size=(90, 4))
Y = np.arange(90) % 3


def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(3, random_state=0).fit(X, Y)


def tree() -> Any:
    from sklearn.tree import DecisionTreeRegressor

    return DecisionTreeRegressor(random_state=0).fit(X, Y)


def boosting() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=2, early_stopping=False).fit(X, Y)


def machine() -> Any:
    from sklearn.svm import SVC

    return SVC().fit(X, Y)


def regressor() -> Any:
    from sklearn.svm import SVR

    return SVR().fit(X, Y)


def encoder() -> Any:
    from sklearn.preprocessing import OneHotEncoder

    return OneHotEncoder(handle_unknown="ignore").fit(np.array([["a"], ["b"]], dtype=object))


def vectorizer() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer().fit(["one two", "two three"])


def nested(model: Any) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import Pipeline

    outer = TransformedTargetRegressor(regressor=model)
    outer.regressor_ = model
    return Pipeline([("prepare", "passthrough"), ("model", outer)])


def with_node(model: Any, **changes: int) -> Any:
    """The model, the root of its tree changed."""
    state = model.tree_.__getstate__()
    nodes = state["nodes"].copy()
    for name, value in changes.items():
        nodes[name][0] = value
    model.tree_.__setstate__({**state, "nodes": nodes})
    return model


def with_predictor(model: Any, **changes: int) -> Any:
    nodes = model._predictors[0][0].nodes
    for name, value in changes.items():
        nodes[name][0] = value
    return model


def changed(model: Any, **attributes: Any) -> Any:
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


def without(model: Any, name: str) -> Any:
    delattr(model, name)
    return model


def in_forest(change: Any) -> Any:
    model = forest()
    change(model.estimators_[1])
    return model


UNSOUND = {
    "a child outside the tree": lambda: with_node(tree(), left_child=10**9),
    "a child before the tree": lambda: with_node(tree(), right_child=-7),
    "a tree that goes in circles": lambda: with_node(tree(), left_child=0),
    "a feature outside the input": lambda: with_node(tree(), feature=4),
    "a feature before the input": lambda: with_node(tree(), feature=-3),
    "a tree that checks no width": lambda: without(tree(), "n_features_in_"),
    "a tree of another kind": lambda: changed(tree(), tree_=None),
    "a tree within a forest": lambda: in_forest(lambda member: with_node(member, feature=99)),
    "a wider tree within a forest": lambda: in_forest(lambda member: changed(member, n_features_in_=9)),
    "a forest that checks no width": lambda: without(forest(), "n_features_in_"),
    "a boosted child outside": lambda: with_predictor(boosting(), left=10**6),
    "a boosted circle": lambda: with_predictor(boosting(), right=0),
    "a boosted feature outside": lambda: with_predictor(boosting(), feature_idx=4),
    "boosted categories": lambda: with_predictor(boosting(), is_categorical=1, bitset_idx=10**6),
    "more support than vectors": lambda: changed(machine(), _n_support=np.array([90, 90, 90], dtype=np.int32)),
    "fewer classes than promised": lambda: changed(machine(), _n_support=np.array([90], dtype=np.int32)),
    "fewer coefficients": lambda: changed(machine(), _dual_coef_=np.zeros((2, 3))),
    "fewer intercepts": lambda: changed(machine(), _intercept_=np.zeros(1)),
    "narrow support vectors": lambda: changed(machine(), support_vectors_=np.zeros((90, 1))),
    "a regressor's coefficients": lambda: changed(regressor(), _dual_coef_=np.zeros((1, 1))),
    "fewer columns than categories": lambda: changed(encoder(), _n_features_outs=[1]),
    "terms outside the vocabulary": lambda: changed(vectorizer(), vocabulary_={"one": 0, "two": 10**6, "three": 2}),
    "something deep within": lambda: nested(with_node(tree(), left_child=10**9)),
}


@pytest.mark.parametrize("make", UNSOUND.values(), ids=UNSOUND)
def test_an_unsound_model_is_refused(make, tmp_path: Path):
    save_pipeline(make(), tmp_path / "model.skops")
    with pytest.raises(BrokenModel, match="contradicts itself"):
        load_pipeline(tmp_path / "model.skops")


@pytest.mark.parametrize("make", [forest, tree, boosting, machine, regressor, encoder, vectorizer])
def test_a_sound_model_is_loaded(make, tmp_path: Path):
    save_pipeline(make(), tmp_path / "model.skops")
    assert type(load_pipeline(tmp_path / "model.skops")) is type(make())
