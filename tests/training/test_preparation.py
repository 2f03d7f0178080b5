"""What data training takes, what it leaves out and says so, and what it refuses."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from training_samples import digits, iris, penguins, png, sentences

from tholos.data.columns import ColumnType, typed_field
from tholos.kit.errors import TholosError
from tholos.tasks.errors import BrokenImage, UnknownTask
from tholos.training import errors
from tholos.training.prepared import Prepared, prepare
from tholos.training.request import TrainingRequest
from tholos.training.trainer import train

N = 40


def table(**columns: Any) -> pa.Table:
    """Forty rows with a number x, a target y of two classes, and more columns."""
    base = {"x": [float(i % 7) for i in range(N)], "y": ["a" if i % 2 else "b" for i in range(N)]}
    return pa.table({**base, **columns})


def ready(data: pa.Table, **request: Any) -> Prepared:
    return prepare(data, TrainingRequest(**{"target": "y", **request}))


def typed(data: pa.Table, name: str, kind: ColumnType) -> pa.Table:
    return data.cast(pa.schema([typed_field(f, kind) if f.name == name else f for f in data.schema]))


def test_the_signature_is_told_from_the_data():
    signature = prepare(penguins(), TrainingRequest(target="species")).signature
    assert signature.task == "tabular-classification"
    assert signature.output.labels == ("Adelie", "Chinstrap", "Gentoo")
    fields = {item.name: item for item in signature.inputs}
    assert list(fields) == [name for name in penguins().column_names if name != "species"]
    assert fields["island"].categories == ("Biscoe", "Dream", "Torgersen")
    assert not fields["island"].missing
    assert fields["sex"].missing
    assert (fields["year"].dtype, fields["year"].minimum, fields["year"].maximum) == ("integer", 2007, 2009)
    assert signature.encode(signature.example)["numeric"].shape == (1, 5)
    assert signature.reference["bill_length_mm"]["missing"] == 2
    assert len(signature.reference["bill_length_mm"]["deciles"]) == 11
    assert sum(signature.reference["species"]["shares"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("data", "request_", "task"),
    [
        (penguins, {"target": "species"}, "tabular-classification"),
        (penguins, {"target": "body_mass_g"}, "tabular-regression"),
        (penguins, {"target": "year"}, "tabular-classification"),
        (penguins, {"target": "year", "algorithm": "linear_regression"}, "tabular-regression"),
        (penguins, {"target": "flipper_length_mm", "task": "tabular-regression"}, "tabular-regression"),
        (digits, {}, "image-classification"),
        (sentences, {}, "text-classification"),
        (iris, {}, "tabular-classification"),
    ],
)
def test_the_task_is_told_from_target_and_columns(data, request_, task):
    assert prepare(data(), TrainingRequest(**request_)).task == task


def test_labels_keep_their_json_type():
    assert ready(table(y=[i % 3 for i in range(N)])).signature.output.labels == (0, 1, 2)
    assert ready(table(y=[bool(i % 2) for i in range(N)])).signature.output.labels == (False, True)
    whole = ready(table(y=[float(i % 2) for i in range(N)]), task="tabular-classification").signature.output.labels
    assert whole == (0, 1)
    assert all(type(label) is int for label in whole)


def test_rows_without_a_target_are_left_out_and_counted():
    prepared = ready(table(y=["a", "b", None, ""] * 10))
    assert len(prepared) == 20
    assert prepared.rows_without_target == 20
    assert any("20 rows without a target" in note for note in prepared.notes)
    numbers = ready(table(y=[1.5, 2.5, None, math.nan, math.inf] * 8))
    assert len(numbers) == 16


@pytest.mark.parametrize(
    ("column", "kept", "said"),
    [
        ([None] * N, False, "missing"),
        ([7] * N, True, "same value"),
        (["x"] * N, True, "same value"),
        ([f"customer {i}" for i in range(N)], False, "own value"),
        (list(range(100, 100 + 2 * N, 2)), False, "numbers the rows"),
        ([dt.date(2024, 1, 1)] * N, False, "dates"),
        ([b"\x89PNG"] * N, False, "images"),
        ([math.inf, 1.0] * (N // 2), True, "infinite"),
        ([math.inf] * N, False, "no finite"),
        ([""] * N, False, "missing"),
        (["a" if i % 2 else "b" for i in range(N)], False, "equals the target"),
    ],
)
def test_columns_that_cannot_help_are_left_out_or_kept_with_a_note(column, kept, said):
    task = "tabular-classification"
    prepared = ready(table(z=column), task=task)
    assert ("z" in prepared.signature.names) is kept
    assert any("'z'" in note and said in note for note in prepared.notes)


def test_a_text_column_is_left_out_of_a_tabular_model_unless_it_is_asked_for():
    data = typed(table(z=["some words that differ"] * N), "z", ColumnType.TEXT)
    assert any("text-classification" in note for note in ready(data, task="tabular-classification").notes)
    with pytest.raises(errors.WrongColumn) as caught:
        ready(data, task="tabular-classification", features=("z",))
    assert "text-classification" in caught.value.message


def test_many_categories_are_capped_at_the_most_frequent():
    values = ["often"] * 10 + [f"c{i % 15}" for i in range(30)]
    prepared = ready(table(z=values), max_categories=3)
    field = next(item for item in prepared.signature.inputs if item.name == "z")
    assert field.categories == ("often", "c0", "c1")
    assert any("16 categories" in note for note in prepared.notes)
    trained = train(table(z=values), TrainingRequest(target="y", algorithm="decision_tree", max_categories=3))
    assert trained.pipeline.named_steps["prepare"].transformers_[1][1].categories_[0].tolist() == ["often", "c0", "c1"]


def test_features_choose_the_columns_in_the_tables_order():
    prepared = ready(table(u=[float(i % 5) for i in range(N)], v=list(range(N))), features=("v", "x"))
    assert prepared.signature.names == ("x", "v")


def test_images_take_the_most_common_size_scaled_down_and_grey_only_if_all_are():
    grey = [png(np.full((20, 40), i, dtype=np.uint8)) for i in range(4)]
    data = pa.table({"image": grey, "label": ["a", "b", "a", "b"]})
    assert prepare(data, TrainingRequest(max_image_side=10)).signature.inputs[0].shape == (5, 10, 1)
    mixed = pa.table({"image": [*grey[:3], png(np.zeros((8, 8, 3), np.uint8))], "label": ["a", "b", "a", "b"]})
    shape = prepare(mixed, TrainingRequest(max_image_side=256))
    assert shape.signature.inputs[0].shape == (20, 40, 3)
    assert shape.batch["image"].shape == (4, 20, 40, 3)


def test_images_that_are_none_are_listed_and_refused():
    data = digits(20)
    files = data.column("image").to_pylist()
    files[3], files[7] = b"%PDF", None
    with pytest.raises(BrokenImage) as caught:
        prepare(pa.table({"image": files, "label": data.column("label")}), TrainingRequest())
    assert list(caught.value.details["rows"]) == ["3", "7"]


REFUSED: list[tuple[str, Callable[[], Any], type[TholosError], str]] = [
    ("one class", lambda: ready(table(y=["a"] * N)), errors.OneClass, "other classes"),
    ("constant number", lambda: ready(table(y=[1.5] * N)), errors.OneClass, "another target"),
    ("rare class", lambda: ready(table(y=["a"] * (N - 1) + ["b"])), errors.RareClass, "merge"),
    ("near target", lambda: ready(table(), target="Y"), errors.TargetMissing, "Did you mean 'y'"),
    ("far target", lambda: ready(table(), target="zzz"), errors.TargetMissing, "'x', 'y'"),
    (
        "no target named",
        lambda: prepare(table().rename_columns(["x", "z"]), TrainingRequest()),
        errors.TargetMissing,
        "Name the column",
    ),
    ("all targets missing", lambda: ready(table(y=pa.array([None] * N, pa.string()))), errors.TooFewRows, "Add rows"),
    (
        "continuous classes",
        lambda: ready(table(y=[i / 3 for i in range(N)]), task="tabular-classification"),
        errors.TargetContinuous,
        "tabular-regression",
    ),
    (
        "numbers of strings",
        lambda: ready(table(), task="tabular-regression"),
        errors.TargetNotNumeric,
        "classification",
    ),
    (
        "classes of dates",
        lambda: ready(table(y=[dt.date(2024, 1, 1 + i % 9) for i in range(N)])),
        errors.WrongColumn,
        "strings",
    ),
    ("target as feature", lambda: ready(table(), features=("x", "y")), errors.TargetAsFeature, "Leave it out"),
    (
        "target by another name",
        lambda: ready(table(z=table().column("y")), features=("z",)),
        errors.TargetAsFeature,
        "Leave it out",
    ),
    ("unknown feature", lambda: ready(table(xx=[1] * N), features=("xxx",)), errors.UnknownFeature, "'xx'"),
    ("nothing left", lambda: ready(table().select(["y"])), errors.NoFeatures, "Add columns"),
    ("no text", lambda: ready(table(), task="text-classification"), errors.NoFeatures, "tabular"),
    (
        "two texts",
        lambda: ready(table(u=["p"] * N, v=["q"] * N), task="text-classification"),
        errors.NoFeatures,
        "only feature",
    ),
    ("no image", lambda: ready(table(), task="image-classification"), errors.NoFeatures, "tabular"),
    ("unknown task", lambda: ready(table(), task="regression"), UnknownTask, "tabular-regression"),
    (
        "wrong task",
        lambda: train(table(), TrainingRequest(target="y", algorithm="tfidf_linear")),
        errors.WrongTask,
        "logistic_regression",
    ),
    ("unknown algorithm", lambda: TrainingRequest(algorithm="decisiontree"), errors.UnknownAlgorithm, "decision_tree"),
    ("unknown parameter", lambda: TrainingRequest(algorithm="svm", params={"c": 1}), errors.UnknownParameter, "C"),
    ("bad parameter", lambda: TrainingRequest(algorithm="svm", params={"C": -1}), errors.InvalidParameter, "0.0001"),
    ("parameters of auto", lambda: TrainingRequest(params={"C": 1}), errors.InvalidParameter, "name the algorithm"),
    ("bad seed", lambda: TrainingRequest(seed=-1), errors.InvalidParameter, "seed"),
    ("bad budget", lambda: TrainingRequest(budget_s=0.1), errors.InvalidParameter, "budget_s"),
    ("two scorings", lambda: TrainingRequest(folds=5, validation=0.2), errors.InvalidParameter, "one of them"),
    (
        "no words",
        lambda: train(
            pa.table({"text": ["a", "b"] * 20, "label": ["x", "y"] * 20}),
            TrainingRequest(task="text-classification", algorithm="tfidf_linear"),
        ),
        errors.TrainingFailed,
        "Check the data",
    ),
    (
        "words too rare",
        lambda: train(
            pa.table({"text": [f"word{i}" for i in range(40)], "label": ["x", "y"] * 20}),
            TrainingRequest(task="text-classification", algorithm="tfidf_linear", params={"min_count": 5}),
        ),
        errors.TrainingFailed,
        "another algorithm",
    ),
    (
        "auto on words too rare",
        lambda: train(
            pa.table({"text": ["a", "b"] * 20, "label": ["x", "y"] * 20}), TrainingRequest(task="text-classification")
        ),
        errors.NothingFinished,
        "by name",
    ),
]


@pytest.mark.parametrize(("act", "error", "hint"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_learned_is_refused_with_what_to_do(act, error, hint):
    with pytest.raises(error) as caught:
        act()
    assert caught.value.message
    assert hint in caught.value.next
    assert caught.value.status in (400, 422)
