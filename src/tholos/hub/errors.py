"""What the hub refuses, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tholos.kit.errors import (
    Conflict,
    Forbidden,
    InsufficientStorage,
    InvalidInput,
    NotFound,
    PayloadTooLarge,
    RangeNotSatisfiable,
    Unprocessable,
)

if TYPE_CHECKING:
    from tholos.hub.names import RepoKind


class RepoNotFound(NotFound):
    """There is no such repo, or you may not see it."""

    code = "repo_not_found"


class RepoMoved(RepoNotFound):
    """The repo has another name now."""

    code = "repo_moved"

    def __init__(self, kind: RepoKind, former: str, name: str) -> None:
        self.kind, self.former, self.name = kind, former, name
        super().__init__(
            f"The {kind} {former} is called {name} now.", next=f"Use the name {name}.", kind=kind.value, name=name
        )


class RepoExists(Conflict):
    """A repo of that kind and name exists already."""

    code = "repo_exists"


class RevisionNotFound(NotFound):
    """The repo has no branch, tag or commit of that name."""

    code = "revision_not_found"


class AmbiguousRevision(InvalidInput):
    """Several commits begin with these digits."""

    code = "ambiguous_revision"


class EntryNotFound(NotFound):
    """The revision holds no file or folder at that path."""

    code = "entry_not_found"


class InvalidPath(InvalidInput):
    """The path cannot be used in a repo."""

    code = "invalid_path"


class PathConflict(Unprocessable):
    """Two entries of the tree cannot exist side by side."""

    code = "path_conflict"


class InvalidAttributes(Unprocessable):
    """The `.gitattributes` file cannot be used."""

    code = "invalid_attributes"


class InvalidCommit(InvalidInput):
    """The commit is not well-formed."""

    code = "invalid_commit"


class TooManyOperations(PayloadTooLarge):
    """The commit has more operations than the server takes at once."""

    code = "too_many_operations"


class CommitRace(Conflict):
    """The branch has moved since the commit's parent."""

    code = "commit_race"


class BlobNotUploaded(Unprocessable):
    """The commit names content that was not uploaded to this repo."""

    code = "blob_not_uploaded"


class PointerToNothing(Unprocessable):
    """The file is a Git LFS pointer whose content was not uploaded to this repo."""

    code = "pointer_to_nothing"


class ObjectCollision(Unprocessable):
    """Different content with the same git id is stored already."""

    code = "object_collision"


class BlobTooLarge(PayloadTooLarge):
    """The file is larger than the server takes."""

    code = "blob_too_large"


class DiskLow(InsufficientStorage):
    """The server has not enough free disk space for this upload."""

    code = "disk_low"


class UploadIncomplete(InvalidInput):
    """The upload ended before all announced bytes had arrived."""

    code = "upload_incomplete"


class InvalidParts(Unprocessable):
    """The parts do not make up the file that was announced."""

    code = "invalid_parts"


class WrongPartSize(InvalidInput):
    """The part is not as long as it has to be."""

    code = "wrong_part_size"


class UnsatisfiableRange(RangeNotSatisfiable):
    """The range asked for lies outside the file."""


class InvalidRefName(InvalidInput):
    """The name cannot be used for a branch or tag."""

    code = "invalid_ref_name"


class RefExists(Conflict):
    """The branch or tag exists already."""

    code = "ref_exists"


class RefProtected(Conflict):
    """The branch cannot be deleted."""

    code = "ref_protected"


class InvalidSubject(InvalidInput):
    """The question for lineage names nothing the hub can look up."""

    code = "invalid_subject"


class BrokenPack(InvalidInput):
    """What git sent cannot be read."""

    code = "broken_pack"


class PushTooLarge(PayloadTooLarge):
    """The push is larger than the server takes at once."""

    code = "push_too_large"


class InvalidObject(Unprocessable):
    """A pushed commit, tag, folder or file is not as a repo can hold it."""

    code = "invalid_object"


class ObjectMissing(Unprocessable):
    """The push names an object that neither it nor the repo holds."""

    code = "object_missing"


class NeedsLfs(Unprocessable):
    """The file is too large for git itself."""

    code = "needs_lfs"


class CollaboratorNotFound(NotFound):
    """The account is not a collaborator of the repo."""

    code = "collaborator_not_found"


class OwnerIsNoCollaborator(InvalidInput):
    """The owner of a repo needs no role in it."""

    code = "owner_is_no_collaborator"


class TooManyCollaborators(Conflict):
    """The repo has as many collaborators as one may."""

    code = "too_many_collaborators"


class MergeConflict(Conflict):
    """Both sides of the merge have changed the same files."""

    code = "merge_conflict"


class NothingToMerge(Conflict):
    """The branch has everything that is proposed already."""

    code = "nothing_to_merge"


class GatedRepo(Forbidden):
    """The files of this repo are given only to those whose request for access was accepted."""

    code = "gated_repo"


class NotGated(InvalidInput):
    """The repo is not gated: there is nothing to ask for."""

    code = "not_gated"


class AccessRequestNotFound(NotFound):
    """There is no such request for access."""

    code = "access_request_not_found"


class AccessDecided(Conflict):
    """The request for access was decided already."""

    code = "access_decided"


class QuotaExceeded(Forbidden):
    """The account has no room left for this."""

    code = "quota_exceeded"


class ContentDeleted(EntryNotFound):
    """The content of this file was deleted from the repo for good."""

    code = "content_deleted"
