"""What mirrors refuse, and what to do about it."""

from __future__ import annotations

from tholos.kit.errors import Conflict, Forbidden, NotFound, TholosError, Unavailable


class MirrorNotFound(NotFound):
    """The repo is no mirror."""

    code = "mirror_not_found"


class UpstreamNotAllowed(Forbidden):
    """The operator has not allowed to mirror from there."""

    code = "upstream_not_allowed"


class UpstreamNotFound(NotFound):
    """The upstream has no such repo, or does not show it."""

    code = "upstream_not_found"


class UpstreamUnavailable(Unavailable):
    """The upstream does not answer."""

    code = "upstream_unavailable"
    retry_after_s = 30


class UpstreamBroken(TholosError):
    """The upstream's answer is not what it should be."""

    code = "upstream_broken"
    status = 502


class UpstreamBusy(Unavailable):
    """The repo or file is being fetched from the upstream."""

    code = "upstream_busy"
    retry_after_s = 5


class ContentElsewhere(Conflict):
    """The content is still with the upstream."""

    code = "content_elsewhere"
