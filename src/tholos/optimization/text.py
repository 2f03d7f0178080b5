"""Text: TF-IDF and a linear model as one pass over the words of a text.

The graph never builds the vocabulary-wide row of features. A linear model on TF-IDF is a sum over the terms that occur,
so each occurrence looks up its coefficients, and time and memory depend on the text's length, not on the vocabulary's.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from typing import Any

import numpy as np

from tholos.optimization.errors import not_compilable
from tholos.optimization.graph import Graph, Value

LOCALE = "C.UTF-8"
"""The C library's Unicode rules, which every glibc carries. They lower each code point as Python does but for İ, which
Python turns into two, and but for Python's rule on a sigma at a word's end; the native pipeline folds both away."""

_ATOM = re.compile(r"\[\^?(?:\\.|[^\]\\])+\]|\\w")
_FOREIGN = re.compile(r"[\\( ]")


def text_scores(graph: Graph, vectorizer: Any, coefficients: Any, intercept: Any) -> Value:
    """Declare the input ``text`` and answer a linear model's scores ``[rows, scores]`` on a ``TfidfVectorizer``.

    With f the weight of a term's count c (c itself, or 1 + log c), each of its c occurrences adds f/c · idf · w to a
    score, and f² / c · idf² to the square of the norm.
    """
    _check(vectorizer)
    width = len(vectorizer.vocabulary_)
    ids, counts = _counted(graph, _term_ids(graph, vectorizer, unknown=width))
    weighted = _weights(graph, vectorizer, ids, counts)
    share = graph.op("Div", weighted, counts)
    if vectorizer.norm == "l2":
        square = graph.op("ReduceSum", graph.op("Mul", weighted, share), graph.constant([1], np.int64), keepdims=1)
        empty = graph.op("Equal", square, graph.constant(0.0))
        share = graph.op("Div", share, graph.op("Sqrt", graph.op("Where", empty, graph.constant(1.0), square)))
    table = np.vstack([np.transpose(coefficients), np.zeros((1, len(coefficients)))])
    looked_up = graph.op("Gather", graph.constant(table), ids, axis=0)
    each = graph.op("Mul", looked_up, graph.op("Unsqueeze", share, graph.constant([2], np.int64)))
    total = graph.op("ReduceSum", each, graph.constant([1], np.int64), keepdims=0)
    return graph.op("Add", total, graph.constant(np.broadcast_to(intercept, (1, len(coefficients)))))


def _check(vectorizer: Any) -> None:
    if type(vectorizer).__name__ != "TfidfVectorizer":
        raise not_compilable(f"the preparation of text by {type(vectorizer).__name__}")
    if (
        vectorizer.analyzer != "word"
        or vectorizer.tokenizer is not None
        or vectorizer.stop_words is not None
        or vectorizer.strip_accents is not None
        or vectorizer.norm not in ("l2", None)
        or not (vectorizer.lowercase or vectorizer.preprocessor is not None)
    ):
        raise not_compilable(
            "these settings of TfidfVectorizer",
            next="Use words in lower case, without stop words or accent stripping, with the norm l2 or none.",
        )


def _term_ids(graph: Graph, vectorizer: Any, *, unknown: int) -> Value:
    """The vocabulary's number of every word and n-gram, int64 ``[rows, terms]``; *unknown* for all others.

    One *unknown* ends every row, so that no row is without terms.
    """
    text = graph.input("text", "STRING", "rows")
    lowered = graph.op("StringNormalizer", text, case_change_action="LOWER", is_case_sensitive=1, locale=LOCALE)
    words = graph.op(
        "Tokenizer",
        lowered,
        domain="com.microsoft",
        mark=0,
        mincharnum=1,
        pad_value="",
        tokenexp=explicit_pattern(vectorizer.token_pattern),
    )
    numbers = {term: int(number) for term, number in vectorizer.vocabulary_.items()}
    smallest, largest = vectorizer.ngram_range
    found, grams = [], words
    for size in range(1, largest + 1):
        if size > 1:
            grams = _longer(graph, grams, words, size)
        if size < smallest:
            continue
        terms = {term: number for term, number in numbers.items() if term.count(" ") == size - 1}
        if terms:
            found.append(
                graph.op(
                    "LabelEncoder",
                    grams,
                    domain="ai.onnx.ml",
                    keys_strings=list(terms),
                    values_int64s=list(terms.values()),
                    default_int64=unknown,
                )
            )
    return graph.op(
        "Pad", graph.concat(found), graph.constant([0, 0, 0, 1], np.int64), graph.constant(unknown, np.int64)
    )


def _longer(graph: Graph, grams: Value, words: Value, size: int) -> Value:
    """Join each run of ``size - 1`` words with the word after it.

    Runs that reach into a row's padding end in a space, as no term of the vocabulary does.
    """
    one = graph.constant([1], np.int64)
    heads = graph.op("Slice", grams, graph.constant([0], np.int64), graph.constant([-1], np.int64), one)
    tails = graph.op(
        "Slice", words, graph.constant([size - 1], np.int64), graph.constant([np.iinfo(np.int64).max], np.int64), one
    )
    return graph.op("StringConcat", graph.op("StringConcat", heads, graph.strings([" "])), tails)


def _counted(graph: Graph, ids: Value) -> tuple[Value, Value]:
    """Sort each row's *ids* and count, for every occurrence, how often its term occurs: int64 and float64."""
    length = graph.op("Shape", ids, start=1, end=2)
    ordered = graph.sorted(ids, length)
    begin, end = graph.constant([0], np.int64), graph.constant([-1], np.int64)
    one = graph.constant([1], np.int64)
    before = graph.op("Slice", ordered, begin, end, one)
    previous = graph.op("Pad", before, graph.constant([0, 1, 0, 0], np.int64), graph.constant(-1, np.int64))
    starts = graph.op("Not", graph.op("Equal", ordered, previous))
    run = graph.op("Sub", graph.op("CumSum", graph.cast(starts, "INT64"), graph.constant(1, np.int64)), one)
    ones = graph.op("Expand", graph.constant([[1.0]]), graph.op("Shape", ordered))
    lengths = graph.op("ScatterElements", graph.op("Sub", ones, ones), run, ones, axis=1, reduction="add")
    return ordered, graph.op("GatherElements", lengths, run, axis=1)


