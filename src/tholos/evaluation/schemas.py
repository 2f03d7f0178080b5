"""Wire shapes of evaluations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from tholos.evaluation.comparison import ComparedMetric, Comparison, Contender
from tholos.evaluation.service import DEFAULT_SPLIT, EvaluationView
from tholos.hub.service import MAIN
from tholos.kit.clock import isoformat

Better = Literal["higher", "lower"]
Name = Annotated[str, Field(max_length=200, examples=["ada/penguins"])]
Rev = Annotated[str, Field(max_length=300, description="Branch, tag or commit; by default the head of main.")]


class EvaluateIn(BaseModel, extra="forbid"):
    """What to measure on what."""

    model: Name
    revision: Rev = MAIN
    dataset: Name
    dataset_revision: Rev = MAIN
    split: Annotated[
        str, Field(max_length=100, description='"test", "split/test" of another split, or "all" for every row.')
    ] = DEFAULT_SPLIT


class MetricOut(BaseModel):
    """A figure with its 95 % interval; null, with the reason, where the data leaves it undefined."""

    title: str
    unit: str
    better: Better
    value: float | None
    low: float | None
    high: float | None
    method: str | None = Field(description="How the interval was made.")
    reason: str | None


class LatencyOut(BaseModel):
    """Milliseconds from a row's tensors to its answer, one row at a time: median and its 95 % interval."""

    value: float
    low: float | None
    high: float | None
    rows: int


class ArtifactOut(BaseModel):
    """What was loaded: the artifact that serves; size in bytes."""

    format: str
    file: str
    size: int


class EvaluationOut(BaseModel):
    """Metrics of one model revision on one split of one data revision."""

    id: str
    model: str
    revision: str
    dataset: str | None = Field(description="Null when you may not read it.")
    dataset_revision: str | None
    split: str | None = Field(description="Null where every row was taken.")
    task: str
    target: str
    rows: int
    metrics: dict[str, MetricOut]
    latency: LatencyOut | None
    artifact: ArtifactOut
    notes: list[str]
    hardware: str
    versions: dict[str, str]
    seconds: float
    plots: list[str]
    job_id: str
    created_at: str

    @classmethod
    def of(cls, view: EvaluationView) -> EvaluationOut:
        """The wire shape of an evaluation as its reader may see it."""
        return cls(**_fields(view))


class EvaluationDetail(EvaluationOut):
    """An evaluation with what lies behind its figures."""

    details: dict[str, Any] = Field(
        description="Of classes: labels, classes, confusion_matrix, calibration. Of numbers: residuals."
    )

    @classmethod
    def of_report(cls, view: EvaluationView, details: dict[str, Any]) -> EvaluationDetail:
        """An evaluation with its report."""
        return cls(**_fields(view), details=details)


class EvaluationPage(BaseModel):
    """Some evaluations, and where the list goes on."""

    items: list[EvaluationOut]
    next_cursor: str | None


class ContenderOut(BaseModel):
    """One side of a comparison."""

    model: str
    revision: str
    task: str
    algorithm: str
    params: dict[str, Any]
    artifact: ArtifactOut
    latency: LatencyOut | None
    hardware: str
    evaluation: str = Field(description="Id of the evaluation that speaks for it.")

    @classmethod
    def of(cls, contender: Contender) -> ContenderOut:
        """One side on the wire."""
        subject, evaluation = contender.subject, contender.view.evaluation
        return cls(
            model=subject.repo.full_name,
            revision=subject.revision,
            task=subject.model.task,
            algorithm=subject.model.algorithm.name,
            params=subject.model.algorithm.params,
            artifact=ArtifactOut.model_validate(evaluation.artifact),
            latency=None if evaluation.latency is None else LatencyOut.model_validate(evaluation.latency),
            hardware=evaluation.hardware,
            evaluation=evaluation.id,
        )


class RangeOut(BaseModel):
    """A figure of one side."""

    value: float | None
    low: float | None
    high: float | None


