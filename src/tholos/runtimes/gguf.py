"""Language models in GGUF files, run by llama.cpp on the processor; one text answers another."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tholos.runtimes.errors import BrokenModel, ModelFileMissing, TextTooLong
from tholos.runtimes.generation import (
    MAX_BATCH_S,
    MAX_CONTEXT_TOKENS,
    MAX_NEW_TOKENS,
    Finish,
    generated,
    half_of_the_cores,
    too_long,
)
from tholos.runtimes.gguf_header import GgufHeader, read_header
from tholos.runtimes.memory import MemoryLimit
from tholos.runtimes.model import ModelDescription
from tholos.runtimes.pickles import is_pickle, refuse
from tholos.tasks.signature import Batch, Outputs, Signature

if TYPE_CHECKING:
    import xllamacpp

    from tholos.runtimes.base import Runtime

NEXT = "Convert the model again with a recent llama.cpp, or import another file."

_ASKED = {"max_tokens": MAX_NEW_TOKENS, "temperature": 0, "seed": 0, "cache_prompt": False, "stream": True}
"""The likeliest token each time, and nothing kept from the text before: the same text has the same answer."""
_MAX_REASON = 300
_LOG_WAIT_S = 2.0


class GgufModel:
    """A language model in memory."""

    def __init__(self, server: xllamacpp.Server, signature: Signature, *, chat: bool, limit: MemoryLimit) -> None:
        """``chat``: whether the model's own template makes a conversation of the text."""
        self.signature = signature
        self._limit = limit
        self._server: xllamacpp.Server | None = server
        self._chat = chat

    def infer(self, batch: Batch) -> Outputs:
        """Continue, or answer, each text; see `LoadedModel.infer`. Raises TextTooLong, BrokenModel."""
        until = time.monotonic() + MAX_BATCH_S
        return generated(self._answer(text, until) for text in batch["text"])

    def _answer(self, text: str, until: float) -> tuple[str, Finish]:
        assert self._server is not None, "the model is closed"
        said: list[str] = []
        ended: dict[str, Any] = {}

        def take(chunk: dict[str, Any]) -> bool:
            """Returns whether that is enough."""
            ended.update(error=chunk.get("error"))
            for choice in chunk.get("choices", ()):
                said.append((choice["delta"].get("content") if self._chat else choice["text"]) or "")
                ended.update(reason=choice["finish_reason"])
            return time.monotonic() > until

        if self._chat:
            try:
                self._server.handle_chat_completions({"messages": [{"role": "user", "content": text}], **_ASKED}, take)
            except ValueError as error:
                raise BrokenModel("The model's own chat template fails on this text.", next=NEXT) from error
        else:
            self._server.handle_completions({"prompt": text, **_ASKED}, take)
        if ended["error"] is not None:
            raise _refusal(ended["error"])
        return "".join(said), "stop" if ended["reason"] == "stop" else "length"

    def close(self) -> None:
        """Let go of the weights."""
        self._server = None
        self._limit.lift()


class GgufRuntime:
    """Loads artifacts of format `gguf`."""

    format = "gguf"

    def load(self, folder: Path, model: ModelDescription) -> GgufModel:
        """Load the language model; see `Runtime.load`.

        Raises:
            ModelFileMissing: the file is not there.
            BrokenModel: it is cut off or no GGUF file, or llama.cpp does not know its architecture.
            PickleRefused: it is a pickle by another name.

        """
        name = model.artifact(self.format).file
        path = folder / name
        if not path.is_file():
            raise ModelFileMissing(f"The model names {name}, which is not in its revision.", next=NEXT)
        if is_pickle(path):
            raise refuse(path)
        if model.task != "text-generation":
            raise BrokenModel(f"A GGUF file generates text; model.json says {model.task}.", next="Import it again.")
        with path.open("rb") as file:
            header = read_header(file, path.stat().st_size)
        check_whole(header)
        limit = MemoryLimit(path.stat().st_size)
        try:
            server = _open(path, header)
        except BaseException:
            limit.lift()
            raise
        return GgufModel(server, model.signature, chat=header.chat_template, limit=limit)


def context_of(header: GgufHeader) -> int:
    """Tokens that the model is served with."""
    own = header.count("context_length") or MAX_CONTEXT_TOKENS
    return max(1, min(own, MAX_CONTEXT_TOKENS))


def check_whole(header: GgufHeader) -> None:
    """Refuse what is only a part of a model. Raises BrokenModel."""
    if header.metadata.get("split.count", 1) not in (0, 1):
        raise BrokenModel(
            "This file is one of several parts of a model.",
            next="Put them together with llama.cpp's `llama-gguf-split --merge`, and push the one file.",
        )
    if (kind := header.metadata.get("general.type", "model")) != "model":
        raise BrokenModel(
            f"This GGUF file is no model by itself but of the type {str(kind)[:40]!r}.",
            next="Push the file of the model that it belongs to.",
        )


def _open(path: Path, header: GgufHeader) -> xllamacpp.Server:
    """llama.cpp with the model loaded. Raises BrokenModel."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = context_of(header)
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.fit_params = False
    params.warmup = False
    params.cache_ram_mib = 0
    params.enable_reasoning = 0  # what a model thinks before it answers would use up the answer's tokens
    params.verbosity = 1  # errors: what callers send is not for the log
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    params.n_threads_http = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = half_of_the_cores()
    with _nobody_listens(params), _told_by_library() as told:
        try:
            return xllamacpp.Server(params)
        except RuntimeError as error:
            reason = _reason(told, path)
            raise BrokenModel(f"llama.cpp cannot load {path.name}: {reason}.", next=NEXT) from error


@contextmanager
def _nobody_listens(params: xllamacpp.CommonParams) -> Iterator[None]:
    """Has the library's own HTTP server listen where nobody can reach it: it knows no users."""
    folder = tempfile.mkdtemp(prefix="tholos-gguf-")
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # By way of the descriptor: a socket's address has at most 107 bytes, and a folder's name may have more.
        params.hostnames = [f"/proc/self/fd/{handle}/http.sock"]
        yield
    finally:
        os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _told_by_library() -> Iterator[Callable[[], str]]:
    """What native code writes on standard error meanwhile; it goes to standard error nevertheless."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        own = os.dup(2)
        os.dup2(kept.fileno(), 2)

        def told() -> str:
            kept.seek(0)
            return kept.read().decode(errors="replace")

        try:
            yield told
        finally:
            os.dup2(own, 2)
            os.close(own)
            sys.stderr.write(told())


def _reason(told: Callable[[], str], path: Path) -> str:
    """The library's own reason, from its log, which a thread of it writes a moment later."""
    log, until = "", time.monotonic() + _LOG_WAIT_S
    while "exiting due to" not in log and time.monotonic() < until:
        time.sleep(0.01)
        log = told()
    if "chat template" in log:
        return "its chat template does not work"
    line = log.partition("error loading model: ")[2].partition("\n")[0]
    text = line.replace(f"{path.parent}/", "").strip().rstrip(".")
    return text[:_MAX_REASON] or "its log has the reason"


def _refusal(error: dict[str, Any]) -> TextTooLong | BrokenModel:
    if error.get("type") == "exceed_context_size_error":
        return too_long(error.get("n_prompt_tokens", 0), error.get("n_ctx", 0))
    return BrokenModel(f"llama.cpp refused the text: {str(error.get('message', ''))[:_MAX_REASON]}", next=NEXT)


if TYPE_CHECKING:
    _: Runtime = GgufRuntime()
