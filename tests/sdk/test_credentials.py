"""Which server, which token; and that no token goes to another server than its own."""

from __future__ import annotations

import json

import pytest

from tholos.sdk.credentials import DEFAULT_URL, Server, find_server, forget_login, login_path, read_login, save_login
from tholos.sdk.errors import InvalidInput


@pytest.fixture
def environment(tmp_path):
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "THOLOS_HOME": str(tmp_path / "home")}


@pytest.fixture
def local_server(tmp_path):
    run = tmp_path / "home" / "run"
    run.mkdir(parents=True)
    (run / "server.json").write_text(json.dumps({"url": "http://127.0.0.1:9999", "pid": 1}))
    (tmp_path / "home" / "admin-token").write_text("tholos_admin\n")


def login(environment, url="https://saved.example", token="tholos_saved"):
    path = login_path(environment)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"url": url, "token": token}))


def test_without_anything_it_is_the_default_address(environment):
    assert find_server(environment=environment) == Server(DEFAULT_URL, None)


def test_the_server_on_this_machine_is_found_with_its_token(environment, local_server):
    assert find_server(environment=environment) == Server("http://127.0.0.1:9999", "tholos_admin")


def test_the_saved_login_comes_before_the_server_on_this_machine(environment, local_server):
    login(environment)
    assert find_server(environment=environment) == Server("https://saved.example", "tholos_saved")


def test_the_environment_comes_before_the_saved_login(environment):
    login(environment)
    environment |= {"THOLOS_URL": "http://other:1/", "THOLOS_TOKEN": "tholos_other"}
    assert find_server(environment=environment) == Server("http://other:1", "tholos_other")


def test_arguments_come_first(environment):
    environment |= {"THOLOS_URL": "http://other:1", "THOLOS_TOKEN": "tholos_other"}
    assert find_server("http://mine:2", "tholos_mine", environment=environment) == Server(
        "http://mine:2", "tholos_mine"
    )


def test_the_saved_token_is_not_sent_to_another_server(environment, local_server):
    login(environment)
    assert find_server("http://evil.example", environment=environment).token is None


def test_localhost_is_the_same_server_as_the_loopback_address(environment, local_server):
    assert find_server("http://localhost:9999", environment=environment).token == "tholos_admin"


@pytest.mark.parametrize("url", ["ftp://a", "just-a-name", "http://", "http://a:99999", "http://[1"])
def test_a_wrong_url_is_told(environment, url):
    with pytest.raises(InvalidInput, match="is not the URL of a server"):
        find_server(url, environment=environment)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": 1}', '{"url": "http://a"}'])
def test_a_damaged_login_counts_as_none(environment, content):
    login(environment)
    login_path(environment).write_text(content)
    assert read_login(environment) is None


def test_the_login_is_saved_for_its_owner_alone_and_forgotten():
    path = save_login(Server("http://127.0.0.1:1", "tholos_x"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_login() == Server("http://127.0.0.1:1", "tholos_x")
    assert forget_login()
    assert not forget_login()
    assert read_login() is None


def test_a_token_is_not_shown_by_repr():
    assert "tholos_secret" not in repr(Server("http://a", "tholos_secret"))
