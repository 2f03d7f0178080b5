from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tholos.data.errors import BadSplit, CannotSplit, ColumnNotFound
from tholos.data.splits import Method, SplitSpec, row_keys, split

TRAIN_TEST = {"train": 0.8, "test": 0.2}
THREE = {"train": 0.6, "validation": 0.2, "test": 0.2}


def table(**columns):
    return pa.table(columns)


def subsets(found, spec, values):
    """Subset name to the values of its rows."""
    return {
        name: [value for value, at in zip(values, found.assignment, strict=True) if at == position]
        for position, name in enumerate(spec.subsets)
    }


def reference_key(seed, row):
    """SplitMix64 in Python's own integers."""

    def mix(z):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    return mix((mix(seed) + (row + 1) * 0x9E3779B97F4A7C15) % 2**64)


def test_keys_are_splitmix64():
    for seed in (0, 1, 42, 2**63 - 1):
        assert row_keys(50, seed).tolist() == [reference_key(seed, row) for row in range(50)]


def test_golden_random():
    found = split(table(x=list(range(20))), SplitSpec(TRAIN_TEST, seed=42))
    assert "".join(map(str, found.assignment)) == GOLDEN["random"]
    assert found.counts == {"train": 16, "test": 4}


def test_golden_stratified():
    data = table(y=["a"] * 12 + ["b"] * 6 + [None] * 3)
    found = split(data, SplitSpec(THREE, Method.STRATIFIED, "y", seed=7))
    assert "".join(map(str, found.assignment)) == GOLDEN["stratified"]


def test_golden_grouped():
    data = table(g=[n % 7 for n in range(24)])
    found = split(data, SplitSpec(TRAIN_TEST, Method.GROUPED, "g", seed=3))
    assert "".join(map(str, found.assignment)) == GOLDEN["grouped"]


def test_golden_time():
    data = table(t=[5, 3, 3, 9, 1, 7, 7, 7, 2, 8])
    found = split(data, SplitSpec(THREE, Method.TIME, "t"))
    assert "".join(map(str, found.assignment)) == GOLDEN["time"]


