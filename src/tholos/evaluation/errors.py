"""What can go wrong with an evaluation.

Refusals to a caller:     EvaluationNotFound 404 · PlotNotFound 404 · NotEvaluable 422 ·
                          NotEvaluated 422 · NotComparable 422
Reasons a job failed:     ColumnsMissing · NothingToEvaluate · NotAModel (kept on the job as code, message, next)
"""

from __future__ import annotations

from tholos.kit.errors import NotFound, Unprocessable


class EvaluationNotFound(NotFound):
    """There is no such evaluation, or you may not see it."""

    code = "evaluation_not_found"


class PlotNotFound(NotFound):
    """The evaluation has no plot of that name."""

    code = "plot_not_found"


class NotAModel(Unprocessable):
    """The revision holds no model that can be loaded."""

    code = "not_a_model"


class NotEvaluable(Unprocessable):
    """There are no figures by which models of this task are judged."""

    code = "not_evaluable"


class ColumnsMissing(Unprocessable):
    """The data lacks columns that the model needs."""

    code = "evaluation_columns_missing"


class NothingToEvaluate(Unprocessable):
    """No row of the data has a value in the column that the model predicts."""

    code = "nothing_to_evaluate"


class NotEvaluated(Unprocessable):
    """A revision has no evaluation to compare by."""

    code = "not_evaluated"


class NotComparable(Unprocessable):
    """The two models predict different things."""

    code = "not_comparable"
