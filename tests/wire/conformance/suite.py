"""What an unmodified client is asked to do. Run by the client's own Python; prints one line of JSON per check.

suite.py <endpoint> <token> <token of another user> [<check> ...]
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# First, for it sets what the client reads from the environment:
from suite_basis import (
    ALONE,
    CHECKS,
    ENDPOINT,
    OTHER,
    SCRATCH,
    TOKEN,
    anonymous,
    api,
    check,
    get,
    new_repo,
    raises,
    stranger,
)

# isort: split
import huggingface_hub as hf
import suite_transfers  # noqa: F401 - its checks are among CHECKS
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)


@check
def whoami():
    me = api.whoami()
    assert me["type"] == "user"
    assert me["auth"]["accessToken"]["role"] == "write"
    error = raises(Exception, hf.HfApi(token="tholos_wrong").whoami)  # 0.x: an error of requests
    assert error.response.status_code == 401
    assert api.get_user_overview(me["name"]).username == me["name"]


@check
def create_and_delete():
    repo = new_repo()
    assert raises(HfHubHTTPError, api.create_repo, repo).response.status_code == 409
    again = api.create_repo(repo, exist_ok=True)
    assert again.repo_id == repo, again
    assert api.repo_exists(repo)
    api.delete_repo(repo)
    assert not api.repo_exists(repo)
    raises(RepositoryNotFoundError, api.delete_repo, repo)
    api.delete_repo(repo, missing_ok=True)
    dataset = new_repo(repo_type="dataset")
    assert api.repo_exists(dataset, repo_type="dataset")
    assert not api.repo_exists(dataset)


@check
def uploads():
    repo = new_repo()
    file = SCRATCH / "weights.bin"
    file.write_bytes(os.urandom(2 << 20))
    api.upload_file(path_or_fileobj=b"hello", path_in_repo="a/hello.txt", repo_id=repo)
    api.upload_file(path_or_fileobj=str(file), path_in_repo="weights.bin", repo_id=repo)
    api.upload_file(path_or_fileobj=io.BytesIO(b"\0\1\2" * 1000), path_in_repo="data/x y é.npy", repo_id=repo)
    done = api.upload_file(path_or_fileobj=b"", path_in_repo="empty.txt", repo_id=repo)
    assert len(done.oid) == 40
    assert done.commit_url.startswith(ENDPOINT), done.commit_url
    assert get(repo, "a/hello.txt") == b"hello"
    assert get(repo, "weights.bin") == file.read_bytes()
    assert get(repo, "data/x y é.npy") == b"\0\1\2" * 1000
    assert get(repo, "empty.txt") == b""


@check
def upload_folder():
    repo = new_repo(repo_type="dataset")
    folder = SCRATCH / "folder"
    (folder / "deep" / "er").mkdir(parents=True)
    contents = {
        "README.md": b"---\nlicense: mit\ntags: [penguins]\n---\n# Hello\n",
        "config.json": b"{}",
        "deep/a.bin": os.urandom(100_000),
        "deep/er/b.parquet": os.urandom(3000),
        "empty.bin": b"",
        "text.txt": b"text " * 1000,
    }
    for path, data in contents.items():
        (folder / path).write_bytes(data)
    api.upload_folder(folder_path=folder, repo_id=repo, repo_type="dataset")
    head = api.repo_info(repo, repo_type="dataset").sha
    api.upload_folder(folder_path=folder, repo_id=repo, repo_type="dataset")
    assert api.repo_info(repo, repo_type="dataset").sha == head, "an unchanged folder made a commit"
    for path, data in contents.items():
        assert get(repo, path, repo_type="dataset") == data, path
    assert "license:mit" in api.dataset_info(repo).tags
    assert hf.DatasetCard.load(repo).data.license == "mit"
    api.upload_folder(
        folder_path=folder / "deep", path_in_repo="deep", repo_id=repo, repo_type="dataset", delete_patterns="*.parquet"
    )


@check
def branches_and_tags():
    repo = new_repo()
    first = api.repo_info(repo).sha
    api.create_branch(repo, branch="dev/x")
    raises(HfHubHTTPError, api.create_branch, repo, branch="dev/x")
    api.create_branch(repo, branch="dev/x", exist_ok=True)
    api.upload_file(path_or_fileobj=b"on dev", path_in_repo="dev.txt", repo_id=repo, revision="dev/x")
    assert get(repo, "dev.txt", revision="dev/x") == b"on dev"
    assert not api.file_exists(repo, "dev.txt")
    api.create_tag(repo, tag="v1.0", revision="dev/x", tag_message="the first")
    raises(HfHubHTTPError, api.create_tag, repo, tag="v1.0")
    api.create_tag(repo, tag="v1.0", exist_ok=True)
    assert get(repo, "dev.txt", revision="v1.0") == b"on dev"
    refs = api.list_repo_refs(repo)
    assert {ref.name: ref.target_commit for ref in refs.branches}["main"] == first
    assert [ref.name for ref in refs.tags] == ["v1.0"]
    api.delete_tag(repo, tag="v1.0")
    api.delete_branch(repo, branch="dev/x")
    assert [ref.name for ref in api.list_repo_refs(repo).branches] == ["main"]
    raises(RevisionNotFoundError, api.repo_info, repo, revision="dev/x")
    api.create_branch(repo, branch="from-commit", revision=first)


@check
def lists():
    word = f"w{random.getrandbits(40):x}"
    me = api.whoami()["name"]
    names = [f"{me}/{word}-{number}" for number in range(5)]
    for name in names:
        api.create_repo(name)
    assert {model.id for model in api.list_models(search=word)} == set(names)
    assert {model.id for model in api.list_models(author=me, search=word)} == set(names)
    assert len(list(api.list_models(search=word, limit=2))) == 2
    # Not ModelCard.push_to_hub: before 2.x it asks huggingface.co about the card, whatever the endpoint.
    card = f"---\ntags: [{word}]\npipeline_tag: text-classification\nlicense: mit\n---\n# Card\n"
    api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=names[0])
    found = list(api.list_models(filter=word, cardData=True))
    assert [model.id for model in found] == [names[0]]
    assert found[0].pipeline_tag == "text-classification"
    assert found[0].card_data is not None
    assert list(api.list_models(author="nobody-of-that-name")) == []
    assert [model.id for model in api.list_models(search=word, sort="createdAt")] == names[::-1]
    assert list(api.list_spaces()) == []
    assert word not in {tag for tags in api.get_dataset_tags().values() for tag in map(str, tags)}
    assert anonymous.list_models(search=word) is not None
    assert list(anonymous.list_models(search=word)) == []


@check
def paged_tree():
    repo = new_repo(repo_type="dataset")
    adds = [hf.CommitOperationAdd(f"part/{number:04}.txt", b"%d" % number) for number in range(2100)]
    api.create_commit(repo, operations=adds, commit_message="many", repo_type="dataset")
    entries = list(api.list_repo_tree(repo, recursive=True, repo_type="dataset"))
    assert len(entries) == 2100 + 2, len(entries)
    assert len(list(api.list_repo_tree(repo, "part", repo_type="dataset"))) == 2100
    expanded = api.list_repo_tree(repo, repo_type="dataset", expand=True)
    assert {entry.path: entry.last_commit.title for entry in expanded}["part"] == "many"
    assert len(api.list_repo_files(repo, repo_type="dataset")) == 2101


@check
def discussions():
    repo = new_repo(private=False)
    opened = stranger.create_discussion(repo, "A question", description="Is it *so*?")
    assert (opened.num, opened.status, opened.is_pull_request) == (1, "open", False)
    said = api.comment_discussion(repo, 1, "It is.")
    assert api.edit_discussion_comment(repo, 1, said.id, "It was.").content == "It was."
    assert api.hide_discussion_comment(repo, 1, said.id).hidden
    assert stranger.rename_discussion(repo, 1, "The question").new_title == "The question"
    assert api.change_discussion_status(repo, 1, "closed", comment="Done.").new_status == "closed"
    raises(HfHubHTTPError, stranger.comment_discussion, repo, 1, "But …")
    kinds = [event.type for event in api.get_discussion_details(repo, 1).events]
    assert kinds == ["comment", "comment", "title-change", "comment", "status-change"], kinds
    api.create_discussion(repo, "Another")
    assert [one.num for one in api.get_repo_discussions(repo)] == [2, 1]


@check
def pull_requests():
    repo = new_repo(private=False)
    weights = os.urandom(200_000)
    adds = [hf.CommitOperationAdd("w.bin", weights), hf.CommitOperationAdd("a.txt", b"a\n")]
    done = stranger.create_commit(repo, adds, commit_message="Add w", create_pr=True)
    assert (done.pr_num, done.pr_revision) == (1, "refs/pr/1")
    stranger.upload_file(path_or_fileobj=b"b\n", path_in_repo="b.txt", repo_id=repo, revision="refs/pr/1")
    upload = {"path_or_fileobj": b"x", "path_in_repo": "x.txt", "repo_id": repo}
    assert raises(HfHubHTTPError, stranger.upload_file, **upload).response.status_code == 403
    assert get(repo, "w.bin", revision="refs/pr/1") == weights
    pull = api.get_discussion_details(repo, 1)
    assert (pull.status, pull.target_branch, pull.conflicting_files) == ("draft", "refs/heads/main", [])
    assert "+a\n" in pull.diff, pull.diff
    refs = api.list_repo_refs(repo, include_pull_requests=True)
    assert [ref.ref for ref in refs.pull_requests] == ["refs/pr/1"]
    api.merge_pull_request(repo, 1)
    assert api.get_discussion_details(repo, 1).merge_commit_oid == api.repo_info(repo).sha
    assert get(repo, "w.bin") == weights
    folder = SCRATCH / "proposed"
    folder.mkdir()
    (folder / "c.bin").write_bytes(os.urandom(100_000))
    (folder / "c.txt").write_bytes(b"c")
    opened = stranger.upload_folder(repo_id=repo, folder_path=folder, create_pr=True)
    assert opened.pr_revision == "refs/pr/2", opened
    assert {"c.bin", "c.txt"} <= set(api.list_repo_files(repo, revision="refs/pr/2"))
    empty = api.create_pull_request(repo, "A draft")
    assert (empty.status, empty.git_reference) == ("draft", "refs/pr/3")
    raises(RevisionNotFoundError, stranger.upload_file, **upload, revision="refs/pr/9")


@check
def errors():
    repo = new_repo(private=True)
    assert isinstance(raises(RepositoryNotFoundError, api.repo_info, "nobody/nothing"), HfHubHTTPError)
    for other in (stranger, anonymous):
        raises(RepositoryNotFoundError, other.repo_info, repo)
        raises(RepositoryNotFoundError, other.list_repo_files, repo)
        raises(RepositoryNotFoundError, other.list_repo_refs, repo)
        assert not other.repo_exists(repo)
    raises(RepositoryNotFoundError, hf.hf_hub_download, repo, "config.json", token=OTHER)
    raises(RevisionNotFoundError, api.repo_info, repo, revision="no-such-branch")
    raises(RevisionNotFoundError, hf.hf_hub_download, repo, ".gitattributes", revision="no-such-branch")
    raises(EntryNotFoundError, hf.hf_hub_download, repo, "no-such-file")
    raises(EntryNotFoundError, lambda: list(api.list_repo_tree(repo, "no-such-folder")))
    upload = {"path_or_fileobj": b"x", "path_in_repo": "x.txt"}
    raises(RepositoryNotFoundError, stranger.upload_file, repo_id=repo, **upload)
    api.update_repo_settings(repo, private=False)
    assert stranger.repo_info(repo).private is False
    assert raises(HfHubHTTPError, stranger.upload_file, repo_id=repo, **upload).response.status_code == 403
    api.auth_check(repo)


@check
def errors_by_type():
    """Each is raised as itself, by what asks for the repo and by what downloads: none passes for another."""
    repo = new_repo(private=False)
    api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=repo)
    api.update_repo_settings(repo, gated="manual")
    missing = f"{repo}-missing"
    fresh = {"cache_dir": SCRATCH / "errors"}
    for other in (stranger, anonymous):
        assert type(raises(Exception, other.hf_hub_download, repo, "config.json", **fresh)) is GatedRepoError
        assert type(raises(Exception, other.hf_hub_download, missing, "a", **fresh)) is RepositoryNotFoundError
        assert type(raises(Exception, other.repo_info, missing)) is RepositoryNotFoundError
        assert type(raises(Exception, other.snapshot_download, missing, **fresh)) is RepositoryNotFoundError
    assert type(raises(Exception, stranger.auth_check, repo)) is GatedRepoError
    assert type(raises(Exception, stranger.auth_check, missing)) is RepositoryNotFoundError
    for call in (api.repo_info, api.list_repo_files, api.snapshot_download):
        assert type(raises(Exception, call, repo, revision="none")) is RevisionNotFoundError
    wrong = raises(Exception, api.hf_hub_download, repo, "config.json", revision="0" * 40, **fresh)
    assert type(wrong) is RevisionNotFoundError
    wrong = raises(EntryNotFoundError, api.hf_hub_download, repo, "none", **fresh)
    assert not isinstance(wrong, (RepositoryNotFoundError, RevisionNotFoundError))
    assert api.hf_hub_download(repo, "config.json", **fresh)  # for its owner it is not gated


@check
def snapshots():
    repo = new_repo()
    contents = {f"{number}.txt": b"%d" % number for number in range(4)} | {"w.bin": os.urandom(100_000)}
    api.create_commit(
        repo, operations=[hf.CommitOperationAdd(*item) for item in contents.items()], commit_message="files"
    )
    folder = Path(hf.snapshot_download(repo, cache_dir=SCRATCH / "snapshots"))
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".gitattributes"} == contents
    before = {path: path.stat().st_mtime_ns for path in (SCRATCH / "snapshots").rglob("blobs/*")}
    assert Path(hf.snapshot_download(repo, cache_dir=SCRATCH / "snapshots")) == folder
    assert {path: path.stat().st_mtime_ns for path in (SCRATCH / "snapshots").rglob("blobs/*")} == before
    local = SCRATCH / "local"
    hf.snapshot_download(repo, local_dir=local, allow_patterns="*.bin")
    assert (local / "w.bin").read_bytes() == contents["w.bin"]


@check
def file_system():
    repo = new_repo(repo_type="dataset")
    fs = hf.HfFileSystem(endpoint=ENDPOINT, token=TOKEN, use_listings_cache=False)
    root = f"datasets/{repo}"
    with fs.open(f"{root}/data/train.csv", "w") as file:
        file.write("a,b\n1,2\n")
    fs.invalidate_cache()
    assert f"{root}/data" in fs.ls(root, detail=False)
    assert fs.glob(f"{root}/**/*.csv") == [f"{root}/data/train.csv"]
    assert fs.cat(f"{root}/data/train.csv") == b"a,b\n1,2\n"
    assert fs.read_block(f"{root}/data/train.csv", 4, 3) == b"1,2"
    assert fs.info(f"{root}/data/train.csv")["size"] == 8
    assert not fs.exists(f"{root}/data/none.csv")
    fs.rm(f"{root}/data/train.csv")
    fs.invalidate_cache()
    assert not fs.exists(f"{root}/data/train.csv")


@check
def commits():
    repo = new_repo()
    first = api.repo_info(repo).sha

    def add(number: int):
        return api.create_commit(
            repo, operations=[hf.CommitOperationAdd(f"{number}.txt", b"%d" % number)], commit_message=f"add {number}"
        )

    with ThreadPoolExecutor(4) as pool:
        oids = {done.oid for done in pool.map(add, range(8))}
    assert len(oids) == 8
    assert {f"{number}.txt" for number in range(8)} <= set(api.list_repo_files(repo))
    stale = raises(
        HfHubHTTPError,
        api.create_commit,
        repo,
        operations=[hf.CommitOperationAdd("late.txt", b"late")],
        commit_message="late",
        parent_commit=first,
    )
    assert stale.response.status_code in (409, 412)
    history = api.list_repo_commits(repo, formatted=True)
    assert len(history) == 9
    assert history[-1].commit_id == first
    assert history[0].created_at.tzinfo is not None
    raises(
        EntryNotFoundError,
        api.create_commit,
        repo,
        operations=[hf.CommitOperationDelete("none.txt")],
        commit_message="delete",
    )


@check
def files():
    repo = new_repo()
    weights = os.urandom(5000)
    api.create_commit(
        repo,
        operations=[
            hf.CommitOperationAdd("a/w.bin", weights),
            hf.CommitOperationAdd("a/t.txt", b"t"),
            hf.CommitOperationAdd("b/t.txt", b"t"),
        ],
        commit_message="files",
    )
    assert api.file_exists(repo, "a/w.bin")
    assert not api.file_exists(repo, "a/none")
    info = api.repo_info(repo, files_metadata=True)
    sizes = {sibling.rfilename: sibling.size for sibling in info.siblings}
    assert sizes["a/w.bin"] == 5000
    found = {entry.path: entry for entry in api.get_paths_info(repo, ["a", "a/w.bin", "none"], expand=True)}
    assert set(found) == {"a", "a/w.bin"}
    assert found["a/w.bin"].lfs.size == 5000
    assert found["a/w.bin"].last_commit.title == "files"
    api.create_commit(
        repo,
        operations=[hf.CommitOperationCopy("a/w.bin", "c/w.bin"), hf.CommitOperationCopy("a/t.txt", "c/t.txt")],
        commit_message="copy",
    )
    assert get(repo, "c/w.bin") == weights
    assert get(repo, "c/t.txt") == b"t"
    api.delete_file("a/t.txt", repo)
    assert not api.file_exists(repo, "a/t.txt")
    api.delete_folder("b", repo)
    assert not [path for path in api.list_repo_files(repo) if path.startswith("b/")]


@check
def move():
    repo = new_repo()
    api.upload_file(path_or_fileobj=b"1", path_in_repo="x.txt", repo_id=repo)
    there = repo + "-moved"
    api.move_repo(repo, there)
    assert api.repo_info(there).id == there
    assert api.repo_info(repo).id == there
    assert get(repo, "x.txt") == b"1"
    assert get(there, "x.txt") == b"1"


def main() -> int:
    wanted = sys.argv[4:]
    failed = 0
    for function in (*CHECKS, *ALONE) if wanted else CHECKS:
        if wanted and function.__name__ not in wanted:
            continue
        began = time.monotonic()
        line = {"check": function.__name__, "version": hf.__version__, "ok": True}
        try:
            function()
        except Exception:
            failed += 1
            line |= {"ok": False, "error": traceback.format_exc()}
        sys.stdout.write(json.dumps({**line, "seconds": round(time.monotonic() - began, 2)}) + "\n")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
