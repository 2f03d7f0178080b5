"""A scikit-learn model in a skops file: loaded as its runtime loads it, and asked what it takes and answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tholos.imports.errors import NotImportable
from tholos.imports.files import Files
from tholos.imports.findings import Detected, Findings, Hints, named_inputs, named_labels, signature_of
from tholos.kit.errors import TholosError
from tholos.runtimes.model import MODEL_SKOPS
from tholos.runtimes.skops import SkopsModel, check_fits, first_step, load_pipeline
from tholos.tasks.fields import Field, Label
from tholos.tasks.signature import Signature, TaskId, decode


def read_skops(files: Files, path: str, found: Findings, hints: Hints) -> Detected:
    """Describe the file at ``path``; never call it outside a job's child process.

    Raises:
        BrokenModel, UntrustedTypes, PickleRefused: see `tholos.runtimes.skops`.
        NotImportable: it loads, but is no classifier or regressor that can be served.

    """
    placed = files.place(path)
    pipeline = load_pipeline(placed)
    steps = [step for _, step in pipeline.steps] if type(pipeline).__name__ == "Pipeline" else [pipeline]
    found.read("estimator", type(steps[-1]).__name__, path)
    if len(steps) > 1:
        found.read("preparation", [type(step).__name__ for step in steps[:-1]], path)
    task, labels = _task(pipeline, steps, found)
    fields = _fields(pipeline, steps, task, found, hints)
    signature = signature_of(found, task, fields, labels, hints)
    _try(pipeline, signature)
    name = path.rpartition("/")[2]
    return found.served(signature, "skops", name if "/" not in path else MODEL_SKOPS, placed if "/" in path else None)


def _task(pipeline: Any, steps: list[Any], found: Findings) -> tuple[TaskId, tuple[Label, ...] | None]:
    from sklearn.base import is_regressor

    wanted = found.corrections.task
    classes = getattr(pipeline, "classes_", None)
    text = type(steps[0]).__name__ == "TfidfVectorizer"
    if classes is None and not is_regressor(pipeline):
        raise NotImportable(
            f"{type(steps[-1]).__name__} is neither a fitted classifier nor a regressor.",
            next="Push a fitted classifier or regressor; other kinds of model are not served yet.",
        )
    if classes is not None and isinstance(classes, list):
        raise NotImportable("The model predicts several targets at once.", next="Push a model of one target.")
    task: TaskId
    if classes is None:
        task = "tabular-regression"
        if text:
            raise NotImportable("A regression of text is not served.", next="Push a classifier of text.")
    else:
        task = "text-classification" if text else "tabular-classification"
    if wanted is not None and wanted != task:
        raise NotImportable(f"The model is a {task} model, so it cannot serve as {wanted}.", next="Leave --task out.")
    found.set_task(task, "read", "the estimator's kind")
    if classes is None:
        return task, None
    if not hasattr(pipeline, "predict_proba"):
        raise NotImportable(
            f"{type(steps[-1]).__name__} gives no probabilities, which every classifier here answers with.",
            next="Fit it within CalibratedClassifierCV, and save that.",
        )
    return task, named_labels(found, classes, how="read", note="classes_")


def _fields(pipeline: Any, steps: list[Any], task: TaskId, found: Findings, hints: Hints) -> tuple[Field, ...]:
    if task == "text-classification":
        fields = [Field(name="text", dtype="text")]
        return named_inputs(found, fields, how="read", note="its first step is a TfidfVectorizer")
    first = first_step(pipeline)
    own = getattr(first, "feature_names_in_", None)
    count = getattr(first, "n_features_in_", None)
    if not isinstance(count, int) or count < 1:
        raise NotImportable("The model does not say how many inputs it takes.", next="Fit it anew and save it again.")
    if own is not None and found.corrections.input_names:
        raise NotImportable(
            "The model names its inputs itself, and insists on these names.", next="Leave --input-names out."
        )
    names = [str(name) for name in own] if own is not None else [f"x{place}" for place in range(count)]
    strings = dict(_categories(steps[0], names))
    if len(hints.fields) == count and (own is None or [item.name for item in hints.fields] == names):
        return named_inputs(
            found,
            [replace(item, categories=strings.get(names[place])) for place, item in enumerate(hints.fields)],
            how="read",
            note=hints.source,
        )
    fields = [
        Field(name=name, dtype="string", categories=strings[name])
        if name in strings
        else Field(name=name, dtype="number")
        for name in names
    ]
    if own is None:
        return named_inputs(
            found, fields, how="guessed", note="the model was fitted on an array, so they have no names"
        )
    return named_inputs(
        found, fields, how="read", note="feature_names_in_; whether a number is whole or may be missing is not said"
    )


def _categories(step: Any, names: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The columns that an encoder takes as strings, with the strings that it learned."""
    if type(step).__name__ == "ColumnTransformer":
        for _, inner, chosen in step.transformers_:
            columns = [chosen] if isinstance(chosen, str | int) else list(chosen)
            picked = [names[name] if isinstance(name, int) else str(name) for name in columns]
            yield from _categories(inner, picked)
    elif type(step).__name__ == "Pipeline":
        for _, inner in step.steps:
            yield from _categories(inner, names)
    elif type(step).__name__ == "OneHotEncoder":
        for name, learned in zip(names, step.categories_, strict=True):
            values = tuple(str(value) for value in learned if isinstance(value, str))
            if values:
                yield name, tuple(value for value in values if value)


def _try(pipeline: Any, signature: Signature) -> None:
    """Ask it for its example: what cannot answer now will not answer when it is deployed."""
    check_fits(pipeline, signature)
    try:
        answer = SkopsModel(pipeline, signature).infer(signature.encode(signature.example))
        decode(signature, answer)
    except TholosError:
        raise
    except Exception as error:
        # scikit-learn's estimators raise whatever a state that does not fit together makes them trip over.
        raise NotImportable(
            f"The model does not answer a row of its own inputs: {type(error).__name__}: {str(error)[:200]}",
            next="Save it again with the scikit-learn that made it; see what it takes with --input-names.",
        ) from error
