"""Personal data in data sets: addresses and numbers of people, by form and, where there is one, by check digit.

A sample is read, spread over the whole, and the finding says which share that is. Numbers that only look like a card's
or an identity card's are told from real ones by how many of them pass the check: of random ones a tenth does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from tholos.scanning.findings import Severity
from tholos.scanning.inspection import Inspection, Source

_PIECE: Final = 1 << 20
_NEXT: Final = (
    "See that you may share these data, and with whom: keep the dataset private, or remove or replace that column."
)
_SHARE: Final = 0.5
"""Of the numbers with the right form, this many must pass the check."""

_EMAIL = re.compile(rb"(?<![\w.+\-])[A-Za-z0-9][\w.+\-]{0,63}@(?:[A-Za-z0-9\-]{1,63}\.){1,4}[A-Za-z]{2,18}(?![\w@])")
_NO_ONE = re.compile(rb"(?i)@(?:.*\.)?(?:example|test|invalid|localhost)(?:\.|$)|^(?:no-?reply|git|info|support)@")
_PHONE = re.compile(
    rb"(?<![\w.+\-/])(?:\+[1-9]\d{0,2}[ \-.]?(?:\(\d{1,4}\)[ \-.]?)?\d{2,4}(?:[ \-.]?\d{2,4}){1,4}"
    rb"|1[3-9]\d{9}|\(\d{3}\) ?\d{3}-\d{4})(?![\w\-/]|\.\d)"
)
_CARD = re.compile(
    rb"(?<![\w.\-])(?=4|5[1-5]|2[2-7]|3[47]|6(?:011|5|4[4-9]|2)|35(?:2[89]|[3-8]))"
    rb"(?:\d{13,16}|\d{19}|\d{4}(?:[ \-]\d{4}){3})(?![\w\-]|\.\d)"
)
_CHINESE_ID = re.compile(rb"(?<![\w.\-])[1-9]\d{16}[\dXx](?![\w\-])")
_IBAN = re.compile(rb"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_IBAN_LENGTHS: Final[dict[str, int]] = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "NL"), 18),
    **dict.fromkeys(("SI",), 19),
    **dict.fromkeys(("AT", "EE", "LT", "LU"), 20),
    **dict.fromkeys(("CH", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "DE", "GB", "IE"), 22),
    **dict.fromkeys(("AE", "IL"), 23),
    **dict.fromkeys(("CZ", "ES", "RO", "SA", "SE", "SK"), 24),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("FR", "GR", "IT", "MC"), 27),
    **dict.fromkeys(("CY", "HU", "PL"), 28),
    "PT": 25,
    "MT": 31,
}


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    words: str
    pattern: re.Pattern[bytes]
    passes: Callable[[bytes], bool]
    severity: Severity
    least: int = 1
    share: float = 0.0


def check_personal(found: Inspection, source: Source) -> None:
    """Looks through a text of a data set."""
    pieces = list(_sample(found, source))
    for kind in _KINDS:
        _look(found, kind, source.where, pieces)


def check_texts(found: Inspection, texts: Iterable[bytes], where: str) -> None:
    """Looks through values of a table; their numbers count as lines."""
    pieces = [(1, b"\n".join(texts))]
    for kind in _KINDS:
        _look(found, kind, where, pieces)


def _look(found: Inspection, kind: _Kind, where: str, pieces: list[tuple[int, bytes]]) -> None:
    passed = candidates = 0
    first = ""
    for line, text in pieces:
        for match in kind.pattern.finditer(text):
            candidates += 1
            if kind.passes(match[0]):
                passed += 1
                if not first:
                    first = f"line {line + text.count(10, 0, match.start())}" if line else "in the middle"
    if passed >= kind.least and passed >= kind.share * candidates:
        position = f"{where}, first at {first}" if where else f"first at {first}"
        message = f"The data hold {kind.words}: {passed:,} in what was read."
        found.find(f"personal.{kind.name}", kind.severity, message, _NEXT, position, private=True)


def _sample(found: Inspection, source: Source) -> Iterator[tuple[int, bytes]]:
    """Pieces of the text with the line at which they begin (0 where that is not known)."""
    most = found.bounds.sample_bytes
    if source.size <= most:
        source.file.seek(0)
        yield 1, source.file.read(most)
        return
    found.read_only(most / source.size)
    count = most // _PIECE
    for i in range(count):
        source.file.seek(i * (source.size - _PIECE) // (count - 1))
        yield (1 if i == 0 else 0), source.file.read(_PIECE)


def _is_somebody(address: bytes) -> bool:
    return _NO_ONE.search(address) is None


def _is_phone(text: bytes) -> bool:
    digits = _digits(text)
    return 8 <= len(digits) <= 15 and len(set(digits)) > 3


def _is_card(text: bytes) -> bool:
    digits = _digits(text)
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = (digit - 48) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_chinese_id(text: bytes) -> bool:
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    rest = sum(weight * (digit - 48) for weight, digit in zip(weights, text[:17], strict=True)) % 11
    return born.year >= 1900 and b"10X98765432"[rest] == text.upper()[17]


def _is_iban(text: bytes) -> bool:
    compact = text.replace(b" ", b"").decode()
    if _IBAN_LENGTHS.get(compact[:2]) != len(compact):
        return False
    return int("".join(str(int(letter, 36)) for letter in compact[4:] + compact[:4])) % 97 == 1


def _digits(text: bytes) -> bytes:
    return re.sub(rb"\D", b"", text)


_KINDS: Final = (
    _Kind("email", "e-mail addresses", _EMAIL, _is_somebody, Severity.NOTE),
    _Kind("phone", "telephone numbers", _PHONE, _is_phone, Severity.NOTE, least=3, share=_SHARE),
    _Kind("card", "numbers of payment cards", _CARD, _is_card, Severity.SUSPICIOUS, share=_SHARE),
    _Kind("chinese_id", "Chinese identity numbers", _CHINESE_ID, _is_chinese_id, Severity.SUSPICIOUS, share=_SHARE),
    _Kind("iban", "bank account numbers (IBAN)", _IBAN, _is_iban, Severity.SUSPICIOUS, share=_SHARE),
)
