"""Why a folder cannot be loaded as a model.

NotFound (404)
  ModelFileMissing
InvalidInput (400)
  UnknownFormat
Unprocessable (422)
  BrokenModel · UntrustedTypes · PickleRefused · RuntimeNotInstalled · TextTooLong
"""

from __future__ import annotations

from typing import ClassVar

from tholos.kit.errors import InvalidInput, NotFound, Unprocessable


class ModelFileMissing(NotFound):
    """A file that a model needs is not in its folder."""

    code: ClassVar[str] = "model_file_missing"


class UnknownFormat(InvalidInput):
    """No runtime loads artifacts of this format."""

    code: ClassVar[str] = "model_format_unknown"


class BrokenModel(Unprocessable):
    """A model's files cannot be read, or contradict each other."""

    code: ClassVar[str] = "model_broken"


class UntrustedTypes(Unprocessable):
    """A skops file holds types outside the list that Tholos trusts."""

    code: ClassVar[str] = "model_untrusted_types"


class PickleRefused(Unprocessable):
    """The file is a pickle, which can run any code when it is loaded; it was not opened."""

    code: ClassVar[str] = "pickle_refused"


class RuntimeNotInstalled(Unprocessable):
    """The library that runs this format is not part of the server's installation."""

    code: ClassVar[str] = "runtime_not_installed"


class TextTooLong(Unprocessable):
    """The text has more tokens than the model's context holds."""

    code: ClassVar[str] = "text_too_long"
