"""Hostile code of algorithm repos, run for real by every way to confine code that works on this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest

from tholos.jobs.folders import remove_folder
from tholos.jobs.sandbox import run as sandbox
from tholos.jobs.sandbox.errors import SandboxCrashed, SandboxLimit, SandboxResult, SandboxUnavailable
from tholos.jobs.sandbox.mechanisms import MECHANISMS, Mechanism, Order
from tholos.jobs.sandbox.results import take
from tholos.jobs.sandbox.run import Limits, Listener, choose, fault
from tholos.kit.settings import Settings

pytestmark = pytest.mark.long  # seventy hostile programs, each under every mechanism

FAULTS = {mechanism: fault(mechanism) for mechanism in MECHANISMS}


def test_a_mechanism_works_here():
    assert None in FAULTS.values(), FAULTS


@pytest.fixture(params=MECHANISMS)
def mechanism(request: pytest.FixtureRequest) -> Mechanism:
    if reason := FAULTS[request.param]:
        pytest.skip(f"{request.param} does not work here: {reason}")
    return request.param


@dataclass
class Cell:
    """A folder for one run of some code, and what came out of it."""

    folder: Path
    mechanism: Mechanism
    notes: list[str] = field(default_factory=list)
    steps: list[tuple[float, str]] = field(default_factory=list)
    printed: str = ""

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def run(self, code: str, **limits: float) -> None:
        """Runs ``code`` as train.py, whose ``fit`` is called; with modest limits unless others are given."""
        given = self.folder / "in"
        self.folder.mkdir()
        (self.folder / "neighbour").write_text("of another job")
        (given / "code").mkdir(parents=True)
        self.out.mkdir()
        (given / "code" / "train.py").write_text(textwrap.dedent(code))
        (given / "work.json").write_text(json.dumps({"task": "tabular-classification", "params": {}, "seed": 0}))
        np.save(given / "rows.npy", np.zeros((4, 2)))
        np.save(given / "target.npy", np.array([0, 1, 0, 1]))
        bounds = {"time_s": 60.0, "cpu_s": 60, "memory_bytes": 1 << 30, "disk_bytes": 64 << 20, **limits}

        def printed(text: str) -> None:
            self.printed += text

        sandbox.run(
            Order(
                target="tholos.training.inside:fit",
                arguments={"given": str(given), "result": str(self.out / "r.skops"), "entry": "train.py:fit"},
                read=given,
                write=self.out,
            ),
            Limits(**bounds),
            self.mechanism,
            Listener(
                progress=lambda fraction, step: self.steps.append((fraction, step)),
                note=self.notes.append,
                printed=printed,
            ),
        )


@pytest.fixture
def cell(tmp_path: Path, mechanism: Mechanism) -> Iterator[Cell]:
    yield Cell(tmp_path / "cell", mechanism)
    assert not [child for child in psutil.Process().children(recursive=True) if "inside" in " ".join(child.cmdline())]


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same user."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


ATTEMPTS = """
import ctypes, json, os, resource, shutil, signal, socket, subprocess, sys, threading
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
HOME, PORT, VICTIM, OWNER = Path({home!r}), {port}, {victim}, {owner}
SECRET = HOME / "tholos.db"


def call(number, *arguments):
    result = LIBC.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def refuse():
    raise OSError("not there")


def checked(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "refused")


def connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as it:
        it.connect(address)


def fcntl_owner():
    import fcntl
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, VICTIM)


def shared_memory():
    from multiprocessing import shared_memory
    shared_memory.SharedMemory(create=True, size=10)


