"""What the community refuses."""

from __future__ import annotations

from tholos.kit.errors import Conflict, InvalidInput, NotFound, Unprocessable


class DiscussionNotFound(NotFound):
    """The repo has no discussion or pull request with that number."""

    code = "discussion_not_found"


class CommentNotFound(NotFound):
    """The discussion has no such comment."""

    code = "comment_not_found"


class InvalidTitle(InvalidInput):
    """The title cannot be used."""

    code = "invalid_title"


class InvalidComment(InvalidInput):
    """The comment cannot be used."""

    code = "invalid_comment"


class DiscussionClosed(Conflict):
    """The discussion or pull request is closed."""

    code = "discussion_closed"


class StatusUnchanged(Conflict):
    """The discussion has that status already, or can never have it again."""

    code = "status_unchanged"


class CommentHidden(Conflict):
    """The comment was hidden, which is for ever."""

    code = "comment_hidden"


class DiscussionFull(Conflict):
    """The discussion has as many entries as it can have."""

    code = "discussion_full"


class NotAPullRequest(InvalidInput):
    """The number belongs to a discussion, not to a pull request."""

    code = "not_a_pull_request"


class TooManyPullRequests(Conflict):
    """You have as many open pull requests in the repo as one may have who may not write it."""

    code = "too_many_pull_requests"


class WebhookNotFound(NotFound):
    """You have no such webhook."""

    code = "webhook_not_found"


class DeliveryNotFound(NotFound):
    """The webhook has no such delivery."""

    code = "delivery_not_found"


class InvalidWebhook(InvalidInput):
    """The webhook cannot be used."""

    code = "invalid_webhook"


class TooManyWebhooks(Conflict):
    """You have as many webhooks as one account may have."""

    code = "too_many_webhooks"


class AddressRefused(Unprocessable):
    """The address is none that this server sends to."""

    code = "address_refused"
