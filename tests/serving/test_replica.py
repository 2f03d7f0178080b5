from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "imports"))

import foreign_transformers as foreign
from model_samples import ROW, onnx_files, signature, write_folder

from tholos.runtimes import load
from tholos.runtimes.errors import BrokenModel
from tholos.runtimes.model import AlgorithmUse, Artifact, ModelDescription
from tholos.serving import replica as replica_module
from tholos.serving.errors import InferenceFailed, ReplicaBusy, ReplicaLost
from tholos.serving.frames import PREFIX, Failure, Frame, Infer, encode, read_frame
from tholos.serving.replica import InlineReplica, ProcessReplica
from tholos.tasks.signature import Field, Output, Signature, decode

SIGNATURE = signature(("Adelie", "Gentoo"))
BATCH = SIGNATURE.encode(ROW)
LARGE = {name: np.repeat(tensor, 20_000, axis=0) for name, tensor in BATCH.items()}
DEADLINE_S = 20
TEXTS = Signature(
    task="text-generation",
    inputs=(Field(name="text", dtype="text"),),
    output=Output(name="generated_text", kind="text"),
    example="five",
)
SLOW = TEXTS.encode(["again"] * 64)
"""For the model of `slow_files`: a quarter of a second a row."""
OWNER = """
import os, subprocess, sys, time
options = {"--folder": sys.argv[1], "--socket": sys.argv[2], "--parent": str(os.getpid()), "--queue": "4",
           "--batch-timeout": "60"}
command = [sys.executable, "-m", "tholos.serving.replica_process", *(word for pair in options.items() for word in pair)]
child = subprocess.Popen(command, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def rows(count: int):
    return SIGNATURE.encode([{**ROW, "length": 30.0 + number} for number in range(count)])


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def slow_files() -> dict[str, bytes]:
    model = ModelDescription(
        task="text-generation",
        signature=TEXTS,
        algorithm=AlgorithmUse(name="imported", title="words"),
        artifacts=(Artifact(format="transformers", file="config.json"),),
        serve="transformers",
    )
    return {**foreign.counting(), "model.json": model.to_bytes()}


async def test_batches_that_nobody_waits_for_are_not_run(start_replica, slow_files):
    child = await start_replica(slow_files)
    replica = ProcessReplica(child.socket)
    first = asyncio.create_task(replica.infer(TEXTS.encode(["again"] * 2)))
    await asyncio.sleep(0.1)
    left = [asyncio.create_task(replica.infer(SLOW)) for _ in range(8)]
    await asyncio.sleep(0.1)
    for task in left:
        task.cancel()
    async with asyncio.timeout(DEADLINE_S):  # a minute and more with those who left
        assert decode(TEXTS, await replica.infer(TEXTS.encode("three")))[0]["output"] == "four five"
    await first
    await replica.close()


@pytest.mark.long
async def test_batches_of_a_gateway_that_is_gone_are_not_run(start_replica, slow_files):
    child = await start_replica(slow_files)
    reader, writer = await asyncio.open_unix_connection(child.socket)
    for number in range(40):
        writer.writelines(encode(Frame(Infer(number), TEXTS.encode(["again"] * 8))))
    writer.close()
    replica = ProcessReplica(child.socket)
    async with asyncio.timeout(DEADLINE_S):
        assert decode(TEXTS, await replica.infer(TEXTS.encode("three")))[0]["output"] == "four five"
    await replica.close()
    del reader


async def test_a_batch_that_takes_too_long_ends_the_process(start_replica, slow_files):
    child = await start_replica(slow_files, batch_timeout=1.0)
    replica = ProcessReplica(child.socket)
    waiting = [asyncio.create_task(replica.infer(SLOW)) for _ in range(2)]
    async with asyncio.timeout(DEADLINE_S):
        assert await child.process.wait() == 75
    for answer in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(answer, ReplicaLost)
    await replica.close()


async def test_a_process_answers_what_the_model_answers_in_this_one(start_replica, tmp_path):
    child = await start_replica(onnx_files())
    assert child.status.ready
    assert child.status.batch_rows == 32
    replica = ProcessReplica(child.socket)
    await replica.load()
    here = load(write_folder(tmp_path / "here", onnx_files())).infer(rows(7))
    there = await replica.infer(rows(7))
    assert decode(SIGNATURE, there) == decode(SIGNATURE, here)
    await replica.close()


async def test_many_batches_in_flight_each_get_their_own_answer(start_replica, tmp_path):
    child = await start_replica(onnx_files(), queue=1000)
    replica = ProcessReplica(child.socket)
    model = load(write_folder(tmp_path / "here", onnx_files()))
    batches = [rows(1 + number % 9) for number in range(200)]
    answers = await asyncio.gather(*(replica.infer(batch) for batch in batches))
    for batch, answer in zip(batches, answers, strict=True):
        np.testing.assert_array_equal(answer["probabilities"], model.infer(batch)["probabilities"])
    await replica.close()


async def test_a_killed_process_fails_the_batch_in_its_hands_and_is_found_again(start_replica):
    child = await start_replica(onnx_files())
    replica = ProcessReplica(child.socket)
    await replica.load()
    os.kill(child.process.pid, signal.SIGSTOP)  # so that the batch is certainly in flight when the process dies
    in_flight = [asyncio.create_task(replica.infer(BATCH)) for _ in range(3)]
    await asyncio.sleep(0)
    os.kill(child.process.pid, signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_S):
        outcomes = await asyncio.gather(*in_flight, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ReplicaLost] * 3
    assert outcomes[0].status == 503
    assert outcomes[0].retry_after_s
    with pytest.raises(ReplicaLost):
        await replica.infer(BATCH)
    await start_replica(onnx_files())
    assert len((await replica.infer(BATCH))["label_index"]) == 1
    await replica.close()


async def test_sigterm_finishes_what_was_taken_then_ends(start_replica):
    child = await start_replica(onnx_files())
    replica = ProcessReplica(child.socket)
    await replica.load()
    answers = [asyncio.create_task(replica.infer(LARGE)) for _ in range(5)]
    first = await answers[0]
    child.process.terminate()
    async with asyncio.timeout(DEADLINE_S):
        rest = await asyncio.gather(*answers[1:], return_exceptions=True)
        assert await child.process.wait() == 0
    assert len(first["label_index"]) == 20_000
    assert all(isinstance(outcome, dict | ReplicaLost) for outcome in rest)
    await replica.close()


async def test_a_full_queue_refuses_at_once(start_replica):
    child = await start_replica(onnx_files(), queue=1)
    replica = ProcessReplica(child.socket)
    await replica.load()
    outcomes = await asyncio.gather(*(replica.infer(LARGE) for _ in range(20)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, ReplicaBusy)]
    answered = [outcome for outcome in outcomes if isinstance(outcome, dict)]
    assert refused
    assert answered
    assert len(refused) + len(answered) == 20
    await replica.close()


async def test_a_batch_the_model_fails_on_fails_alone(start_replica):
    child = await start_replica(onnx_files())
    replica = ProcessReplica(child.socket)
    wrong = {"numeric": np.zeros((1, 5)), "categorical": np.array([["Dream"]], dtype=object)}
    with pytest.raises(InferenceFailed):
        await replica.infer(wrong)
    assert len((await replica.infer(BATCH))["label_index"]) == 1
    await replica.close()


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n" + b"\0" * 64, PREFIX.pack(10, 0) + b"\xff" * 10, PREFIX.pack(2**31, 0)],
    ids=["http", "not a header", "too long"],
)
async def test_garbage_closes_its_connection_and_no_other(start_replica, garbage):
    child = await start_replica(onnx_files())
    reader, writer = await asyncio.open_unix_connection(child.socket)
    assert await read_frame(reader) is not None  # the hello
    writer.write(garbage)
    async with asyncio.timeout(DEADLINE_S):
        assert await read_frame(reader) is None
    writer.close()
    replica = ProcessReplica(child.socket)
    assert len((await replica.infer(BATCH))["label_index"]) == 1
    await replica.close()


async def test_a_gateway_that_is_sent_nonsense_gives_up_the_connection(tmp_path):
    async def nonsense(_reader, writer):
        writer.writelines(encode(Frame(Failure(1, "x", "y"))))
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(nonsense, tmp_path / "n.sock")
    with pytest.raises(ReplicaLost):
        await ProcessReplica(tmp_path / "n.sock").load()
    server.close()
    await server.wait_closed()
    with pytest.raises(ReplicaLost):
        await ProcessReplica(tmp_path / "absent.sock").load()


async def test_a_caller_that_leaves_does_not_disturb_the_others(start_replica):
    child = await start_replica(onnx_files())
    replica = ProcessReplica(child.socket)
    await replica.load()
    os.kill(child.process.pid, signal.SIGSTOP)
    leaver, stayer = (asyncio.create_task(replica.infer(rows(count))) for count in (2, 3))
    await asyncio.sleep(0)
    leaver.cancel()
    os.kill(child.process.pid, signal.SIGCONT)
    assert len((await stayer)["label_index"]) == 3
    assert leaver.cancelled()
    await replica.close()


async def test_a_model_that_does_not_load_says_why(start_replica):
    child = await start_replica({**onnx_files(), "model.onnx": b"not a graph"})
    assert not child.status.ready
    assert "not an ONNX file" in child.status.error
    assert await child.process.wait() == 1


def test_a_replica_process_dies_with_its_owner(tmp_path):
    """The owner starts a replica and is killed; the kernel takes the replica with it."""
    folder = write_folder(tmp_path / "model", onnx_files())
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder), str(tmp_path / "r.sock")], stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    descriptor = os.pidfd_open(pid)
    owner.kill()
    owner.wait()
    assert select.select([descriptor], [], [], DEADLINE_S)[0], "the replica process is still alive"
    os.close(descriptor)
    owner.stdout.close()


async def test_inline_runs_small_batches_on_the_loop_and_large_ones_in_a_thread(tmp_path, threads, monkeypatch):
    monkeypatch.setattr(replica_module, "ON_LOOP_S", 60.0)  # however slow this machine is
    replica = InlineReplica(write_folder(tmp_path / "m", onnx_files()), threads)
    await replica.load()
    places = []
    original = replica_module.infer
    monkeypatch.setattr(
        replica_module,
        "infer",
        lambda model, batch: places.append(threading.current_thread()) or original(model, batch),
    )
    assert len((await replica.infer(rows(1)))["label_index"]) == 1
    assert len((await replica.infer(rows(500)))["label_index"]) == 500
    assert places[0] is threading.main_thread()
    assert places[1] is not threading.main_thread()
    monkeypatch.setattr(replica_module, "ON_LOOP_S", 0.0)  # however fast
    await replica.infer(rows(1))
    assert places[2] is not threading.main_thread()
    await replica.close()
    with pytest.raises(ReplicaLost):
        await replica.infer(rows(1))


async def test_inline_refuses_a_model_that_fails_on_its_own_example(tmp_path, threads):
    files = onnx_files()
    broken = files["model.onnx"].replace(b"Dream", b"Dreem").replace(b"ai.onnx.ml", b"ai.onnx.mx")
    with pytest.raises(BrokenModel):
        await InlineReplica(write_folder(tmp_path / "m", {**files, "model.onnx": broken}), threads).load()