def _weights(graph: Graph, vectorizer: Any, ids: Value, counts: Value) -> Value:
    """The TF-IDF weight of every occurrence's term before the norm; 0 for unknown terms."""
    width = len(vectorizer.vocabulary_)
    idf = np.asarray(vectorizer.idf_, dtype=np.float64) if vectorizer.use_idf else np.ones(width)
    table = graph.constant(np.append(idf, 0.0))
    inverse = graph.op("Gather", table, ids, axis=0)
    if vectorizer.binary:
        return inverse
    if vectorizer.sublinear_tf:
        counts = graph.op("Add", graph.op("Log", counts), graph.constant(1.0))
    return graph.op("Mul", counts, inverse)


@cache
def explicit_pattern(pattern: str) -> str:
    r"""Spell out the classes of a token pattern, so that RE2 matches what Python's ``re`` does.

    ``\w`` means any script to Python and ASCII to RE2. Every class of *pattern* becomes the list of code points that
    Python finds in it. Beside classes a pattern may use literals, ``|`` and repetition.

    Raises:
        NotCompilable: the pattern uses groups, ``\b`` or another escape.

    """
    plain = r"\w{2,}" if pattern == r"(?u)\b\w\w+\b" else pattern
    if _FOREIGN.search(_ATOM.sub("", plain)):
        raise not_compilable(
            f"the token pattern {pattern!r}", next=r"Use a pattern of classes, `|` and repetition such as \w{2,}."
        )
    return _ATOM.sub(lambda atom: _spelled_out(atom[0]), plain)


def _spelled_out(atom: str) -> str:
    matches = re.compile(atom).match
    if matches(" "):
        raise not_compilable(f"the class {atom!r} of the token pattern, which contains the space")
    inside = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF and matches(chr(code))]
    ends = [code for code, after in zip(inside, [*inside[1:], -1], strict=True) if after != code + 1]
    starts = [code for code, before in zip(inside, [-1, *inside[:-1]], strict=True) if before != code - 1]
    return "[" + "".join(f"\\x{{{start:x}}}-\\x{{{end:x}}}" for start, end in zip(starts, ends, strict=True)) + "]"
