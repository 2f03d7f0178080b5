"""Why a repo's files do not become a model that can be deployed.

Unprocessable (422)
  NothingToImport · NotImportable
"""

from __future__ import annotations

from typing import ClassVar

from tholos.kit.errors import Unprocessable


class NothingToImport(Unprocessable):
    """The revision holds no file of a known model format, or a model that was trained here."""

    code: ClassVar[str] = "nothing_to_import"


class NotImportable(Unprocessable):
    """The file is of a known format, but no model that can be deployed can be made of it as it is."""

    code: ClassVar[str] = "model_not_importable"