ATTEMPTS = {{
    "tcp": lambda: connect(socket.AF_INET, ("127.0.0.1", PORT)),
    "tcp6": lambda: connect(socket.AF_INET6, ("::1", PORT)),
    "udp": lambda: connect(socket.AF_INET, ("127.0.0.1", PORT), socket.SOCK_DGRAM),
    "unix socket": lambda: connect(socket.AF_UNIX, str(HOME / "run.sock")),
    "abstract socket": lambda: connect(socket.AF_UNIX, "\\0tholos-test"),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "socket pair": lambda: socket.socketpair(),
    "name service": lambda: socket.create_connection(("localhost", PORT)),
    "read the database": lambda: SECRET.read_bytes(),
    "list the home": lambda: os.listdir(HOME),
    "see a neighbour": lambda: "neighbour" in os.listdir(Path.cwd().parent) or refuse(),
    "read a neighbour": lambda: Path.cwd().with_name("neighbour").read_bytes(),
    "read another job": lambda: (HOME / "jobs/other/rows.npy").read_bytes(),
    "read passwords": lambda: Path("/etc/passwd").read_bytes(),
    "environment of the owner": lambda: Path(f"/proc/{{OWNER}}/environ").read_bytes(),
    "memory of the owner": lambda: open(f"/proc/{{OWNER}}/mem", "rb").read(1),
    "descriptors of the owner": lambda: os.listdir(f"/proc/{{OWNER}}/fd"),
    "environment of the first": lambda: Path("/proc/1/environ").read_bytes(),
    "write the database": lambda: SECRET.write_bytes(b"mine"),
    "append to the database": lambda: SECRET.open("ab"),
    "new file in the home": lambda: (HOME / "new").touch(),
    "new folder in the home": lambda: (HOME / "new").mkdir(),
    "write to /tmp": lambda: Path("/tmp/tholos-escaped").touch(),
    "write to /dev/shm": lambda: Path("/dev/shm/tholos-escaped").touch(),
    "write its code": lambda: Path(__file__).write_text("changed"),
    "write the environment": lambda: Path(sys.prefix, "lib", "escaped").touch(),
    "write the library": lambda: Path(os.__file__).open("a"),
    "chmod": lambda: SECRET.chmod(0o777),
    "chmod of its own": lambda: Path.cwd().chmod(0o777),
    "chown": lambda: os.chown(SECRET, 1, 1),
    "utime": lambda: os.utime(SECRET, (1, 1)),
    "truncate": lambda: os.truncate(SECRET, 0),
    "unlink": lambda: SECRET.unlink(),
    "rename away": lambda: SECRET.rename("stolen"),
    "rename over": lambda: (Path("a").touch(), Path("a").rename(SECRET)),
    "hard link": lambda: os.link(SECRET, "link"),
    "symbolic link": lambda: os.symlink(SECRET, "link"),
    "fifo": lambda: os.mkfifo("fifo"),
    "device": lambda: os.mknod("device", 0o60600, os.makedev(8, 0)),
    "attribute": lambda: os.setxattr(SECRET, "user.x", b"1"),
    "kill": lambda: os.kill(VICTIM, signal.SIGKILL),
    "kill the owner": lambda: os.kill(OWNER, 0),
    "kill all": lambda: os.kill(-1, 0),
    "kill the group": lambda: os.killpg(0, 0),
    "signal by descriptor": lambda: os.pidfd_open(VICTIM),
    "signal by input": fcntl_owner,
    "trace": lambda: checked(LIBC.ptrace(16, VICTIM, 0, 0)),
    "renice": lambda: os.setpriority(os.PRIO_PROCESS, VICTIM, 19),
    "limit another": lambda: resource.prlimit(VICTIM, resource.RLIMIT_CPU, (1, 1)),
    "pin another": lambda: os.sched_setaffinity(VICTIM, {{0}}),
    "raise its limit": lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)),
    "fork": os.fork,
    "fork a terminal": os.forkpty,
    "spawn": lambda: os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {{}}),
    "subprocess": lambda: subprocess.run([sys.executable, "-c", ""]),
    "exec": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),
    "shell": lambda: os.system("true") and checked(1),
    "live on": lambda: checked(LIBC.prctl(1, 0, 0, 0, 0)),
    "be undumpable": lambda: checked(LIBC.prctl(4, 0, 0, 0, 0)),
    "own session": os.setsid,
    "own group": lambda: os.setpgid(0, 0),
    "memory file": lambda: os.memfd_create("x"),
    "shared memory": shared_memory,
    "namespace": lambda: checked(LIBC.unshare(0x10000000)),
    "mount": lambda: checked(LIBC.mount(b"none", b"/", b"tmpfs", 0, None)),
    "chroot": lambda: os.chroot("."),
    "become root": lambda: os.setuid(0),
    "io_uring": lambda: call(425, 1, ctypes.create_string_buffer(200)),
    "keyring": lambda: call({{"x86_64": 250, "aarch64": 219}}[os.uname().machine], 0, -3, 1),
    "foreign numbers": lambda: call(0x40000000 + 41, 2, 1, 0),
    "future calls": lambda: call(600),
    "clone3": lambda: call(435, ctypes.create_string_buffer(88), 88),
}}


