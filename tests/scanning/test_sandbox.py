"""Contents that take the scanner down take down a fork, and nothing else."""

from __future__ import annotations

import faulthandler
import io
import os
import signal
import time

import psutil
import pytest

from tholos.scanning.findings import Report
from tholos.scanning.sandbox import Content, Sandbox, ScanLimits
from tholos.scanning.scanner import scan


def crash(file, size, lens):
    match file.read():
        case b"killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case b"segfault":
            faulthandler.disable()  # its report would look like a fault of the tests
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"hangs":
            time.sleep(600)
        case b"exits":
            os._exit(7)
        case b"fails":
            raise ZeroDivisionError
        case b"memory":
            return Report(error=str(len(bytearray(4 << 30))))
    return Report()


def contents(*names):
    return [Content(name, "model:", len(name)) for name in names]


def opening(name):
    return io.BytesIO(name.encode())


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("killed", "Its scan ended without a result (SIGKILL)."),
        ("segfault", "Its scan ended without a result (SIGSEGV)."),
        ("hangs", "Its scan took longer than 4 seconds."),
        ("exits", "Its scan ended without a result (exit code 7)."),
        ("memory", "Its scan needs more than 256 MiB of memory."),
        ("fails", "The scanner failed on it (ZeroDivisionError); the job's log has the details."),
    ],
)
def test_what_takes_the_scanner_down_could_not_be_scanned_and_the_rest_is(bad, said):
    before = psutil.Process().children()
    sandbox = Sandbox(opening, ScanLimits(4.0, 256), crash)
    found = [(content.sha256, report.error) for content, report in sandbox.reports(contents("a", bad, "b", bad, "c"))]
    assert found == [("a", ""), (bad, said), ("b", ""), (bad, said), ("c", "")]
    assert psutil.Process().children() == before, "somebody is left over"


def test_who_stops_listening_leaves_no_process_behind():
    before = psutil.Process().children()
    reports = Sandbox(opening, ScanLimits(60.0, 256), crash).reports(contents("a", "hangs"))
    assert next(reports)[1].status == "safe"
    reports.close()
    assert psutil.Process().children() == before


def test_nothing_to_scan_starts_nothing():
    assert list(Sandbox(opening, ScanLimits(1.0, 256), scan).reports([])) == []
