"""``tholos discussions``, ``pulls`` and ``webhooks`` against the shared platform."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture(scope="module")
def repo(client, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repo")
    (folder / "a.txt").write_text("one\n")
    client.model("admin/cli-community").push(folder)
    return "admin/cli-community"


def test_discussions_from_the_command_line(tholos, repo):
    number = tholos("discussions", "open", repo, "Which island?", "-m", "Is it *Dream*?").out.strip()
    said = tholos("discussions", "comment", repo, number, "Biscoe").out.strip()
    assert tholos("discussions", "edit", repo, number, said, "Torgersen").code == 0
    shown = tholos("discussions", "show", repo, number).out
    assert "Torgersen" in shown
    assert "Is it *Dream*?" in shown
    assert tholos("discussions", "hide", repo, number, said, "--yes").code == 0
    assert "Torgersen" not in tholos("discussions", "show", repo, number).out
    assert "What island?" in tholos("discussions", "rename", repo, number, "What island?").err
    assert tholos("discussions", "close", repo, number, "-m", "Done.").code == 0
    closed = tholos("discussions", "list", repo, "--status", "closed", "--json").json
    assert [one["title"] for one in closed if str(one["number"]) == number] == ["What island?"]
    refused = tholos("discussions", "comment", repo, number, "But …")
    assert (refused.code, "is closed" in refused.err) == (1, True)
    assert tholos("discussions", "reopen", repo, number).code == 0
    assert tholos("discussions", "show", repo, 999_999).code == 5


def test_pull_requests_from_the_command_line(tholos, repo, tmp_path):
    (tmp_path / "a.txt").write_text("two\n")
    (tmp_path / "w.bin").write_bytes(b"\0" * 100_000)
    number = tholos("pulls", "open", repo, tmp_path, "--title", "Count on").out.strip()
    (tmp_path / "b.txt").write_text("b\n")
    again = tholos("pulls", "open", repo, tmp_path / "b.txt", "--number", number, "--json").json
    assert (again["status"], again["proposal"]["conflicts"]) == ("draft", [])
    assert "-one\n+two\n" in tholos("pulls", "diff", repo, number).out
    assert tholos("pulls", "ready", repo, number).code == 0
    assert "Count on" in tholos("pulls", "list", repo, "--status", "open").out
    assert tholos("pulls", "merge", repo, number, "-m", "Thanks").code == 0
    assert "merged as" in tholos("pulls", "show", repo, number).out
    files = [entry["path"] for entry in tholos("repos", "show", repo, "--json").json["files"]]
    assert files == [".gitattributes", "a.txt", "b.txt", "w.bin"]
    assert tholos("pulls", "close", repo, number).code == 1


def test_webhooks_from_the_command_line(tholos, client, repo):
    made = tholos(
        "webhooks", "create", "http://127.0.0.1:9/x", "--watch", f"model:{repo}", "--domain", "discussion"
    ).out.strip()
    assert tholos("webhooks", "update", made, "--secret", "abc", "--domain", "repo").code == 0
    assert tholos("webhooks", "disable", made).code == 0
    assert "disabled" in tholos("webhooks", "list").out
    assert tholos("webhooks", "enable", made).code == 0
    assert client.webhooks.get(made).domains == ("repo",)
    assert tholos("webhooks", "deliveries", made, "--json").json == []
    assert tholos("webhooks", "replay", made, "dlv_none").code == 5
    assert tholos("webhooks", "create", "http://127.0.0.1:9/x").code == 2
    assert tholos("webhooks", "delete", made, "--yes").code == 0
    assert tholos("webhooks", "delete", made, "--yes").code == 5
