"""What users see when something is wrong: one line, the next step, a documented exit code, no traceback."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


@pytest.fixture
def nobody():
    """The URL of a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def answering():
    """A server that gives every request the same answer; returns its URL."""
    servers = []

    def start(status, body):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def test_no_server(tholos, nobody):
    outcome = tholos("--url", nobody, "whoami")
    assert outcome.code == 3
    assert outcome.out == ""
    assert outcome.err == (
        f"error: No server answers at {nobody}.\n"
        "  → Start one with `tholos up`, or name another with --url or THOLOS_URL.\n"
    )


@pytest.mark.parametrize(
    ("status", "code"), [(401, 4), (403, 4), (404, 5), (400, 1), (409, 1), (422, 1), (500, 1), (503, 1)]
)
def test_each_kind_of_refusal_has_its_exit_code(tholos, answering, status, code):
    url = answering(status, {"error": {"code": "some_code", "message": "No way.", "next": "Try this."}})
    outcome = tholos("--url", url, "--token", "t", "whoami")
    assert outcome.code == code
    assert outcome.err == "error: No way.\n  → Try this.\n"


def test_a_failed_job_has_its_own_exit_code_and_words(tholos, answering):
    job = {
        "id": "job_1",
        "kind": "k",
        "state": "failed",
        "error": {"code": "c", "message": "Bad data.", "next": "Fix it."},
    }
    outcome = tholos("--url", answering(200, job), "jobs", "watch", "job_1")
    assert outcome.code == 6
    assert "error: Bad data.\n  → Fix it.\n" in outcome.err
    assert outcome.out == ""


def test_json_stays_clean_when_a_command_fails(tholos, answering):
    url = answering(404, {"error": {"code": "job_not_found", "message": "No such job.", "next": "List them."}})
    outcome = tholos("--url", url, "jobs", "show", "job_1", "--json")
    assert (outcome.code, outcome.out) == (5, "")


def test_a_server_that_is_not_ours(tholos, answering):
    outcome = tholos("--url", answering(200, ["hello"]), "whoami")
    assert outcome.code == 1
    assert "list where a Identity was expected" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("whoami", "--nonsense"),
        ("train",),
        ("jobs", "list", "--limit", "0"),
        ("predict", "a/m"),
        ("predict", "a/m", "{}", "--text", "x"),
        ("train", "a/d", "--param", "depth"),
        ("train", "a/d", "--budget", "soon"),
        ("data", "split", "a/d", "--part", "train"),
    ],
)
def test_wrong_usage(tholos, nobody, monkeypatch, arguments):
    monkeypatch.setenv("THOLOS_URL", nobody)
    outcome = tholos(*arguments)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--days", "0", "'--days': 0 is not more than 0 and at most 3650"),
        ("--days", "-1", "-1 is not more than 0"),
        ("--days", "nan", "nan is not more than 0"),
        ("--days", "1e9", "at most 3650"),
        ("--scope", "nonsense", "'nonsense' is not one of 'read', 'write', 'predict', 'admin'"),
    ],
)
def test_a_key_that_cannot_be_is_refused_before_the_server_is_asked(tholos, nobody, option, value, message):
    outcome = tholos("--url", nobody, "keys", "create", "shop", option, value)
    assert outcome.code == 2
    assert message in outcome.err


def test_a_push_whose_data_is_not_read_in_time_says_where_to_look(tholos, answering, tmp_path, monkeypatch):
    monkeypatch.setattr("tholos.cli.data.READING_S", 0)
    data = tmp_path / "my.csv"
    data.write_text("a,b\n1,2\n")
    entry = {"path": "my.csv", "size": 8, "sha256": hashlib.sha256(data.read_bytes()).hexdigest()}
    answer = {"id": "a" * 40, "kind": "dataset", "name": "me/x", "items": [entry], "state": "pending"}
    url = answering(200, answer)
    outcome = tholos("--url", url, "data", "push", "me/x", data)
    assert (outcome.code, outcome.out) == (1, "a" * 40 + "\n")
    assert "The data was kept" in outcome.err
    assert "tholos data profile me/x@aaaaaaaaaa" in outcome.err
    in_json = tholos("--url", url, "data", "push", "me/x", data, "--json")
    assert (in_json.code, in_json.json["id"]) == (1, "a" * 40)


def test_a_wrong_url(tholos):
    outcome = tholos("--url", "nonsense", "whoami")
    assert outcome.code == 1
    assert "'nonsense' is not the URL of a server" in outcome.err


def test_a_name_that_is_none(tholos, nobody):
    outcome = tholos("--url", nobody, "push", "a/b/c", ".")
    assert outcome.code == 1
    assert "'a/b/c' is not the name of a repo" in outcome.err


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{bad", "is not JSON"),
        ("@missing.json", "No such file"),
        ("missing.png", "cannot be read"),
    ],
)
def test_a_row_that_cannot_be_read(tholos, nobody, row, message):
    outcome = tholos("--url", nobody, "predict", "a/m", row)
    assert outcome.code in (1, 2)
    assert message in outcome.err
    assert "  → " in outcome.err


@pytest.mark.parametrize(
    ("row", "place", "problem"),
    [
        ('{"rooms": NaN}', "Row 0, column 'rooms'", "NaN"),
        ('[{"rooms": 1}, {"rooms": -Infinity}]', "Row 1, column 'rooms'", "infinite"),
        ("[[1, 2], [3, 1e999]]", "Row 1, column 1", "too large"),
        ("[1.5, NaN]", "Row 1:", "NaN"),
        ("NaN", "Row 0:", "NaN"),
    ],
)
def test_a_number_that_json_does_not_have_is_placed(tholos, nobody, row, place, problem):
    outcome = tholos("--url", nobody, "predict", "a/m", row)
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {place}")
    assert problem in outcome.err
    assert "Use null for a missing value" in outcome.err


def test_a_file_that_is_not_there(tholos, platform, signed_in, tmp_path):
    outcome = tholos("data", "push", "x", tmp_path / "missing.csv")
    assert outcome.code == 1
    assert "There is no file or folder" in outcome.err


def test_a_setting_that_is_wrong(tholos, monkeypatch):
    monkeypatch.setenv("THOLOS_PORT", "ninety")
    outcome = tholos("config")
    assert outcome.code == 1
    assert "THOLOS_PORT is not valid" in outcome.err


def test_up_without_the_platform_names_the_extra(tholos, monkeypatch):
    monkeypatch.setattr("tholos.cli.up.find_spec", lambda name: None)
    outcome = tholos("up")
    assert outcome.code == 1
    assert "pip install 'tholos[server]'" in outcome.err


def test_config_without_the_platform_names_the_extra(tholos, monkeypatch):
    monkeypatch.setattr("tholos.cli.config.find_spec", lambda name: None)
    outcome = tholos("config")
    assert outcome.code == 1
    assert "pip install 'tholos[server]'" in outcome.err
