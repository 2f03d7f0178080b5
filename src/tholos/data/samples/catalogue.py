"""Which samples there are."""

from __future__ import annotations

import difflib

from tholos.data.errors import SourceNotFound
from tholos.data.samples import rpackages
from tholos.data.samples.penguins import PENGUINS
from tholos.data.samples.sample import Sample, not_installed
from tholos.data.samples.scikit import SCIKIT_LEARN

_NAMED = {each.source: each for each in (PENGUINS, *SCIKIT_LEARN, rpackages.FINE_FOODS)}


def catalogue(search: str = "") -> list[Sample]:
    """The samples whose name or title holds ``search``, whatever its case: those with a name of their own first.

    These are listed even where their package is not installed, so that users learn of them.
    """
    wanted = search.casefold()
    found = [*_NAMED.values(), *rpackages.samples()]
    return [each for each in found if wanted in each.source.casefold() or wanted in each.title.casefold()]


def find(source: str) -> Sample:
    """The sample that users name so.

    Raises:
        SourceNotFound: there is none; the next step names the nearest.
        SamplesNotInstalled: its package is missing.
    """
    if source.startswith(rpackages.PREFIX):
        if not rpackages.FINE_FOODS.is_installed:
            raise not_installed(source, rpackages.FINE_FOODS.package)
        return rpackages.sample(source.removeprefix(rpackages.PREFIX))
    named = _NAMED.get(source)
    if named is None:
        items = {name.rpartition("/")[2].casefold(): rpackages.PREFIX + name for name in rpackages.names()}
        near = [*difflib.get_close_matches(source, _NAMED, n=2), *([items[source]] if source in items else [])]
        hint = f"Did you mean {' or '.join(near)}?" if near else "Search: `tholos data sources --search WORD`."
        raise SourceNotFound(f"There is no data set {source!r}.", next=hint, source=source, near=near)
    if not named.is_installed:
        raise not_installed(source, named.package)
    return named
