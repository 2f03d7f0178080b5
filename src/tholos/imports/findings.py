"""What readers share: collecting facts, and from names, types and labels to a signature."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tholos.imports.errors import NotImportable
from tholos.imports.report import Corrections, Fact, FormatName, How, Obstacle, Report
from tholos.kit.errors import TholosError
from tholos.tasks.errors import BrokenSignature
from tholos.tasks.fields import Field, Label, Output
from tholos.tasks.signature import Signature, TaskId

MAX_INPUTS = 5000
MAX_LABELS = 10_000
OUTPUT = "prediction"
GENERATED = "generated_text"
PROMPT = "Write one short sentence about the sea."
LABELS_NEXT = "Name the classes in the order of the model's outputs: --label-names a,b,c."
INPUTS_NEXT = "Name the inputs in the model's order: --input-names a,b,c."


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What a file beside the model says of its inputs."""

    fields: tuple[Field, ...] = ()
    """Typed inputs in order; empty where nothing is said."""
    example: Any = None
    source: str = ""
    """The file that says it."""


@dataclass(frozen=True, kw_only=True)
class Detected:
    """A model, described; with what has to be committed to make it deployable."""

    report: Report
    signature: Signature | None = None
    artifact: str = ""
    """Name of the file that will serve."""
    made: Path | None = None
    """Its content, where it is not in the revision under that name."""


@dataclass
class Findings:
    """Facts as they are found."""

    format: FormatName
    file: str
    library: str
    sha256: str = ""
    corrections: Corrections = field(default_factory=Corrections)
    facts: list[Fact] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    task: str | None = None

    def add(self, name: str, value: Any, how: How, note: str = "") -> None:
        """Notes a fact; one of the same name is replaced."""
        self.facts = [fact for fact in self.facts if fact.name != name]
        self.facts.append(Fact(name=name, value=value, how=how, note=note))

    def read(self, name: str, value: Any, note: str = "") -> None:
        self.add(name, value, "read", note)

    def guess(self, name: str, value: Any, note: str) -> None:
        self.add(name, value, "guessed", note)

    def set_task(self, task: str, how: How, note: str) -> None:
        self.task = task
        self.add("task", task, how, note)

    def blocked(self, error: TholosError | Obstacle) -> Detected:
        """The result where something stands in the way."""
        obstacle = error
        if isinstance(error, TholosError):
            obstacle = Obstacle(code=error.code, message=error.message, next=error.next)
        assert isinstance(obstacle, Obstacle)
        return Detected(report=self._report(None, None, obstacle))

    def served(self, signature: Signature, runtime: str, artifact: str, made: Path | None) -> Detected:
        """The result for a model that a runtime serves."""
        self.read("runtime", runtime, f"{artifact} is loaded by the {runtime} runtime")
        return Detected(
            report=self._report(runtime, signature, None), signature=signature, artifact=artifact, made=made
        )

    def _report(self, runtime: str | None, signature: Signature | None, obstacle: Obstacle | None) -> Report:
        return Report(
            format=self.format,
            file=self.file,
            sha256=self.sha256,
            library=self.library,
            task=signature.task if signature else self.task,
            runtime=runtime,
            facts=tuple(self.facts),
            signature=None if signature is None else signature.to_json(),
            obstacle=obstacle,
            provenance=self.provenance,
            corrections=self.corrections,
        )


def unserved(what: str) -> Obstacle:
    """What is said of a model that is understood, but that nothing here runs."""
    return Obstacle(
        code="runtime_missing",
        message=f"{what} is recognised, but no runtime of this installation serves it yet.",
        next="It can be kept, shared, tagged and pulled. To serve a model here, push it as ONNX or skops.",
    )


def named_inputs(found: Findings, fields: Sequence[Field], *, how: How, note: str) -> tuple[Field, ...]:
    """The inputs under the names that the user gave, where they gave any. Raises NotImportable."""
    names = found.corrections.input_names
    if len(fields) > MAX_INPUTS:
        raise NotImportable(
            f"The model has {len(fields):,} inputs; at most {MAX_INPUTS:,} are served.", next="Export it with fewer."
        )
    if names:
        if len(names) != len(fields):
            raise NotImportable(
                f"{len(names)} input names were given, but the model has {len(fields)} inputs.", next=INPUTS_NEXT
            )
        fields = [_renamed(item, name) for item, name in zip(fields, names, strict=True)]
        how, note = "given", "said when it was imported"
    found.add("inputs", [f"{item.name}: {item.dtype}" for item in fields], how, note)
    return tuple(fields)


