"""The hub's door for other rooms: everything that they may call, under one name.

from tholos.hub import service as hub

repo = hub.ensure_repo(database, blobs, actor, RepoKind.MODEL, "ada/penguins")
prepared = hub.prepare_commit(database, blobs, actor, repo, [hub.AddFile("model.onnx", path)], "Add the model")
with database.write() as write:
    revision = hub.land(write, prepared)
"""

from __future__ import annotations

from tholos.hub.commits import PreparedCommit, card_of, commit, land, prepare_commit
from tholos.hub.facts import Measurement, facts_for, measurements, record_fact
from tholos.hub.lineage import Graph, lineage, subject
from tholos.hub.models import Fact, Repo, Revision
from tholos.hub.names import MAIN, RepoKind
from tholos.hub.operations import AddBlob, AddBytes, AddFile, CommitLimits, Delete, Operation
from tholos.hub.repos import (
    RepoView,
    create_repo,
    delete_repo,
    ensure_repo,
    get_repo,
    get_repo_by_id,
    list_repos,
    update_repo,
    view,
)
from tholos.hub.revisions import (
    NamedRef,
    delete_ref,
    file,
    list_refs,
    list_revisions,
    resolve,
    revision_of,
    set_ref,
    tree,
    tree_page,
)
from tholos.hub.trees import TreeEntry
from tholos.hub.uploads import Upload, begin_upload, receive, record_upload

__all__ = [
    "MAIN",
    "AddBlob",
    "AddBytes",
    "AddFile",
    "CommitLimits",
    "Delete",
    "Fact",
    "Graph",
    "Measurement",
    "NamedRef",
    "Operation",
    "PreparedCommit",
    "Repo",
    "RepoKind",
    "RepoView",
    "Revision",
    "TreeEntry",
    "Upload",
    "begin_upload",
    "card_of",
    "commit",
    "create_repo",
    "delete_ref",
    "delete_repo",
    "ensure_repo",
    "facts_for",
    "file",
    "get_repo",
    "get_repo_by_id",
    "land",
    "lineage",
    "list_refs",
    "list_repos",
    "list_revisions",
    "measurements",
    "prepare_commit",
    "receive",
    "record_fact",
    "record_upload",
    "resolve",
    "revision_of",
    "set_ref",
    "subject",
    "tree",
    "tree_page",
    "update_repo",
    "view",
]
