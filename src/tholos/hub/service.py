"""The hub's door for other rooms: everything that they may call, under one name.

from tholos.hub import service as hub

repo = hub.ensure_repo(database, blobs, actor, RepoKind.MODEL, "ada/penguins")
prepared = hub.prepare_commit(database, blobs, actor, repo, [hub.AddFile("model.onnx", path)], "Add the model")
with database.write() as write:
    revision = hub.land(write, prepared)
"""

from __future__ import annotations

from tholos.hub.access import (
    Access,
    access_of,
    decide_access,
    gate_form,
    grant_access,
    list_access,
    request_access,
    require_content,
    withdraw_access,
)
from tholos.hub.access_models import AccessRequest, AccessState, Gate
from tholos.hub.artifacts import describe
from tholos.hub.changes import last_changes
from tholos.hub.commits import PreparedCommit, Proposal, card_of, commit, land, prepare_commit
from tholos.hub.diffs import Diff, FileDiff, diff
from tholos.hub.facts import Measurement, facts_for, measurements, record_fact
from tholos.hub.gitobjects import EMPTY_TREE_ID
from tholos.hub.histories import GitRef, History, ObjectStream, Request, Selection, git_refs, object_streams
from tholos.hub.intake import Advice, Candidate, advise
from tholos.hub.lfsfiles import (
    LfsFile,
    delete_lfs_files,
    duplicate_lfs_files,
    kept,
    list_lfs_files,
    require_all_kept,
    require_kept,
)
from tholos.hub.likes import like, like_counts, likers, likes_of, unlike
from tholos.hub.lineage import Graph, lineage, made_from, subject
from tholos.hub.merging import conflicts_of, merge_base, prepare_merge
from tholos.hub.models import Fact, Repo, Revision
from tholos.hub.moves import move_repo, moved_to, names_of
from tholos.hub.multipart import (
    MultipartUpload,
    PartPlan,
    begin_multipart,
    complete_multipart,
    in_parts,
    receive_part,
)
from tholos.hub.names import MAIN, RepoKind
from tholos.hub.operations import AddBlob, AddBytes, AddFile, AddStored, CommitLimits, Delete, Operation
from tholos.hub.packs import Pack
from tholos.hub.popularity import downloads_by_day, note_download, write_downloads
from tholos.hub.popularity import refresh as refresh_popularity
from tholos.hub.proposals import (
    Proposals,
    add_proposal,
    branch_head,
    get_proposable,
    list_proposals,
    proposal,
    proposal_number,
    proposal_ref,
    require_proposer,
    require_word,
    upload_limit,
)
from tholos.hub.pushes import MAX_COMMANDS, RefCommand, Verdict, accept_push, begin_push, pack_limits, spool_folder
from tholos.hub.quotas import Quota, quota_warning, require_room, room_for
from tholos.hub.repos import (
    RepoView,
    count_repos,
    create_repo,
    delete_repo,
    ensure_repo,
    get_repo,
    get_repo_by_id,
    list_repos,
    list_tags,
    update_repo,
    view,
)
from tholos.hub.revisions import (
    NamedRef,
    count_revisions,
    delete_ref,
    entries,
    file,
    list_refs,
    list_revisions,
    resolve,
    revision_of,
    set_ref,
    tree,
    tree_page,
)
from tholos.hub.rewriting import squash_branch
from tholos.hub.search.corrections import suggest
from tholos.hub.search.documents import derived_tags, documents_of
from tholos.hub.search.models import SearchDocument
from tholos.hub.search.service import Counts, Found, Sort, Wanted, list_found, search
from tholos.hub.search.tags import tags_by_type
from tholos.hub.search.upkeep import catch_up, put_missing, rebuild
from tholos.hub.trees import TreeEntry
from tholos.hub.uploads import Upload, begin_upload, is_sha256, possessed_sizes, receive, record_upload

__all__ = [
    "EMPTY_TREE_ID",
    "MAIN",
    "MAX_COMMANDS",
    "Access",
    "AccessRequest",
    "AccessState",
    "AddBlob",
    "AddBytes",
    "AddFile",
    "AddStored",
    "Advice",
    "Candidate",
    "CommitLimits",
    "Counts",
    "Delete",
    "Diff",
    "Fact",
    "FileDiff",
    "Found",
    "Gate",
    "GitRef",
    "Graph",
    "History",
    "LfsFile",
    "Measurement",
    "MultipartUpload",
    "NamedRef",
    "ObjectStream",
    "Operation",
    "Pack",
    "PartPlan",
    "PreparedCommit",
    "Proposal",
    "Proposals",
    "Quota",
    "RefCommand",
    "Repo",
    "RepoKind",
    "RepoView",
    "Request",
    "Revision",
    "SearchDocument",
    "Selection",
    "Sort",
    "TreeEntry",
    "Upload",
    "Verdict",
    "Wanted",
    "accept_push",
    "access_of",
    "add_proposal",
    "advise",
    "begin_multipart",
    "begin_push",
    "begin_upload",
    "branch_head",
    "card_of",
    "catch_up",
    "commit",
    "complete_multipart",
    "conflicts_of",
    "count_repos",
    "count_revisions",
    "create_repo",
    "decide_access",
    "delete_lfs_files",
    "delete_ref",
    "delete_repo",
    "derived_tags",
    "describe",
    "diff",
    "documents_of",
    "downloads_by_day",
    "duplicate_lfs_files",
    "ensure_repo",
    "entries",
    "facts_for",
    "file",
    "gate_form",
    "get_proposable",
    "get_repo",
    "get_repo_by_id",
    "git_refs",
    "grant_access",
    "in_parts",
    "is_sha256",
    "kept",
    "land",
    "last_changes",
    "like",
    "like_counts",
    "likers",
    "likes_of",
    "lineage",
    "list_access",
    "list_found",
    "list_lfs_files",
    "list_proposals",
    "list_refs",
    "list_repos",
    "list_revisions",
    "list_tags",
    "made_from",
    "measurements",
    "merge_base",
    "move_repo",
    "moved_to",
    "names_of",
    "note_download",
    "object_streams",
    "pack_limits",
    "possessed_sizes",
    "prepare_commit",
    "prepare_merge",
    "proposal",
    "proposal_number",
    "proposal_ref",
    "put_missing",
    "quota_warning",
    "rebuild",
    "receive",
    "receive_part",
    "record_fact",
    "record_upload",
    "refresh_popularity",
    "request_access",
    "require_all_kept",
    "require_content",
    "require_kept",
    "require_proposer",
    "require_room",
    "require_word",
    "resolve",
    "revision_of",
    "room_for",
    "search",
    "set_ref",
    "spool_folder",
    "squash_branch",
    "subject",
    "suggest",
    "tags_by_type",
    "tree",
    "tree_page",
    "unlike",
    "update_repo",
    "upload_limit",
    "view",
    "withdraw_access",
    "write_downloads",
]
