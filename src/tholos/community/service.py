"""The community's door for other rooms: everything that they may call, under one name."""

from __future__ import annotations

from tholos.community.discussions import (
    MAX_EVENTS,
    At,
    DiscussionView,
    EventView,
    comment,
    edit_comment,
    events_of,
    get_discussion,
    hide_comment,
    list_discussions,
    open_discussion,
    rename,
    set_status,
)
from tholos.community.models import Discussion, DiscussionEvent
from tholos.community.pulls import (
    Opened,
    Proposed,
    authorize_push,
    changeable_pull,
    commit_to_pull,
    diff_of,
    merge,
    open_pull,
    propose,
    proposed,
)
from tholos.community.pushes import PushedProposals, begin_push
from tholos.community.repository import StatusFilter, TypeFilter

__all__ = [
    "MAX_EVENTS",
    "At",
    "Discussion",
    "DiscussionEvent",
    "DiscussionView",
    "EventView",
    "Opened",
    "Proposed",
    "PushedProposals",
    "StatusFilter",
    "TypeFilter",
    "authorize_push",
    "begin_push",
    "changeable_pull",
    "comment",
    "commit_to_pull",
    "diff_of",
    "edit_comment",
    "events_of",
    "get_discussion",
    "hide_comment",
    "list_discussions",
    "merge",
    "open_discussion",
    "open_pull",
    "propose",
    "proposed",
    "rename",
    "set_status",
]