def fit(data, params, seed, progress):
    through = []
    pid = os.getpid()
    for name, attempt in ATTEMPTS.items():
        try:
            attempt()
        except (OSError, ValueError):
            continue
        finally:
            if os.getpid() != pid:
                os._exit(0)
        through.append(name)
    progress.note(json.dumps({{"through": through, "environment": sorted(os.environ), "tried": len(ATTEMPTS)}}))
    ran = []
    thread = threading.Thread(target=lambda: ran.append(1))
    thread.start()
    thread.join()
    Path("own").mkdir()
    Path("own/file").write_text("x")
    Path("own/file").rename("own/other")
    shutil.rmtree("own")
    progress.note(json.dumps({{"threads": len(ran), "stdin": sys.stdin.read()}}))
    raise SystemExit(0)
"""


def test_nothing_gets_through(cell: Cell, victim, tmp_path: Path, monkeypatch):
    home = tmp_path / "home"
    (home / "jobs" / "other").mkdir(parents=True)
    secret = home / "tholos.db"
    secret.write_bytes(b"secret")
    (home / "jobs" / "other" / "rows.npy").write_bytes(b"rows")
    before = secret.stat()
    monkeypatch.setenv("THOLOS_SECRET_KEY", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as local,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        local.bind(str(home / "run.sock"))
        local.listen()
        abstract.bind("\0tholos-test")
        abstract.listen()
        code = ATTEMPTS.format(home=str(home), port=server.getsockname()[1], victim=victim.pid, owner=os.getpid())
        # The code "fails" in the end: it returns no estimator.
        with pytest.raises(SandboxCrashed, match="SystemExit"):
            cell.run(code)
    told = json.loads(cell.notes[0])
    assert told["tried"] > 70
    assert told["through"] == []
    assert set(told["environment"]) <= {
        *("HOME", "LANG", "MPLCONFIGDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH"),
        *("PWD", "PYTHONHASHSEED", "TMPDIR"),
    }
    assert json.loads(cell.notes[1]) == {"threads": 1, "stdin": ""}
    assert victim.poll() is None
    after = secret.stat()
    assert secret.read_bytes() == b"secret"
    assert (after.st_mode, after.st_mtime, after.st_uid, after.st_nlink) == (
        before.st_mode,
        before.st_mtime,
        before.st_uid,
        1,
    )
    assert sorted(path.name for path in home.iterdir()) == ["jobs", "run.sock", "tholos.db"]


EXCESSES = [
    ("    while True: pass", {"cpu_s": 1}, SandboxLimit, "processor time"),
    ("    import time; time.sleep(600)", {"time_s": 1.0}, SandboxLimit, "longer than 1 seconds"),
    (
        "    import signal, time\n    [signal.signal(n, signal.SIG_IGN) for n in (15, 2, 1, 24)]\n    time.sleep(600)",
        {"time_s": 1.0},
        SandboxLimit,
        "longer than",
    ),
    (
        "    import time\n    kept = [bytearray(b'x' * (50 << 20)) for _ in range(9)]\n    time.sleep(600)",
        {"memory_bytes": 300 << 20},
        SandboxLimit,
        "MiB of memory",
    ),
    (
        "    kept = [bytearray(1 << 20) for _ in range(1 << 20)]",
        {"memory_bytes": 300 << 20},
        Exception,
        "memory|Memory",
    ),
    ("    open('x', 'wb').write(b'x' * (9 << 20))", {"disk_bytes": 8 << 20}, SandboxCrashed, "File too large"),
    (
        "    import time\n    for i in range(9): open(str(i), 'wb').write(b'x' * (1 << 20))\n    time.sleep(600)",
        {"disk_bytes": 4 << 20},
        SandboxLimit,
        "to disk",
    ),
    (
        (
            "    import os, time\n    kept = []\n    for i in range(9):\n        kept.append(open('x', 'wb'))\n"
            "        kept[-1].write(b'x' * (1 << 20))\n        kept[-1].flush()\n        os.unlink('x')\n"
            "    time.sleep(600)"
        ),
        {"disk_bytes": 4 << 20},
        SandboxLimit,
        "to disk",
    ),
    (
        "    import time\n    for i in range(11000): open(str(i), 'wb').close()\n    time.sleep(600)",
        {},
        SandboxLimit,
        "10,000 files",
    ),
    (
        "    import os, time\n    for _ in range(3000): os.mkdir('d') or os.chdir('d')\n    time.sleep(600)",
        {},
        SandboxLimit,
        "too deep",
    ),
    (
        (
            "    import threading, time\n    threading.stack_size(65536)\n"
            "    for _ in range(2000): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
            "    time.sleep(600)"
        ),
        {},
        SandboxLimit,
        "512 threads",
    ),
    ("    import os; os.write(progress._channel, b'no message\\n')", {}, SandboxCrashed, "no message"),
    ("    import os; os.write(progress._channel, b'[\"done\"]\\n')", {}, SandboxCrashed, "no message"),
    ("    import os; os.write(progress._channel, b'[' * 5000 + b'\\n')", {}, SandboxCrashed, "no message"),
    (
        "    import os\n    for _ in range(99): os.write(progress._channel, b'x' * 4096)",
        {},
        SandboxCrashed,
        "no message",
    ),
    (
        "    import os; os.write(progress._channel, b'[\"progress\", 1' + b'0' * 400 + b', \"\"]\\n')",
        {},
        SandboxCrashed,
        "no",
    ),
    ("    raise RuntimeError('\\x1b[31mred\\u202e')", {}, SandboxCrashed, "RuntimeError: \ufffd"),
    ("    import ctypes; ctypes.string_at(0)", {}, SandboxCrashed, "status"),
    ("    import os; os._exit(7)", {}, SandboxCrashed, "status 7"),
]
"""(what the function does, limits, error, what it says)"""
OF_THE_KERNEL = ("processor time", "status", "MiB of memory", "to disk", "File too large")
"""What is worth trying with every mechanism; the rest is the watcher's, which is the same for all."""


