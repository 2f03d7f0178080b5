from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest

from tholos.kit.database import Database
from tholos.kit.outbox import OutboxRow, dispatch, emit
from tholos.kit.settings import Settings

INCREMENT = """
import sys
from tholos.kit.database import Database
from tholos.kit.outbox import OutboxRow
database = Database(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with database.write() as write:
        row = write.get(OutboxRow, "counter", with_for_update=True)
        row.payload = {"n": row.payload["n"] + 1}
"""


def test_a_read_session_cannot_write(database: Database) -> None:
    with database.read() as read:
        emit(read, "topic", {})  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="cannot write"):
            read.flush()


def test_a_failed_write_leaves_nothing(database: Database) -> None:
    with pytest.raises(KeyError), database.write() as write:
        emit(write, "topic", {})
        write.flush()
        raise KeyError
    with database.read() as read:
        assert read.query(OutboxRow).count() == 0


def test_read_then_write_by_threads_and_processes_loses_no_update(settings: Settings, database: Database) -> None:
    with database.write() as write:
        write.add(OutboxRow(id="counter", topic="t", payload={"n": 0}, created_at=datetime.now(UTC)))
    processes = [
        subprocess.Popen([sys.executable, "-c", INCREMENT, settings.resolved_database_url, "50"]) for _ in range(2)
    ]

    def increment() -> None:
        for _ in range(25):
            with database.write() as write:
                row = write.get(OutboxRow, "counter", with_for_update=True)
                assert row is not None
                row.payload = {"n": row.payload["n"] + 1}

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0]
    with database.read() as read:
        row = read.get(OutboxRow, "counter")
        assert row is not None
        assert row.payload == {"n": 200}


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_change_by_anyone_is_seen_and_silence_is_not(settings: Settings, database: Database) -> None:
    database.wait_for_change(0)
    assert not database.wait_for_change(0.05)
    other = Database(settings.resolved_database_url)
    with other.write() as write:
        emit(write, "topic", {})
    other.close()
    assert database.wait_for_change(5)


def test_times_come_back_aware_and_equal(database: Database) -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)
    with database.write() as write:
        write.add(OutboxRow(id="x", topic="t", payload={}, created_at=moment))
    with database.read() as read:
        row = read.get(OutboxRow, "x")
        assert row is not None
        assert row.created_at == moment
        assert row.created_at.tzinfo is not None
    with pytest.raises(Exception, match="naive"), database.write() as write:
        write.add(OutboxRow(id="y", topic="t", payload={}, created_at=moment.replace(tzinfo=None)))


def test_the_databases_clock_is_utc(database: Database) -> None:
    with database.read() as read:
        assert abs((database.now(read) - datetime.now(UTC)).total_seconds()) < 60


def test_outbox_takes_effect_once_with_the_row_gone(database: Database) -> None:
    heard: list[dict[str, int]] = []
    with database.write() as write:
        emit(write, "hello", {"n": 1})
        emit(write, "unheard", {})
    assert dispatch(database, {"hello": [lambda _write, payload: heard.append(payload)]}) == 2
    assert dispatch(database, {}) == 0
    assert heard == [{"n": 1}]


def test_a_failing_handler_keeps_its_row_and_stops_no_other(database: Database) -> None:
    with database.write() as write:
        emit(write, "bad", {})
        emit(write, "good", {})

    def fail(write: object, _payload: object) -> None:
        emit(write, "half", {})  # type: ignore[arg-type]
        raise ValueError("no")

    assert dispatch(database, {"bad": [fail]}) == 1
    with database.read() as read:
        row = read.query(OutboxRow).one()
    assert (row.topic, row.failures, row.error) == ("bad", 1, "ValueError: no")
