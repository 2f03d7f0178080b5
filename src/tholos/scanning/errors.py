"""What stands in the way of scans, and what scans stand in the way of.

Unprocessable (422)
  UnsafeRevision
Conflict (409)
  ScanPending · ScansOff
"""

from __future__ import annotations

from typing import ClassVar

from tholos.kit.errors import Conflict, Unprocessable


class UnsafeRevision(Unprocessable):
    """A file that would be loaded was found unsafe, or could not be scanned."""

    code: ClassVar[str] = "revision_unsafe"


class ScanPending(Conflict):
    """The files that would be loaded have not been scanned yet."""

    code: ClassVar[str] = "scan_pending"


class ScansOff(Conflict):
    """This server does not scan files."""

    code: ClassVar[str] = "scans_off"