@pytest.mark.parametrize(
    ("mechanism", "code", "limits", "error", "told"),
    [
        (mechanism, *excess)
        for place, mechanism in enumerate(one for one in MECHANISMS if FAULTS[one] is None)
        for excess in EXCESSES
        if place == 0 or excess[-1] in OF_THE_KERNEL
    ],
)
def test_what_uses_too_much_or_breaks_the_rules_is_ended(cell: Cell, code, limits, error, told):
    with pytest.raises(error, match=told):
        cell.run(f"def fit(data, params, seed, progress):\n{code}\n", **limits)
    remove_folder(cell.folder)
    assert not cell.folder.exists()
    assert list(cell.folder.parent.iterdir()) == []


def test_a_flood_of_words_is_cut(cell: Cell):
    code = """
    def fit(data, params, seed, progress):
        for i in range(3000):
            print("\\x1b]0;title" + "y" * 1000)
            progress(i / 3000, "step " + "z" * 5000)
            progress.note("n")
        raise SystemExit(0)
    """
    with pytest.raises(SandboxCrashed):
        cell.run(code)
    assert len(cell.printed) < 1_200_000
    assert "\x1b" not in cell.printed
    assert len(cell.notes) == 20
    assert len(cell.steps) == 3000
    assert max(len(step) for _, step in cell.steps) == 500


