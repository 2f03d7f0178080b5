"""Which files a push sends and where a pull may write."""

from __future__ import annotations

import pytest

from tholos.sdk.errors import InvalidInput, TransferFailed
from tholos.sdk.local_files import files_below, selected, target_below


def paths(found):
    return [file.path for file in found]


def test_a_folder_gives_its_files_with_paths_in_the_repo(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "deep.txt").write_text("x")
    (tmp_path / "top.txt").write_text("xy")
    assert paths(files_below(tmp_path)) == ["a/b/deep.txt", "top.txt"]
    assert paths(files_below(tmp_path, into="data/")) == ["data/a/b/deep.txt", "data/top.txt"]
    assert files_below(tmp_path)[1].size == 2


def test_one_file_goes_where_it_is_told(tmp_path):
    file = tmp_path / "my.csv"
    file.write_text("a\n1\n")
    assert paths(files_below(file)) == ["my.csv"]
    assert paths(files_below(file, into="data/")) == ["data/my.csv"]
    assert paths(files_below(file, into="train.csv")) == ["train.csv"]


def test_git_caches_and_links_that_lead_out_stay_behind(tmp_path):
    inside = tmp_path / "inside"
    (inside / ".git").mkdir(parents=True)
    (inside / ".git" / "HEAD").write_text("x")
    (inside / "__pycache__").mkdir()
    (inside / "__pycache__" / "m.pyc").write_text("x")
    (tmp_path / "secret").write_text("x")
    (inside / "link").symlink_to(tmp_path / "secret")
    (inside / "kept").write_text("x")
    (inside / "near").symlink_to(inside / "kept")
    assert paths(files_below(inside)) == ["kept", "near"]


def test_nothing_to_push_is_told(tmp_path):
    with pytest.raises(InvalidInput, match="no file or folder"):
        files_below(tmp_path / "missing")
    with pytest.raises(InvalidInput, match="holds no files"):
        files_below(tmp_path)


def test_patterns_select():
    assert selected("splits/default.json", ["*.csv", "splits/*"])
    assert not selected("model.onnx", ["*.csv"])
    assert selected("anything", None)


@pytest.mark.parametrize("path", ["../up", "a/../../up", "/etc/passwd", "", "a//b", "./a", "a/.", "a\0b", ".."])
def test_a_path_that_leads_out_is_refused(tmp_path, path):
    with pytest.raises(TransferFailed) as caught:
        target_below(tmp_path.resolve(), path)
    assert caught.value.code == "unsafe_path"


def test_a_link_that_leads_out_is_refused(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(TransferFailed):
        target_below(root.resolve(), "link/file")
    assert target_below(root.resolve(), "fine/file") == root.resolve() / "fine" / "file"
