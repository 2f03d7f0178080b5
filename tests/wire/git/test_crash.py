"""The server is killed in the middle of pushes: a ref is where it was, or where the whole push put it."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from git_client import Git

import tholos


@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=pytest.mark.long)])
def test_sigkill_in_mid_push_leaves_no_half_made_ref(tmp_path: Path, own_platform: Any, kills: int):
    folder = tmp_path / "git"
    folder.mkdir()
    dice = random.Random()
    with tholos.Client(own_platform.url, own_platform.token) as client:
        client.model("admin/victim").create()
    copy = Git(folder, own_platform.url, own_platform.token).clone("admin/victim")
    known = [copy.head]
    for attempt in range(kills):
        for number in range(150):
            copy.write(f"d{number % 7}/{attempt}-{number}.txt", os.urandom(3000).hex())
        known.append(copy.commit(f"Attempt {attempt}"))
        address = Git(folder, own_platform.url, own_platform.token).address("admin/victim")
        with subprocess.Popen(
            ["git", "push", "--quiet", address, "main"],
            cwd=copy.folder,
            env=copy.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as push:
            time.sleep(dice.uniform(0.1, 0.9))
            own_platform.kill()
            push.wait(timeout=60)
        own_platform.start()
        with tholos.Client(own_platform.url, own_platform.token) as client:
            shown = client.model("admin/victim").resolve().id
            assert shown in known
        again = Git(folder, own_platform.url, own_platform.token).clone("admin/victim", folder=f"again{attempt}")
        assert again.head == shown
        again.fsck()
        assert not list((own_platform.home).glob("tmp*"))
    address = Git(folder, own_platform.url, own_platform.token).address("admin/victim")
    copy("push", "--quiet", address, "main")
    with tholos.Client(own_platform.url, own_platform.token) as client:
        assert client.model("admin/victim").resolve().id == known[-1]


def test_a_client_that_vanishes_in_mid_push_leaves_nothing(model: tholos.Model, name: str, platform: Any):
    head = model.resolve().id
    host, port = platform.url.removeprefix("http://").split(":")
    command = f"{head} {'1' * 40} refs/heads/main\0report-status".encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST /{name}.git/git-receive-pack HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {platform.token}\r\n"
            "Content-Length: 9000000\r\n\r\n".encode()
        )
        connection.sendall(f"{len(command) + 4:04x}".encode() + command + b"0000PACK" + b"x" * 5_000_000)
    assert model.resolve().id == head
    assert [ref.name for ref in model.refs()] == ["main"]
