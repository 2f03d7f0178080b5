"""How the hub's addresses are read: `/{models|datasets|algorithms}/{namespace}/{name}/…`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import unquote

from fastapi import Depends, Request
from starlette.convertors import Convertor, register_url_convertor

from tholos.hub.names import RepoKind

REPO = "/{kinds:repo_kinds}/{namespace}/{name}"
"""The beginning of every address below a repo. It matches no other room's: "jobs" is no kind of repo."""


class _RepoKinds(Convertor[str]):
    regex = "|".join(kind.plural for kind in RepoKind)

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("repo_kinds", _RepoKinds())


@dataclass(frozen=True, slots=True)
class Address:
    """Kind and "namespace/name" of the repo that a request is about."""

    kind: RepoKind
    name: str


def _address(kinds: Literal["models", "datasets", "algorithms"], namespace: str, name: str) -> Address:
    return Address(RepoKind(kinds.removesuffix("s")), f"{namespace}/{name}")


AddressDep = Annotated[Address, Depends(_address)]


@dataclass(frozen=True, slots=True)
class FileAddress:
    """A revision as the client wrote it, and a path inside it."""

    rev: str
    path: str


def _file_address(request: Request) -> FileAddress:
    # The decoded path cannot tell `files/dev%2Fx/a` (branch "dev/x") from `files/dev/x/a`; the raw one can.
    prefix = request.scope.get("root_path", "").count("/")
    segments = request.scope["raw_path"].decode("ascii", "replace").split("/")[prefix + 7 :]
    return FileAddress(unquote(segments[0]), unquote("/".join(segments[1:])))


FileAddressDep = Annotated[FileAddress, Depends(_file_address)]
