"""The rules for the names of accounts and of what they own: Hugging Face's, so that its clients accept them."""

from __future__ import annotations

import re

from tholos.accounts.errors import InvalidName, NameReserved

MAX_LENGTH = 96
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")

RESERVED = frozenset(
    """
    about account accounts algorithms api apps assets audit auth batches billing buckets chat collections compare
    config console datasets deployments discussions docs download evaluations favicon.ico files health help home import
    invoices jobs join keys lineage live login logout mcp me metrics models new notifications oauth organizations orgs
    papers playground predict prices pricing privacy ready register resolve robots.txt runtimes search security settings
    signin signout signup spaces static status system tasks terms tholos tokens top uploads usage user users v1 v2 v3
    webhooks well-known xet
    """.split()  # noqa: SIM905 - a page of words reads better than a page of quotes
)
"""Names at the root of the site that the product has, or will need, for itself."""


def check_name(name: str, what: str) -> str:
    """``name`` unchanged if it may be used for a ``what`` ("user", "model", …). Raises InvalidName."""
    if len(name) > MAX_LENGTH or not _NAME.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
        raise InvalidName(
            f"{name[:200]!r} cannot be the name of a {what}.",
            next=f"Use up to {MAX_LENGTH} letters, digits, '-', '_' and '.', beginning and ending with a letter, digit "
            "or '_'; no '--', no '..', no '.git' at the end.",
            name=name[:200],
        )
    return name


def check_namespace(name: str) -> str:
    """``name`` unchanged if an account may have it. Raises InvalidName and NameReserved."""
    check_name(name, "user")
    if name.lower() in RESERVED:
        raise NameReserved(f"The name {name!r} is reserved.", next="Choose another name.", name=name)
    return name