def test_what_interrupts_the_owner_ends_the_code(cell: Cell):
    class Cancelled(Exception):
        pass

    def raising(_signal: int, _frame: object) -> None:
        raise Cancelled

    before = signal.signal(signal.SIGALRM, raising)
    try:
        signal.setitimer(signal.ITIMER_REAL, 2)
        with pytest.raises(Cancelled):
            cell.run("import time\ndef fit(*_): time.sleep(600)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_folder_without_modes_ends_it_and_is_removed(tmp_path: Path):
    folder = tmp_path / "folder"
    (folder / "closed" / "inner").mkdir(parents=True)
    (folder / "closed" / "inner" / "file").touch()
    (folder / "closed" / "inner").chmod(0)
    (folder / "closed").chmod(0)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").touch()
    (folder / "link").symlink_to(tmp_path / "outside")
    remove_folder(folder)
    remove_folder(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (tmp_path / "outside" / "kept").exists()


def _link(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def _hard(path: Path, secret: Path) -> None:
    path.hardlink_to(secret)


def _fifo(path: Path, secret: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path, secret: Path) -> None:
    with socket.socket(socket.AF_UNIX) as it:
        it.bind(str(path))


def _folder(path: Path, secret: Path) -> None:
    path.mkdir()


def _device(path: Path, secret: Path) -> None:
    path.symlink_to("/dev/zero")


def _large(path: Path, secret: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _nothing(path: Path, secret: Path) -> None:
    pass


@pytest.mark.parametrize("make", [_link, _hard, _fifo, _socket, _folder, _device, _large, _nothing])
def test_a_result_that_is_no_plain_file_is_not_followed(
    tmp_path: Path, make: Callable[[Path, Path], None], monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("secret").write_bytes(b"secret")
    make(Path("result"), tmp_path / "secret")
    with pytest.raises(SandboxResult, match="result"):
        take(Path("result"), Path("taken"), 1000)
    assert not Path("taken").exists()


def test_code_dies_with_its_owner(tmp_path: Path, mechanism: Mechanism):
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_confined import Cell
Cell(Path({str(tmp_path / "cell")!r}), {mechanism!r}).run(
    "def fit(data, params, seed, progress):\\n    open('ready', 'w').close()\\n    import time; time.sleep(600)"
)
"""
    with subprocess.Popen([sys.executable, "-c", script], start_new_session=True) as owner:
        deadline = time.monotonic() + 60
        while not (tmp_path / "cell" / "out" / "ready").exists():
            assert owner.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        family = psutil.Process(owner.pid).children(recursive=True)
        assert family
        os.kill(owner.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


@pytest.mark.parametrize("wanted", ["auto", "off"])
def test_without_a_sandbox_nothing_runs_unless_the_operator_says_so(tmp_path: Path, wanted, monkeypatch):
    monkeypatch.setattr(sandbox, "fault", lambda mechanism: "it is not there")
    with pytest.raises(SandboxUnavailable, match="cannot confine") as refused:
        choose(Settings(home=tmp_path, algorithm_sandbox=wanted))
    assert "THOLOS_ALLOW_UNSANDBOXED_ALGORITHMS" in refused.value.next
    allowed, told = choose(Settings(home=tmp_path, algorithm_sandbox=wanted, allow_unsandboxed_algorithms=True))
    assert allowed == "off"
    assert "NOT confined" in told


def test_a_home_inside_the_environment_is_no_place_for_a_sandbox():
    with pytest.raises(SandboxUnavailable, match="inside the Python environment"):
        choose(Settings(home=Path(np.__file__).parent / "home"))
    with pytest.raises(SandboxUnavailable, match="inside the Python environment"):
        choose(Settings(database_url=f"sqlite:///{Path(np.__file__).parent / 'tholos.db'}"))


def test_the_chosen_mechanism_was_seen_to_work(tmp_path: Path, mechanism: Mechanism):
    found, told = choose(Settings(home=tmp_path, algorithm_sandbox=mechanism))
    assert found == mechanism
    assert mechanism in told
    assert fault("off") == "RuntimeError: 6 of 6 forbidden things worked"
