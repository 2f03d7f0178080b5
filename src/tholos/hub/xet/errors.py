"""What the Xet store refuses."""

from __future__ import annotations

from tholos.kit.errors import InvalidInput, NotFound, PayloadTooLarge


class InvalidXetHash(InvalidInput):
    """The text is not a Xet hash."""

    code = "invalid_xet_hash"


class InvalidXorb(InvalidInput):
    """The xorb is not well-formed, or its chunks have another hash."""

    code = "invalid_xorb"


class XorbTooLarge(PayloadTooLarge):
    """The xorb is larger than the protocol allows."""

    code = "xorb_too_large"


class InvalidShard(InvalidInput):
    """The shard is not well-formed, or what it says is not true."""

    code = "invalid_shard"


class ShardTooLarge(PayloadTooLarge):
    """The shard is larger than the protocol allows."""

    code = "shard_too_large"


class XetFileNotFound(NotFound):
    """There is no such file in the Xet store, or you may not see it."""

    code = "xet_file_not_found"
