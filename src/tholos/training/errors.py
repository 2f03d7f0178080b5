"""What can be wrong with a training request or its data.

InvalidInput (400)
  UnknownAlgorithm · UnknownParameter · InvalidParameter · WrongTask · TargetMissing · UnknownFeature · TargetAsFeature
Unprocessable (422)
  OneClass · RareClass · TooFewRows · NoFeatures · TargetNotNumeric · TargetContinuous · WrongColumn · NothingFinished ·
  TrainingFailed · BrokenDescription · TooMuchCode
Conflict (409)
  NotReplayable
"""

from __future__ import annotations

from typing import ClassVar

from tholos.kit.errors import Conflict, InvalidInput, Unprocessable


class UnknownAlgorithm(InvalidInput):
    """The catalogue has no algorithm of this name."""

    code: ClassVar[str] = "algorithm_unknown"


class UnknownParameter(InvalidInput):
    """The algorithm has no hyper-parameter of this name."""

    code: ClassVar[str] = "parameter_unknown"


class InvalidParameter(InvalidInput):
    """A hyper-parameter or option is of the wrong type or out of its bounds."""

    code: ClassVar[str] = "parameter_invalid"


class WrongTask(InvalidInput):
    """The algorithm does not solve this task."""

    code: ClassVar[str] = "algorithm_wrong_task"


class TargetMissing(InvalidInput):
    """The data has no such target column, or none was named."""

    code: ClassVar[str] = "target_missing"


class UnknownFeature(InvalidInput):
    """The data has no column of this name."""

    code: ClassVar[str] = "feature_unknown"


class TargetAsFeature(InvalidInput):
    """The target is among the features, so the model would be told the answer."""

    code: ClassVar[str] = "target_is_feature"


class OneClass(Unprocessable):
    """The target holds a single class: there is nothing to tell apart."""

    code: ClassVar[str] = "target_one_class"


class RareClass(Unprocessable):
    """A class has fewer than two rows."""

    code: ClassVar[str] = "target_rare_class"


class TooFewRows(Unprocessable):
    """There are fewer rows than the work needs."""

    code: ClassVar[str] = "rows_too_few"


class NoFeatures(Unprocessable):
    """No usable column is left to learn from."""

    code: ClassVar[str] = "features_none"


class TargetNotNumeric(Unprocessable):
    """Regression needs a target of numbers."""

    code: ClassVar[str] = "target_not_numeric"


class TargetContinuous(Unprocessable):
    """Classification needs a target of classes, not of measured numbers."""

    code: ClassVar[str] = "target_continuous"


class WrongColumn(Unprocessable):
    """A column is of a type that the task cannot use."""

    code: ClassVar[str] = "column_wrong_type"


class NothingFinished(Unprocessable):
    """No trial of the search finished."""

    code: ClassVar[str] = "search_nothing_finished"


class TrainingFailed(Unprocessable):
    """The algorithm could not be fitted to this data."""

    code: ClassVar[str] = "training_failed"


class BrokenDescription(Unprocessable):
    """The algorithm repo's algorithm.yaml is missing, or a field of it is wrong."""

    code: ClassVar[str] = "algorithm_description_invalid"


class TooMuchCode(Unprocessable):
    """The algorithm repo holds more files, or larger ones, than code has."""

    code: ClassVar[str] = "algorithm_too_large"


class NotReplayable(Conflict):
    """Only a training job that succeeded can be replayed."""

    code: ClassVar[str] = "job_not_replayable"
