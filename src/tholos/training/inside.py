"""What runs inside the sandbox: reads the arrays, calls the algorithm's function, writes the estimator as a skops file.

It imports nothing of the platform but this file, and what it writes is trusted by nobody.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class Progress:
    """What the function is given to report by.

    ``progress(0.4, "round 40 of 100")``, ``progress.metric("loss", 0.3, 40)``, ``progress.note("text")``.
    """

    def __init__(self, channel: int) -> None:
        self._channel = channel

    def __call__(self, fraction: float, step: str = "") -> None:
        """How far the fit is, from 0 to 1, and what it is doing."""
        self._say("progress", float(fraction), str(step)[:500])

    def metric(self, name: str, value: float, step: int) -> None:
        """A point of a series, such as the loss after a round."""
        self._say("metric", str(name)[:100], float(value), int(step))

    def note(self, text: str) -> None:
        """A remark for the model's card."""
        self._say("note", str(text)[:500])

    def failed(self, reason: str) -> None:
        """Why there is no result."""
        self._say("failed", reason[:1500])

    def _say(self, *message: Any) -> None:
        line = json.dumps(message).encode() + b"\n"
        while line:
            line = line[os.write(self._channel, line) :]


def fit(arguments: dict[str, Any], channel: int) -> None:
    """Does the whole; leaves a reason and a status other than 0 where it fails."""
    progress = Progress(channel)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator = _call(Path(arguments["given"]), arguments["entry"], progress)
        import skops.io

        skops.io.dump(estimator, arguments["result"])
        for text in dict.fromkeys(" ".join(str(item.message).split()) for item in caught):
            progress.note(text)
    except BaseException as error:  # the edge of the process, and of the author's code
        traceback.print_exc()
        progress.failed("".join(traceback.format_exception_only(error)).strip())
        sys.exit(1)


def _call(given: Path, entry: str, progress: Progress) -> Any:
    import numpy as np

    work = json.loads((given / "work.json").read_text(encoding="utf-8"))
    sparse = given / "rows.npz"
    if sparse.exists():
        import scipy.sparse

        rows = scipy.sparse.load_npz(sparse)
    else:
        rows = np.load(given / "rows.npy", allow_pickle=False)
    data = SimpleNamespace(X=rows, y=np.load(given / "target.npy", allow_pickle=False), task=work["task"])
    function = _function(given / "code", entry)
    return function(data, work["params"], work["seed"], progress)


def _function(code: Path, entry: str) -> Any:
    file, _, name = entry.partition(":")
    path = code / file
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"the repo has no file {file}, which algorithm.yaml names as its entry")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if callable(function):
        return function
    raise LookupError(f"{file} has no function {name}, which algorithm.yaml names as its entry")
