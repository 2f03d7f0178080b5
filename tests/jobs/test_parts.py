"""The small parts: kinds, messages, folders, processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from jobs_harness import alive, until

from tholos.jobs.errors import JobCancelled, KindTaken, KindUnknown, OwnerLost
from tholos.jobs.folders import AttemptLog, JobFolder, read_log
from tholos.jobs.kinds import JobKind, Kinds
from tholos.jobs.messages import ACK, Channel, Flush, Metric, Progress, decode, encode
from tholos.jobs.order import Order
from tholos.jobs.processes import ProcessIdentity, kill_left_over, kill_session, memory_of, sessions
from tholos.kit.settings import Settings

SLEEP = "import time; time.sleep(600)"


def session_leader(script: str) -> subprocess.Popen[bytes]:
    """Starts a script in a session of its own and waits for its first line."""
    leader = subprocess.Popen([sys.executable, "-c", script], start_new_session=True, stdout=subprocess.PIPE)
    assert leader.stdout is not None
    with leader.stdout as ready:
        ready.readline()
    return leader


def test_kinds_refuse_a_name_twice_and_say_what_is_known():
    kinds = Kinds([JobKind("b", "m:b"), JobKind("a", "m:a")])
    assert kinds.get("a").work == "m:a"
    with pytest.raises(KindTaken, match="Two kinds of job are called 'a': m:a and m:other"):
        kinds.register(JobKind("a", "m:other"))
    with pytest.raises(KindUnknown, match="no kind of job 'c'") as refused:
        kinds.get("c")
    assert refused.value.next == "Known kinds: a, b."


@pytest.mark.parametrize("message", [Progress(0.25, "tree 1\nof 4 ✓"), Metric("loss", 3, None), Flush()])
def test_a_message_is_one_line(message: Progress | Metric | Flush):
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode(line) == message


def test_progress_is_thinned_out_but_its_last_word_is_kept():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = Channel(theirs)
        ours.send(ACK)
        for number in range(1001):
            channel.progress(number / 1000, "counting")
        channel.flush()
        *reports, flush = [decode(line) for line in ours.recv(1 << 20).splitlines()]
    assert len(reports) < 500
    assert reports[-1] == Progress(1.0, "counting")
    assert flush == Flush()


def test_a_child_whose_runner_is_gone_stops():
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs, pytest.raises(OwnerLost):
        Channel(theirs).metric("loss", 1, 0.5)


def test_a_runner_that_dies_with_a_message_unread_is_gone_too():
    ours, theirs = socket.socketpair()

    def die() -> None:
        ours.recv(1, socket.MSG_PEEK)  # it has arrived, and stays unread
        ours.close()

    Thread(target=die).start()
    with theirs, pytest.raises(OwnerLost):
        Channel(theirs).flush()


def test_cancelled_work_cannot_be_taken_for_an_error():
    assert not issubclass(JobCancelled, Exception)


def test_an_order_survives_its_message():
    order = Order("job_1", 3, "tholos.training.work:train", 30.0, "/höme/a b")
    assert Order.decode(order.encode()) == order


def test_a_scratch_folder_belongs_to_one_run(tmp_path: Path):
    first, second = JobFolder(tmp_path, "job_1", 1), JobFolder(tmp_path, "job_1", 2)
    first.prepare()
    (first.scratch / "left").write_text("over")
    second.prepare()
    assert list(second.scratch.iterdir()) == []
    assert not first.scratch.exists()
    first.clear()
    assert second.scratch.exists()
    second.clear()
    second.clear()
    assert not second.scratch.exists()


def test_the_log_of_each_attempt_is_kept_and_has_a_limit_of_its_own(tmp_path: Path):
    path = tmp_path / "log.txt"
    for attempt in (1, 2):
        log = AttemptLog(path, f"attempt {attempt}", 1000)
        log.file.write(b"a" * 1000 + b"b" * 300_000)
        log.trim()
        assert path.stat().st_size < attempt * 100_000
        log.file.write(b"the last words\n")
        log.trim()
        log.close()
    cut = "\n[… the log reached its limit of 1,000 bytes here; what follows is the end of it …]\n"
    one = "a" * 1000 + cut + "b" * ((64 << 10) - 15) + "the last words\n"
    assert path.read_text() == f"--- attempt 1\n{one}--- attempt 2\n{one}"


def test_a_log_is_never_cut_inside_a_character(tmp_path: Path):
    path = tmp_path / "log.txt"
    text = "aß…🦉" * 40
    path.write_text(text)
    read, offset = b"", 0
    while (piece := read_log(path, offset, limit=7)).text:
        piece.text.decode()
        read, offset = read + piece.text, piece.next_offset
    assert read.decode() == text
    path.write_bytes(b"\xff" * 20)  # no text at all: only the last byte might still become a character
    offset = 0
    while (piece := read_log(path, offset, limit=7)).text:
        offset = piece.next_offset
    assert offset == 19


def test_a_process_is_known_again_by_more_than_its_number():
    me = ProcessIdentity.of(os.getpid())
    assert me is not None
    assert ProcessIdentity.parse(str(me)) == me
    assert ProcessIdentity.of(2**22 + 1) is None
    assert os.getpid() in sessions({os.getsid(0)})[os.getsid(0)]
    assert memory_of([os.getpid()]) > 10 << 20


async def test_only_what_a_dead_runner_left_is_killed():
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); print(flush=True); {SLEEP}"
    leader = session_leader(script)
    identity = ProcessIdentity.of(leader.pid)
    assert identity is not None
    members = sessions({leader.pid})[leader.pid]
    assert len(members) == 2

    # Another boot, or another process that has the number now, is not it.
    assert not kill_left_over(ProcessIdentity("another-boot", identity.pid, identity.start))
    assert not kill_left_over(ProcessIdentity(identity.boot, identity.pid, identity.start - 1))
    assert all(alive(pid) for pid in members)

    leader.kill()  # its child goes on
    leader.wait()
    assert kill_left_over(identity)
    await until(lambda: not any(alive(pid) for pid in members))
    assert not kill_left_over(identity)


def test_a_session_that_ignores_signals_is_killed():
    script = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); {SLEEP}"
    stubborn = session_leader(script)
    os.kill(stubborn.pid, signal.SIGTERM)
    kill_session(stubborn.pid)
    assert stubborn.wait() == -signal.SIGKILL


def test_the_settings_of_jobs_reach_a_child():
    environment = Settings(job_lease_s=7.5, job_slots=5).environment()
    assert (environment["THOLOS_JOB_LEASE_S"], environment["THOLOS_JOB_SLOTS"]) == ("7.5", "5")