def named_labels(found: Findings, labels: Iterable[Any], *, how: How, note: str) -> tuple[Label, ...]:
    """The classes, under the names that the user gave, where they gave any. Raises NotImportable."""
    plain = tuple(_label(value) for value in labels)
    names = found.corrections.label_names
    if len(plain) > MAX_LABELS:
        raise NotImportable(
            f"The model has {len(plain):,} classes; at most {MAX_LABELS:,} are served.", next="Export it with fewer."
        )
    if names:
        if len(names) != len(plain):
            raise NotImportable(
                f"{len(names)} label names were given, but the model tells {len(plain)} classes apart.",
                next=LABELS_NEXT,
            )
        plain, how, note = names, "given", "said when it was imported"
    found.add("labels", list(plain), how, note)
    return plain


def signature_of(
    found: Findings, task: TaskId, fields: tuple[Field, ...], labels: tuple[Label, ...] | None, hints: Hints
) -> Signature:
    """The signature, with an example that it accepts. Raises NotImportable."""
    name = found.corrections.output_name
    found.add(
        "output",
        name or OUTPUT,
        "given" if name else "guessed",
        "said when it was imported" if name else "model files do not name what they predict; --output-name does",
    )
    output = Output(name=name or OUTPUT, kind="number" if labels is None else "class", labels=labels)
    example = _example(fields)
    signature = Signature(task=task, inputs=fields, output=output, example=example)
    try:
        signature = Signature.from_json(signature.to_json())
    except BrokenSignature as error:
        raise NotImportable(error.message, next="Correct it with --task, --label-names or --input-names.") from error
    if hints.example is not None:
        try:
            shown = Signature(task=task, inputs=fields, output=output, example=_renamed_row(hints, fields))
            shown.encode(shown.example)
        except (TholosError, KeyError):
            pass  # an example that the inputs refuse is none: the made one stays, and is marked as made
        else:
            found.read("example", shown.example, hints.source)
            return shown
    found.guess("example", example, "made up: the files hold no example that fits")
    return signature


def generation_signature(found: Findings, context: int) -> Signature:
    """The signature of a model that answers a text with a text, ``context`` tokens both. Raises NotImportable."""
    if found.corrections.label_names:
        raise NotImportable("A model that generates text has no classes.", next="Leave --label-names out.")
    note = "what models that generate text take and answer"
    field = Field(name="text", dtype="text", description=f"At most {context:,} tokens, the answer included.")
    fields = named_inputs(found, [field], how="read", note=note)
    name = found.corrections.output_name
    found.add("output", name or GENERATED, "given" if name else "read", "said when it was imported" if name else note)
    output = Output(name=name or GENERATED, kind="text")
    signature = Signature(task="text-generation", inputs=fields, output=output, example=PROMPT)
    found.guess("example", PROMPT, "made up: the files hold none")
    return signature


def _example(fields: tuple[Field, ...]) -> Any:
    if fields[0].dtype == "text":
        return "an example"
    values: dict[str, Any] = {"integer": 0, "boolean": False, "number": 0.0}
    return {item.name: values.get(item.dtype, (item.categories or ("",))[0]) for item in fields}


def _renamed_row(hints: Hints, fields: tuple[Field, ...]) -> Any:
    if not isinstance(hints.example, dict) or len(hints.fields) != len(fields):
        return hints.example
    return {new.name: hints.example[old.name] for old, new in zip(hints.fields, fields, strict=True)}


def _renamed(item: Field, name: str) -> Field:
    from dataclasses import replace

    return replace(item, name=name)


def _label(value: Any) -> Label:
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float) and plain.is_integer():
        plain = int(plain)
    if isinstance(plain, str | int | bool):
        return plain
    raise NotImportable(
        f"The model has a class {plain!r}, which is neither text, a whole number nor a boolean.", next=LABELS_NEXT
    )
