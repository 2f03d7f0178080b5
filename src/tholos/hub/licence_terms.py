"""What licences ask of what is made from a work: a small table with its sources, and no legal advice.

Identifiers are those of Hugging Face's cards (https://huggingface.co/docs/hub/repositories-licenses). Only what a
licence says plainly is here; where a text is silent, or lawyers differ, nothing is said rather than something invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

KNOWN: Final = frozenset(
    [
        "afl-3.0",
        "agpl-3.0",
        "apache-2.0",
        "apple-amlr",
        "apple-ascl",
        "artistic-2.0",
        "bigcode-openrail-m",
        "bigscience-bloom-rail-1.0",
        "bigscience-openrail-m",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "bsd-3-clause-clear",
        "bsl-1.0",
        "c-uda",
        "cc",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "cc-by-nd-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc0-1.0",
        "cdla-permissive-1.0",
        "cdla-permissive-2.0",
        "cdla-sharing-1.0",
        "creativeml-openrail-m",
        "deepfloyd-if-license",
        "ecl-2.0",
        "epl-1.0",
        "epl-2.0",
        "etalab-2.0",
        "eupl-1.1",
        "eupl-1.2",
        "fair-noncommercial-research-license",
        "gemma",
        "gfdl",
        "gpl",
        "gpl-2.0",
        "gpl-3.0",
        "grok2-community",
        "h-research",
        "intel-research",
        "isc",
        "lgpl",
        "lgpl-2.1",
        "lgpl-3.0",
        "lgpl-lr",
        "llama2",
        "llama3",
        "llama3.1",
        "llama3.2",
        "llama3.3",
        "llama4",
        "lppl-1.3c",
        "mit",
        "mpl-2.0",
        "ms-pl",
        "ncsa",
        "odbl",
        "odc-by",
        "ofl-1.1",
        "openmdw-1.0",
        "openmdw-1.1",
        "openrail",
        "openrail++",
        "osl-3.0",
        "other",
        "pddl",
        "postgresql",
        "unknown",
        "unlicense",
        "wtfpl",
        "zlib",
    ]
)
# These say that the terms are elsewhere, or name a family whose members differ.
UNDECIDED: Final = frozenset({"other", "unknown", "cc"})

_NONCOMMERCIAL: Final = frozenset(
    [
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "fair-noncommercial-research-license",
        "deepfloyd-if-license",
    ]
)
_NO_DERIVATIVES: Final = frozenset({"cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"})
_CC: Final = "https://creativecommons.org/share-your-work/cclicenses/"
_CC_COMPATIBLE: Final = "https://creativecommons.org/share-your-work/licensing-considerations/compatible-licenses/"
_GPL: Final = "https://www.gnu.org/licenses/gpl-faq.html#AllCompatibility"
_RAILS: Final = frozenset({"openrail", "openrail++", "bigscience-openrail-m", "creativeml-openrail-m"})
_RAIL: Final = "https://www.licenses.ai/faq-2"


@dataclass(frozen=True, slots=True)
class SameTerms:
    """A licence that what is made from the work has to keep, or one of ``allowed``; and where that is written."""

    allowed: frozenset[str]
    source: str


_SHARE_ALIKE: Final[Mapping[str, SameTerms]] = {
    "cc-by-sa-3.0": SameTerms(frozenset({"cc-by-sa-3.0", "cc-by-sa-4.0", "gpl-3.0"}), _CC_COMPATIBLE),
    "cc-by-sa-4.0": SameTerms(frozenset({"cc-by-sa-4.0", "gpl-3.0"}), _CC_COMPATIBLE),
    "cc-by-nc-sa-2.0": SameTerms(frozenset({"cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"}), _CC),
    "cc-by-nc-sa-3.0": SameTerms(frozenset({"cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"}), _CC),
    "cc-by-nc-sa-4.0": SameTerms(frozenset({"cc-by-nc-sa-4.0"}), _CC),
    # Whether "or any later version" was added is not in a card: the later version is let pass.
    "gpl": SameTerms(frozenset({"gpl", "gpl-2.0", "gpl-3.0", "agpl-3.0"}), _GPL),
    "gpl-2.0": SameTerms(frozenset({"gpl", "gpl-2.0", "gpl-3.0", "agpl-3.0"}), _GPL),
    "gpl-3.0": SameTerms(frozenset({"gpl", "gpl-3.0", "agpl-3.0"}), _GPL),
    "agpl-3.0": SameTerms(frozenset({"agpl-3.0"}), _GPL),
    "gfdl": SameTerms(frozenset({"gfdl"}), "https://www.gnu.org/licenses/fdl-1.3.html"),
    "osl-3.0": SameTerms(frozenset({"osl-3.0"}), "https://opensource.org/license/osl-3-0-php"),
    "odbl": SameTerms(frozenset({"odbl"}), "https://opendatacommons.org/licenses/odbl/1-0/"),
    "cdla-sharing-1.0": SameTerms(frozenset({"cdla-sharing-1.0"}), "https://cdla.dev/sharing-1-0/"),
}
# Licences of models that pass their restrictions of use on. A licence of one's own ("other") may well contain them.
_PASSED_ON: Final[Mapping[str, SameTerms]] = {
    **{
        name: SameTerms(frozenset({name, "other"}), "https://www.llama.com/llama-downloads/")
        for name in ("llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4")
    },
    "gemma": SameTerms(frozenset({"gemma", "other"}), "https://ai.google.dev/gemma/terms"),
    **{
        name: SameTerms(
            _RAILS | {name, "other"},
            _RAIL,
        )
        for name in (
            "openrail",
            "openrail++",
            "bigscience-openrail-m",
            "bigscience-bloom-rail-1.0",
            "creativeml-openrail-m",
            "bigcode-openrail-m",
        )
    },
}


@dataclass(frozen=True, slots=True)
class Breach:
    """What a parent's licence asks that a child's does not keep, and where the parent's licence says so."""

    sentence: str
    source: str


def breach(parent: str, child: str) -> Breach | None:
    """What speaks against giving a work under ``child`` that was made from one under ``parent``; both are known ids.

    None where nothing in the table does: that is no promise that nothing else does.
    """
    if parent in _NO_DERIVATIVES:
        return Breach(f"{parent} does not allow changed versions to be shared", _CC)
    if (same := _SHARE_ALIKE.get(parent)) and child not in same.allowed:
        return Breach(f"{parent} asks that what is made from it be shared under {_either(same.allowed)}", same.source)
    if parent in _NONCOMMERCIAL and child not in _NONCOMMERCIAL:
        return Breach(f"{parent} does not allow commercial use, which {child} does not rule out", _CC)
    if (same := _PASSED_ON.get(parent)) and child not in same.allowed:
        return Breach(f"{parent} asks that its terms be passed on with what is made from it", same.source)
    return None


def _either(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))