# The first row is the leftmost digit; a digit is the position of the row's subset.
GOLDEN = {
    "random": "00001000000110010000",
    "stratified": "002110001020200001102",
    "grouped": "000110000011000001100000",
    "time": "0002011102",
}


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    data = table(x=list(range(1000)))
    first, again, other = (split(data, SplitSpec(TRAIN_TEST, seed=seed)).assignment for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_a_random_split_is_not_tied_to_the_order_of_rows():
    assignment = split(table(x=list(range(100_000))), SplitSpec({"a": 0.5, "b": 0.5}, seed=1)).assignment
    assert abs(assignment[:50_000].mean() - 0.5) < 0.01
    assert abs((assignment[:-1] == assignment[1:]).mean() - 0.5) < 0.01


@given(rows=st.integers(3, 400), seed=st.integers(0, 2**63 - 1), first=st.integers(1, 98), second=st.integers(1, 98))
def test_random_counts_are_within_one_row_of_the_ratios(rows, seed, first, second):
    second = min(second, 99 - first)
    ratios = {"a": first / 100, "b": second / 100, "c": (100 - first - second) / 100}
    found = split(table(x=[0] * rows), SplitSpec(ratios, seed=seed))
    assert sum(found.counts.values()) == rows
    for name, share in ratios.items():
        assert found.counts[name] >= 1
        if rows * min(ratios.values()) >= 1:
            assert abs(found.counts[name] - share * rows) < 1


@given(sizes=st.lists(st.integers(3, 40), min_size=1, max_size=12), seed=st.integers(0, 1000))
def test_stratified_keeps_every_class_in_every_subset_and_the_totals_on_their_shares(sizes, seed):
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    spec = SplitSpec(THREE, Method.STRATIFIED, "y", seed=seed)
    found = split(table(y=labels), spec)
    for members in subsets(found, spec, labels).values():
        assert set(members) == set(range(len(sizes)))
    for label, size in enumerate(sizes):
        for position, share in enumerate(THREE.values()):
            count = int(((np.array(labels) == label) & (found.assignment == position)).sum())
            assert count == 1 or abs(count - share * size) <= 2
    if min(sizes) >= 5:  # so that no subset is owed its one row
        for name, share in THREE.items():
            assert abs(found.counts[name] - share * len(labels)) <= 2


def test_stratified_totals_do_not_drift_with_many_small_classes():
    labels = [label for label in range(500) for _ in range(7)]
    found = split(table(y=labels), SplitSpec(TRAIN_TEST, Method.STRATIFIED, "y"))
    assert found.counts == {"train": 2800, "test": 700}


@given(
    groups=st.lists(st.integers(0, 9), min_size=20, max_size=200).filter(lambda each: len(set(each)) >= 2),
    seed=st.integers(0, 1000),
)
def test_no_group_straddles(groups, seed):
    spec = SplitSpec(TRAIN_TEST, Method.GROUPED, "g", seed=seed)
    found = split(table(g=groups), spec)
    members = subsets(found, spec, groups)
    assert not set(members["train"]) & set(members["test"])
    assert found.counts["train"] >= found.counts["test"]


def test_time_puts_earlier_rows_first_and_keeps_ties_together():
    days = [dt.date(2024, 1, 1 + n // 3) for n in range(30)]
    order = np.random.default_rng(0).permutation(30)
    shuffled = [days[at] for at in order]
    spec = SplitSpec(THREE, Method.TIME, "day")
    members = subsets(split(table(day=shuffled), spec), spec, shuffled)
    assert max(members["train"]) < min(members["validation"])
    assert max(members["validation"]) < min(members["test"])
    assert [len(each) for each in members.values()] == [18, 6, 6]


def test_time_leaves_room_for_every_subset():
    found = split(table(t=[1] * 90 + [2] * 9 + [3]), SplitSpec(THREE, Method.TIME, "t"))
    assert found.counts == {"train": 90, "validation": 9, "test": 1}


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        ({"train": 0.8, "test": 0.3}, r"add up to 1\.1, not to 1"),
        ({"train": 1.0}, "2 to 20 subsets, not 1"),
        ({"train": 1.2, "test": -0.2}, r"share of 'test' is -0\.2"),
        ({"train": float("nan"), "test": 0.2}, "share of 'train' is nan"),
        ({"Train Set": 0.8, "test": 0.2}, "'Train Set' cannot be the name"),
        ({f"s{n}": 1 / 30 for n in range(30)}, "not 30"),
    ],
)
def test_bad_ratios(ratios, said):
    with pytest.raises(BadSplit, match=said):
        SplitSpec(ratios)


def test_ratios_may_carry_rounding():
    assert SplitSpec({"a": 1 / 3, "b": 1 / 3, "c": 0.3333334}).subsets == ("a", "b", "c")


def test_a_column_belongs_to_every_method_but_random():
    with pytest.raises(BadSplit, match="stratified split needs a column"):
        SplitSpec(TRAIN_TEST, Method.STRATIFIED)
    with pytest.raises(BadSplit, match="random split takes no column"):
        SplitSpec(TRAIN_TEST, Method.RANDOM, "y")
    with pytest.raises(BadSplit, match="seed -1"):
        SplitSpec(TRAIN_TEST, seed=-1)


def test_an_unknown_column_names_the_near_ones():
    with pytest.raises(ColumnNotFound, match="no column 'specis'") as caught:
        split(table(species=["a"] * 9, island=["b"] * 9), SplitSpec(TRAIN_TEST, Method.STRATIFIED, "specis"))
    assert caught.value.next == "Did you mean 'species'?"


def test_classes_that_are_too_small_are_named():
    data = table(y=["a"] * 10 + ["b"] * 10 + ["rare", None])
    with pytest.raises(CannotSplit, match=r"2 of 4 classes of 'y' have fewer rows .*'rare' \(1\), None \(1\)"):
        split(data, SplitSpec(TRAIN_TEST, Method.STRATIFIED, "y"))


def test_too_few_rows():
    with pytest.raises(CannotSplit, match="2 rows cannot fill 3 subsets"):
        split(table(x=[1, 2]), SplitSpec(THREE))


def test_too_few_groups():
    with pytest.raises(CannotSplit, match="'test' would be empty"):
        split(table(g=["a"] * 10), SplitSpec(TRAIN_TEST, Method.GROUPED, "g"))


def test_missing_groups_and_times_are_refused():
    data = table(g=["a", None, "b", "b"], t=[1, 2, None, 4])
    with pytest.raises(CannotSplit, match="1 rows have no value in 'g'"):
        split(data, SplitSpec(TRAIN_TEST, Method.GROUPED, "g"))
    with pytest.raises(CannotSplit, match="1 rows have no value in 't'"):
        split(data, SplitSpec(TRAIN_TEST, Method.TIME, "t"))
    with pytest.raises(CannotSplit, match="type string; a split by time"):
        split(data, SplitSpec(TRAIN_TEST, Method.TIME, "g"))


def test_one_moment_cannot_be_split_by_time():
    with pytest.raises(CannotSplit, match="'test' would be empty"):
        split(table(t=[5] * 10), SplitSpec(TRAIN_TEST, Method.TIME, "t"))


def test_booleans_can_be_strata():
    found = split(table(y=[True, False] * 10), SplitSpec(TRAIN_TEST, Method.STRATIFIED, "y"))
    assert found.counts == {"train": 16, "test": 4}
