from __future__ import annotations

import pytest

from tholos.tasks.errors import UnknownTask
from tholos.tasks.fields import Field, label_key
from tholos.tasks.task import TASKS, TRAINABLE, task, trainable_task


def test_the_tasks_say_what_they_take_and_how_they_are_judged():
    assert list(TASKS) == [
        "tabular-classification",
        "tabular-regression",
        "text-classification",
        "image-classification",
        "text-generation",
    ]
    assert list(TRAINABLE) == list(TASKS)[:-1]
    for entry in TASKS.values():
        assert entry.input.endswith(".")
        assert entry.output.endswith(".")
    for entry in map(task, TRAINABLE):
        assert entry.primary is entry.metrics[0]
        assert entry.metric(entry.primary.name) is entry.primary
    assert TASKS["tabular-regression"].primary.name == "r2"
    assert TASKS["text-classification"].primary.name == "accuracy"


def test_an_unknown_task_is_refused_with_the_nearest():
    with pytest.raises(UnknownTask) as caught:
        task("tabular-clasification")
    assert "'tabular-classification'" in caught.value.next


def test_what_is_only_served_is_no_task_to_train_for():
    assert trainable_task("tabular-regression") is TASKS["tabular-regression"]
    with pytest.raises(UnknownTask, match="served here, not trained"):
        trainable_task("text-generation")


def test_every_field_has_a_control():
    def widget(dtype, **more):
        return Field(name="x", dtype=dtype, **more).widget

    assert widget("number") == widget("integer") == "number"
    assert widget("string", categories=("a",)) == "select"
    assert widget("string") == "text"
    assert widget("boolean") == "checkbox"
    assert widget("text") == "textarea"
    assert widget("image", shape=(2, 2, 1)) == "file"


def test_labels_as_keys_of_json():
    assert [label_key(label) for label in ("a", 1, True, False)] == ["a", "1", "true", "false"]
