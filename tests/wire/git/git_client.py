"""The real git, in folders of its own and without anybody's configuration."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tholos


class GitFailed(AssertionError):
    """Git ended with an error; its text is what it said."""


@dataclass(frozen=True)
class Git:
    """A working copy, and the server it talks to."""

    folder: Path
    server: str
    token: str | None
    home: Path | None = None

    def __call__(self, *arguments: str, data: bytes | None = None, **environment: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            check=False,
            timeout=200,
            env={**self.environment(), **environment},
        )
        if done.returncode:
            raise GitFailed(done.stderr.decode())
        return done.stdout.decode().strip()

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home or self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Grace",
            "GIT_AUTHOR_EMAIL": "grace@example.org",
            "GIT_COMMITTER_NAME": "Grace",
            "GIT_COMMITTER_EMAIL": "grace@example.org",
            "GIT_CONFIG_COUNT": "3",
            "GIT_CONFIG_KEY_0": "filter.lfs.required",
            "GIT_CONFIG_VALUE_0": "false",
            "GIT_CONFIG_KEY_1": "advice.detachedHead",
            "GIT_CONFIG_VALUE_1": "false",
            "GIT_CONFIG_KEY_2": "init.defaultBranch",
            "GIT_CONFIG_VALUE_2": "main",
        }

    def address(self, name: str, *, user: str = "ada") -> str:
        """The clone URL of a repo, with the token as the password."""
        scheme, host = self.server.split("://")
        return f"{scheme}://{user}:{self.token}@{host}/{name}" if self.token else f"{self.server}/{name}"

    def clone(self, name: str, *options: str, folder: str = "copy") -> Git:
        self("clone", "--quiet", *options, self.address(name), folder)
        return Git(self.folder / folder, self.server, self.token, self.home or self.folder)

    def write(self, path: str, content: str | bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str = "Change", **files: str | bytes) -> str:
        """Commits all changes of the working copy and these files; returns the new head."""
        for name, content in files.items():
            self.write(name, content)
        self("add", "--all")
        self("commit", "--quiet", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD")

    @property
    def head(self) -> str:
        return self("rev-parse", "HEAD")

    def fsck(self) -> None:
        """Raises unless git finds nothing at all to complain about."""
        done = subprocess.run(
            ["git", "fsck", "--strict", "--no-dangling"],
            cwd=self.folder,
            capture_output=True,
            check=False,
            env=self.environment(),
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), done


def change(model: tholos.Model, message: str, *, add: Mapping[str, bytes]) -> tholos.Revision:
    """Commits files to a repo through the SDK, on top of whatever is there."""
    operations = [
        {"op": "add", "path": path, "content_base64": base64.b64encode(data).decode()} for path, data in add.items()
    ]
    return model.commit(operations, message=message, parent=None)
