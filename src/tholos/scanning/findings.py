"""What a scan says: findings, and the verdict that follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Safety = Literal["innocuous", "suspicious", "dangerous"]


class Severity(StrEnum):
    """How much a finding weighs."""

    NOTE = "note"
    """Worth knowing; changes no verdict."""
    SUSPICIOUS = "suspicious"
    """Not known to be harmless: look before you load it."""
    UNSAFE = "unsafe"
    """Made to run code, to read or write where it should not, or to exhaust whoever opens it."""


class Status(StrEnum):
    """The verdict on a file or a revision."""

    QUEUED = "queued"
    SAFE = "safe"
    SUSPICIOUS = "suspicious"
    UNSAFE = "unsafe"
    ERROR = "error"
    """Could not be scanned."""


_WEIGHT = {Status.SAFE: 0, Status.QUEUED: 1, Status.SUSPICIOUS: 2, Status.ERROR: 3, Status.UNSAFE: 4}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. It never holds a secret or a person's data itself, only where it lies."""

    kind: str
    """``pickle.import``, ``secret.aws_key`` …"""
    severity: Severity
    message: str
    next: str
    where: str = ""
    """``line 12``, ``offset 40``, ``data.pkl in archive, offset 40``; empty for the file as a whole."""
    private: bool = False
    """Shown only to those who may write to the repo: it would lead others to a secret or to someone's data."""

    def to_json(self) -> dict[str, Any]:
        """As it is stored and sent."""
        return {
            "kind": self.kind,
            "severity": self.severity.value,
            "message": self.message,
            "next": self.next,
            "where": self.where,
            "private": self.private,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        """What `to_json` wrote."""
        return cls(
            data["kind"], Severity(data["severity"]), data["message"], data["next"], data["where"], data["private"]
        )


@dataclass(frozen=True, slots=True)
class Import:
    """Something that a pickle would import."""

    module: str
    name: str
    safety: Safety


@dataclass(slots=True)
class Report:
    """What the scan of one content found."""

    findings: list[Finding] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    """Of pickles, whatever their safety; empty for other files."""
    loads: list[str] = field(default_factory=list)
    """Other files, relative to its folder, that whoever loads this file reads too."""
    read_share: float = 1.0
    """Which part of the bytes that matter was read, from 0 to 1."""
    is_pickle: bool = False
    error: str = ""
    """Why it could not be scanned, or not to its end."""

    @property
    def status(self) -> Status:
        """The verdict for those who may write to the repo."""
        return status_of(self.findings, self.error)

    @property
    def public_status(self) -> Status:
        """The verdict for everybody else: private findings do not count."""
        return status_of((finding for finding in self.findings if not finding.private), self.error)

    def details(self) -> dict[str, Any]:
        """Everything but the findings, as it is stored."""
        return {
            "imports": [[item.module, item.name, item.safety] for item in self.imports],
            "loads": self.loads,
            "read_share": self.read_share,
            "is_pickle": self.is_pickle,
            "error": self.error,
        }

    def to_json(self) -> dict[str, Any]:
        """The whole of it, to cross a process boundary."""
        return {**self.details(), "findings": [finding.to_json() for finding in self.findings]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        """What `to_json` wrote."""
        return cls(
            findings=[Finding.from_json(item) for item in data["findings"]],
            imports=[Import(*item) for item in data["imports"]],
            loads=list(data["loads"]),
            read_share=data["read_share"],
            is_pickle=data["is_pickle"],
            error=data["error"],
        )


def status_of(findings: Iterable[Finding], error: str = "") -> Status:
    """The verdict that findings amount to. What was found counts even where the scan then failed."""
    severities = {finding.severity for finding in findings}
    if Severity.UNSAFE in severities:
        return Status.UNSAFE
    if error:
        return Status.ERROR
    return Status.SUSPICIOUS if Severity.SUSPICIOUS in severities else Status.SAFE


def worst(statuses: Iterable[Status]) -> Status:
    """The verdict on a revision, from those on its files."""
    return max(statuses, key=_WEIGHT.__getitem__, default=Status.SAFE)
