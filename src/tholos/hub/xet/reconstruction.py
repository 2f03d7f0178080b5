"""How a file is put together from byte ranges of serialized xorbs, for clients that fetch those themselves."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from tholos.accounts.authorization import Action
from tholos.hub.downloads import ByteRange
from tholos.hub.xet import repository
from tholos.hub.xet.access import Grant, authorized
from tholos.hub.xet.errors import XetFileNotFound
from tholos.hub.xet.hashing import from_hex
from tholos.kit.blobs import Recipe, Term, XorbStore
from tholos.kit.services import Services


@dataclass(frozen=True, slots=True)
class Piece:
    """A term, and the bytes of the serialized xorb in which its chunks lie."""

    term: Term
    bytes: ByteRange


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """The pieces that give the range asked for, after leaving out ``skip`` bytes of the first."""

    skip: int
    pieces: tuple[Piece, ...]


def file_recipe(services: Services, grant: Grant, xet_hash: str) -> Recipe:
    """The recipe by which the grant's repo was given a file: not another's, whose xorbs are nobody else's business.

    Raises InvalidXetHash, XetFileNotFound, DamagedBlob, and what `authorized` raises.
    """
    from_hex(xet_hash)
    with services.database.read() as read:
        _, repo = authorized(read, grant, Action.READ)
        recipe = repository.own_recipe(read, repo.id, xet_hash)
    if recipe is None:
        raise XetFileNotFound(
            f"There is no file {xet_hash} in this repo's Xet store.", next="Download the file without Xet."
        )
    return Recipe.decode(recipe)


def reconstruction(xorbs: XorbStore, recipe: Recipe, part: ByteRange) -> Reconstruction:
    """The pieces for a part of the file, trimmed to whole chunks. Raises XorbNotFound, DamagedBlob."""
    pieces: list[Piece] = []
    skip = position = 0
    for term in recipe.terms:
        start, end = max(part.start - position, 0), min(part.end - position, term.length)
        if start < end:
            index = xorbs.index(term.xorb)
            raw, base = index.raw_offsets, index.raw_offsets[term.start]
            first = bisect_right(raw, base + start) - 1
            last = bisect_right(raw, base + end - 1)
            if not pieces:
                skip = base + start - raw[first]
            trimmed = Term(term.xorb, first, last, raw[last] - raw[first])
            pieces.append(Piece(trimmed, ByteRange(index.offsets[first], index.offsets[last])))
        position += term.length
        if position >= part.end:
            break
    return Reconstruction(skip, tuple(pieces))
