"""Whether what a shard says of a file is true."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from tholos.hub.uploads import too_large
from tholos.hub.xet.ahead import Prefix, digest_on
from tholos.hub.xet.errors import InvalidShard, ShardTooLarge
from tholos.hub.xet.hashing import HASH_BYTES, Node, file_hash, range_hash, to_hex
from tholos.hub.xet.shards import ShardFile
from tholos.kit.blobs import BlobStore, Recipe, Term, XorbIndex, XorbNotFound
from tholos.kit.settings import GIB

# What one shard of 64 MiB may make the server read and hash. Clients cut chunks of 64 KiB on average, 8 KiB at least,
# and begin a new shard long before they come to these.
_MAX_CHUNKS: Final = 15_000_000
_MIN_CHUNK_BYTES: Final = 8 << 10
_MAX_READ_BYTES: Final = 100 * GIB


def check_effort(files: Collection[ShardFile], unproven: Collection[ShardFile], max_blob_bytes: int) -> None:
    """Refuses a shard whose verification would take too long, before anything of it is looked up.

    ``unproven`` are those of its files that have to be read. Raises ShardTooLarge.
    """
    # a range that ends before it begins must not make up for others
    chunks = sum(max(0, term.end - term.start) for file in files for term in file.terms)
    most_chunks = max(_MAX_CHUNKS, max_blob_bytes // _MIN_CHUNK_BYTES)
    if chunks > most_chunks:
        raise ShardTooLarge(
            f"The shard's files have {chunks:,} chunks; {most_chunks:,} are allowed.",
            next="Upload fewer files at once.",
        )
    content = sum(term.length for file in unproven for term in file.terms)
    most_bytes = max(_MAX_READ_BYTES, max_blob_bytes)
    if content > most_bytes:
        raise ShardTooLarge(
            f"The shard's files have {content:,} bytes; {most_bytes:,} are allowed.", next="Upload fewer files at once."
        )


def verified_recipe(blobs: BlobStore, file: ShardFile, max_bytes: int) -> Recipe:
    """The recipe of a file, after everything but its SHA-256 was checked.

    That is: the xorbs are here; the chunks that each term names are there and as long as it says; the client proves
    that it knows them; the file hash is right. Raises InvalidShard, BlobTooLarge.
    """
    recipe = Recipe.of(file.terms)
    if recipe.size > max_bytes:
        raise too_large(max_bytes)
    actual = to_hex(file_hash(_proven_chunks(blobs, file)))
    if actual != file.xet_hash:
        raise _untrue(f"calls a file {file.xet_hash[:100]} whose chunks have {actual}")
    return recipe


def check_sha256(blobs: BlobStore, recipe: Recipe, sha256: str, hashed: Prefix) -> None:
    """Reads all of the file that is not hashed yet. Raises InvalidShard when its bytes have another SHA-256."""
    digest_on(hashed.digest, recipe, blobs.xorbs, hashed.size)
    actual = hashed.digest.hexdigest()
    if actual != sha256:
        raise _untrue(f"gives a file the SHA-256 {sha256} whose bytes have {actual}")


def _proven_chunks(blobs: BlobStore, file: ShardFile) -> Iterator[Node]:
    """The chunks of a file, never all in memory: a few terms may name very many. Raises InvalidShard."""
    for number, (term, proof) in enumerate(zip(file.terms, file.proofs, strict=True)):
        index = _index(blobs, term)
        _check_term(file, number, term, proof, index)
        hashes, ends = index.hashes, index.raw_offsets
        for chunk in range(term.start, term.end):
            yield hashes[chunk * HASH_BYTES : (chunk + 1) * HASH_BYTES], ends[chunk + 1] - ends[chunk]


def _index(blobs: BlobStore, term: Term) -> XorbIndex:
    try:
        return blobs.xorbs.index(term.xorb)
    except XorbNotFound:
        raise _untrue(f"names the xorb {term.xorb}, which was not uploaded") from None


def _check_term(file: ShardFile, number: int, term: Term, proof: bytes, index: XorbIndex) -> None:
    where = f"term {number} of the file {file.xet_hash}"
    # One answer for a range that does not exist and a proof that is wrong: who has no proof learns nothing.
    if not term.start < term.end <= index.chunks or proof != range_hash(
        index.hashes[term.start * HASH_BYTES : term.end * HASH_BYTES]
    ):
        raise _untrue(f"has no valid proof of possession for {where}")
    if index.raw_offsets[term.end] - index.raw_offsets[term.start] != term.length:
        raise _untrue(f"gives a wrong length for {where}")


def _untrue(problem: str) -> InvalidShard:
    return InvalidShard(
        f"The shard {problem}.", next="Upload the file again; a fresh HF_XET_CACHE helps where it stays."
    )