class ComparedMetricOut(BaseModel):
    """A figure of both sides; ``difference`` is B minus A on the same rows."""

    name: str
    title: str
    unit: str
    better: Better
    a: RangeOut
    b: RangeOut
    difference: float | None
    low: float | None = Field(description="95 % interval of the difference.")
    high: float | None
    method: str | None
    p_value: float | None = Field(description="McNemar's, for the accuracy.")
    winner: Literal["a", "b"] | None
    significant: bool | None = Field(description="Null where there is no interval to tell by.")

    @classmethod
    def of(cls, metric: ComparedMetric) -> ComparedMetricOut:
        """A compared figure on the wire."""
        found = metric.difference
        bounds = found.range if found else None
        return cls(
            name=metric.name,
            title=metric.a["title"],
            unit=metric.a["unit"],
            better=metric.a["better"],
            a=RangeOut.model_validate(metric.a),
            b=RangeOut.model_validate(metric.b),
            difference=found.value if found else None,
            low=bounds.low if bounds else None,
            high=bounds.high if bounds else None,
            method=bounds.method if bounds else None,
            p_value=found.p_value if found else None,
            winner=metric.winner,
            significant=found.significant if found else None,
        )


class RatioOut(BaseModel):
    """B over A: below 1 where B is smaller or faster."""

    size: float | None
    latency: float | None = Field(description="Null where either was not measured, or on other hardware.")


class ComparisonOut(BaseModel):
    """Two model revisions side by side."""

    a: ContenderOut
    b: ContenderOut
    dataset: str | None
    dataset_revision: str | None
    split: str | None
    rows: int
    same_data: bool
    metrics: list[ComparedMetricOut]
    params: dict[str, tuple[Any, Any]] = Field(description="Hyper-parameters that differ: the value of A and of B.")
    ratio: RatioOut
    notes: list[str]

    @classmethod
    def of(cls, comparison: Comparison) -> ComparisonOut:
        """A comparison on the wire."""
        a, b = ContenderOut.of(comparison.a), ContenderOut.of(comparison.b)
        view = comparison.a.view
        named = view.data if comparison.same_data else None
        return cls(
            a=a,
            b=b,
            dataset=named.full_name if named else None,
            dataset_revision=view.evaluation.data_revision if named else None,
            split=view.evaluation.split if comparison.same_data else None,
            rows=view.evaluation.rows,
            same_data=comparison.same_data,
            metrics=[ComparedMetricOut.of(metric) for metric in comparison.metrics],
            params={
                name: (a.params.get(name), b.params.get(name))
                for name in [*a.params, *(name for name in b.params if name not in a.params)]
                if a.params.get(name) != b.params.get(name)
            },
            ratio=RatioOut(size=_over(b.artifact.size, a.artifact.size), latency=_latency_ratio(a, b)),
            notes=comparison.notes,
        )


def _fields(view: EvaluationView) -> dict[str, Any]:
    evaluation, data = view.evaluation, view.data
    return {
        "id": evaluation.id,
        "model": view.model.full_name,
        "revision": evaluation.model_revision,
        "dataset": data.full_name if data else None,
        "dataset_revision": evaluation.data_revision if data else None,
        "split": evaluation.split,
        "task": evaluation.task,
        "target": evaluation.target,
        "rows": evaluation.rows,
        "metrics": evaluation.metrics,
        "latency": evaluation.latency,
        "artifact": evaluation.artifact,
        "notes": evaluation.notes,
        "hardware": evaluation.hardware,
        "versions": evaluation.versions,
        "seconds": evaluation.seconds,
        "plots": list(evaluation.plots),
        "job_id": evaluation.job_id,
        "created_at": isoformat(evaluation.created_at),
    }


def _latency_ratio(a: ContenderOut, b: ContenderOut) -> float | None:
    if a.latency is None or b.latency is None or a.hardware != b.hardware:
        return None
    return _over(b.latency.value, a.latency.value)


def _over(above: float, below: float) -> float | None:
    return above / below if below > 0 else None
