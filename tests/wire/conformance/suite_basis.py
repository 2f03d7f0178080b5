"""What all checks build on: the client's settings, three users' APIs, and short words for what checks do often.

The program's arguments are <endpoint> <token> <token of another user> [<check> ...].
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from counting_proxy import CountingProxy

SERVER, TOKEN, OTHER = sys.argv[1:4]
WIRE = CountingProxy(SERVER)
ENDPOINT = WIRE.url
SCRATCH = Path(tempfile.mkdtemp(prefix="hf-client-"))
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)
os.environ.update(
    HF_ENDPOINT=ENDPOINT,
    HF_TOKEN=TOKEN,
    HF_HOME=str(SCRATCH / "home"),
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
)

import huggingface_hub as hf  # noqa: E402 - it reads the environment

UPLOADS_BY_XET = os.environ.get("HF_HUB_DISABLE_XET") != "1" and tuple(
    int(part) for part in hf.__version__.split(".")[:2]
) >= (1, 20)
"""Where this is so, large files go up by Xet, and come down by it when they are larger than the server's setting."""
api = hf.HfApi()
stranger = hf.HfApi(token=OTHER)
anonymous = hf.HfApi(token=False)
CHECKS = []
ALONE = []
"""Those that run only when asked for by name."""


def check(function):
    CHECKS.append(function)
    return function


def check_alone(function):
    ALONE.append(function)
    return function


def raises(kind, call, *args, **options):
    try:
        call(*args, **options)
    except kind as error:
        return error
    message = f"{call} did not raise {kind.__name__}"
    raise AssertionError(message)


def new_repo(**options) -> str:
    name = f"{api.whoami()['name']}/t{random.getrandbits(48):x}"
    api.create_repo(name, **options)
    return name


def get(repo: str, path: str, **options) -> bytes:
    return Path(hf.hf_hub_download(repo, path, **options)).read_bytes()
