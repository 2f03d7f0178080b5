"""Which revision last touched a path: found by reading as few trees as can be, and not said where it is not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tholos.hub import changes, trees
from tholos.hub import service as hub
from tholos.hub.models import Repo
from tholos.kit.services import Services

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def changed(services: Services, repo: Repo) -> Callable[..., dict[str, str]]:
    """The message of the revision that last touched each entry of main, but for .gitattributes."""

    def run(path: str = "") -> dict[str, str]:
        with services.database.read() as read:
            head = hub.revision_of(read, repo, "main")
            listed = hub.tree(read, repo, head.commit_id, path, recursive=True)
            found = hub.last_changes(read, repo, head, listed)
        return {name: revision.message for name, revision in found.items() if name != ".gitattributes"}

    return run


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the trees that were looked into."""
    seen: list[str] = []

    def counted(read: Any, tree: str, names: Any) -> Any:
        seen.append(tree)
        return trees.lookup(read, tree, names)

    monkeypatch.setattr(changes, "lookup", counted)
    return seen


def test_each_entry_has_its_own_last_change(commit: Any, changed: Callable[..., dict[str, str]]) -> None:
    commit(hub.AddBytes("a", b"1"), hub.AddBytes("d/e/f", b"1"), hub.AddBytes("x", b"1"), message="one")
    commit(hub.AddBytes("d/e/g", b"2"), message="two")
    commit(hub.Delete("x"), hub.AddBytes("x/y", b"3"), message="three")  # a folder where a file was
    commit(hub.AddBytes("a", b"4"), message="four")
    commit(hub.AddBytes("a", b"1"), message="five")
    assert changed() == {
        "a": "five", "d": "two", "d/e": "two", "d/e/f": "one", "d/e/g": "two", "x": "three", "x/y": "three",
    }  # fmt: skip


def test_trees_that_stay_the_same_are_not_read_again(
    commit: Any, changed: Callable[..., dict[str, str]], lookups: list[str]
) -> None:
    commit(*(hub.AddBytes(f"still/{number}", b"1") for number in range(50)), message="one")
    for number in range(10):
        commit(hub.AddBytes("busy/a", b"%d" % number), message=f"busy {number}")
    found = changed("still")
    assert set(found.values()) == {"one"}
    assert len(lookups) == len(set(lookups)) == 13  # 12 roots and the folder


def test_what_lies_beyond_the_searched_history_is_left_out(
    commit: Any, changed: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(hub.AddBytes("old", b"1"), message="one")
    commit(hub.AddBytes("new", b"1"), message="two")
    commit(hub.AddBytes("newer", b"1"), message="three")
    monkeypatch.setattr(changes, "_HISTORY_SEARCHED", 3)
    assert changed() == {"new": "two", "newer": "three"}
    monkeypatch.setattr(changes, "_HISTORY_SEARCHED", 4)
    assert changed() == {"old": "one", "new": "two", "newer": "three"}


def test_a_search_ends_when_its_time_is_over(
    commit: Any, changed: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(hub.AddBytes("a", b"1"), message="one")
    monkeypatch.setattr(changes, "_BUDGET_S", -1.0)
    assert changed() == {}


def test_a_listing_without_pages_is_bounded(
    services: Services, repo: Repo, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(*(hub.AddBytes(f"d{number}/{inner}", b"1") for number in range(3) for inner in range(3)))
    monkeypatch.setattr(trees, "MAX_LISTED", 13)  # 3 folders, 9 files, .gitattributes
    with services.database.read() as read:
        assert len(hub.tree(read, repo, "main", recursive=True)) == 13
        monkeypatch.setattr(trees, "MAX_LISTED", 12)
        with pytest.raises(trees.Unprocessable, match="more than 12 files"):
            hub.tree(read, repo, "main", recursive=True)
        assert len(hub.tree(read, repo, "main")) == 4
        root = hub.revision_of(read, repo, "main").tree_id
        assert [entry.path for entry in trees.first_files(read, root, 3)] == [".gitattributes", "d0/0", "d0/1"]
