"""What can be wrong with an input, an output or a task's name.

InvalidInput (400)
  WrongType · MissingColumn · ExtraColumn · MissingValue · NotFinite · EmptyBatch · WrongWidth · TooManyRows ·
  InputTooLarge · BrokenImage · BrokenSignature · UnknownTask
Unprocessable (422)
  OutputNotFinite
"""

from __future__ import annotations

from typing import ClassVar

from tholos.kit.errors import InvalidInput, Unprocessable


class WrongType(InvalidInput):
    """A value is not of the type that the signature names."""

    code: ClassVar[str] = "input_wrong_type"


class MissingColumn(InvalidInput):
    """A row lacks a column of the signature."""

    code: ClassVar[str] = "input_missing_column"


class ExtraColumn(InvalidInput):
    """A row has a column that the signature does not know."""

    code: ClassVar[str] = "input_extra_column"


class MissingValue(InvalidInput):
    """A value is null where the model learned from complete data."""

    code: ClassVar[str] = "input_missing_value"


class NotFinite(InvalidInput):
    """A number is NaN, infinite, or too large for the models' arithmetic."""

    code: ClassVar[str] = "input_not_finite"


class EmptyBatch(InvalidInput):
    """The input holds no row."""

    code: ClassVar[str] = "input_empty"


class WrongWidth(InvalidInput):
    """A row given as a list is longer or shorter than the signature."""

    code: ClassVar[str] = "input_wrong_width"


class TooManyRows(InvalidInput):
    """The input holds more rows than one request may carry."""

    code: ClassVar[str] = "input_too_many_rows"


class InputTooLarge(InvalidInput):
    """One value (a text, an image) is larger than allowed."""

    code: ClassVar[str] = "input_too_large"


class BrokenImage(InvalidInput):
    """The bytes are not an image in a supported format."""

    code: ClassVar[str] = "input_broken_image"


class BrokenSignature(InvalidInput):
    """A signature's JSON does not describe a signature."""

    code: ClassVar[str] = "signature_broken"


class UnknownTask(InvalidInput):
    """No task has this id."""

    code: ClassVar[str] = "task_unknown"


class OutputNotFinite(Unprocessable):
    """The model answered with a number that is NaN or infinite."""

    code: ClassVar[str] = "output_not_finite"
