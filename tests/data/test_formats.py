"""JSON Lines, Parquet, images, and what is none of them."""

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import io
import json
import pickle
import zipfile
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tholos.data.errors import (
    BadHeader,
    BrokenFile,
    BrokenText,
    CorruptImages,
    DataTooLarge,
    MixedColumns,
    MixedFormats,
    MixedTypes,
    NoRows,
    NotData,
    UnsupportedFile,
    UnsupportedType,
)
from tholos.data.formats import DEFAULT_LIMITS, SourceFile, data_files, open_table
from tholos.kit.errors import TholosError


def lines(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def parquet(table, **options):
    buffer = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), buffer, **options)
    return buffer.getvalue()


def png(width=4, height=3, mode="L", color=7):
    buffer = io.BytesIO()
    Image.new(mode, (width, height), color).save(buffer, "PNG")
    return buffer.getvalue()


# -- JSON Lines


def test_json_lines(read):
    table = read(
        {
            "a.jsonl": lines(
                {"text": "你好", "n": 1, "x": 1, "ok": True, "at": "2024-01-02"},
                {"text": "", "n": None, "x": 2.5, "ok": False, "at": "2024-01-03", "late": "z"},
            ),
            "b.jsonl": "\ufeff" + lines({"text": "third"}) + "\n",
        }
    )
    assert [str(kind) for kind in table.schema.types] == ["string", "int64", "double", "bool", "date32[day]", "string"]
    assert table.to_pylist()[1] == {
        "text": None,
        "n": None,
        "x": 2.5,
        "ok": False,
        "at": dt.date(2024, 1, 3),
        "late": "z",
    }
    assert table["text"].to_pylist() == ["你好", None, "third"]


def test_strings_that_look_like_numbers_stay_strings(read):
    assert read({"a.jsonl": lines({"code": "007"}, {"code": "12"})})["code"].to_pylist() == ["007", "12"]


def test_a_field_that_is_null_everywhere(read):
    assert read({"a.jsonl": lines({"a": None, "b": 1})}).schema.field("a").type == pa.string()


@pytest.mark.parametrize(
    ("second", "error", "said"),
    [
        ('{"a": "x"}', MixedTypes, "line 2: the field 'a' is of type string here but integer in 'a.jsonl' line 1"),
        ('{"a": true}', MixedTypes, "is of type boolean here"),
        ('{"a": {"b": 1}}', UnsupportedType, "line 2: the field 'a' holds an object"),
        ('{"a": [1]}', UnsupportedType, "holds an array"),
        ('{"a": 18446744073709551615}', UnsupportedType, "beyond 64 bits"),
        ('{"a": NaN}', BrokenFile, "line 2 is not JSON"),
        ('{"a": 1', BrokenFile, "line 2 is not JSON"),
        ("[1]", BrokenFile, "JSON array"),
        ("3", BrokenFile, "line 2 is not a JSON object"),
        ('{"": 1}', BadHeader, "line 2: a field has an empty name"),
    ],
)
def test_bad_json_lines(read, second, error, said):
    with pytest.raises(error, match=said):
        read({"a.jsonl": f'{{"a": 1}}\n{second}\n'})


def test_a_json_array_is_told_apart(read):
    with pytest.raises(BrokenFile, match="JSON array, not JSON Lines"):
        read({"a.json": '[\n {"a": 1},\n {"a": 2}\n]'})


def test_json_lines_in_broken_utf8(read):
    with pytest.raises(BrokenText, match="line 2 is not UTF-8: byte 0xff at 6"):
        read({"a.jsonl": b'{"a": 1}\n{"a":"\xff"}\n'})


def test_json_lines_deeper_than_any_row(read):
    with pytest.raises(BrokenFile):
        read({"a.jsonl": '{"a":' + "[" * 100_000})


def test_a_long_json_line(read):
    with pytest.raises(DataTooLarge, match="line 2 is longer"):
        read({"a.jsonl": lines({"a": "x"}, {"a": "x" * 2000})}, replace(DEFAULT_LIMITS, max_record_bytes=1000))


def test_json_lines_with_ever_new_fields(read):
    with pytest.raises(BadHeader, match="more than 10 different fields"):
        read({"a.jsonl": lines(*({f"f{n}": 1} for n in range(20)))}, replace(DEFAULT_LIMITS, max_columns=10))


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_empty_json_lines(read, content):
    with pytest.raises(NoRows):
        read({"a.jsonl": content})


# -- Parquet


def test_parquet_types(read):
    moment = dt.datetime(2024, 1, 2, 3, 4, 5, 6)  # noqa: DTZ001 - the data names no zone
    table = read(
        {
            "a.parquet": parquet(
                {
                    "small": pa.array([1, None], pa.int8()),
                    "unsigned": pa.array([1, 2], pa.uint64()),
                    "half": pa.array([1.5, float("nan")], pa.float32()),
                    "exact": pa.array([decimal.Decimal("1.25"), None]),
                    "word": pa.array(["", "b"], pa.large_string()),
                    "kind": pa.array(["x", "y"]).dictionary_encode(),
                    "ok": [True, False],
                    "day": pa.array([dt.date(2024, 1, 2), None], pa.date64()),
                    "at": pa.array([moment, None], pa.timestamp("ns")),
                    "zoned": pa.array([moment, None], pa.timestamp("ms", "Asia/Shanghai")),
                    "nothing": pa.nulls(2),
                }
            )
        }
    )
    assert [str(kind) for kind in table.schema.types] == [
        "int64",
        "int64",
        "double",
        "double",
        "string",
        "string",
        "bool",
        "date32[day]",
        "timestamp[us]",
        "timestamp[us, tz=UTC]",
        "string",
    ]
    assert table["half"].to_pylist() == [1.5, None]
    assert table["word"].to_pylist() == [None, "b"]
    assert table["exact"].to_pylist() == [1.25, None]
    assert table["at"].to_pylist() == [moment, None]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([[1], [2]]), "list<element: int64>"),
        (pa.array([{"a": 1}]), "struct"),
        (pa.array([b"x"]), "binary"),
        (pa.array([dt.time(1)]), "time64"),
        (pa.array([2**63], pa.uint64()), "beyond int64"),
    ],
)
def test_unsupported_parquet_types_are_named(read, column, said):
    with pytest.raises(UnsupportedType, match=f"'odd'.*{said}"):
        read({"a.parquet": parquet({"fine": [1] * len(column), "odd": column})})


def test_broken_parquet(read):
    whole = parquet({"a": list(range(1000))})
    for content in (b"", b"PAR1", whole[:-20], b"not parquet at all", whole[:100] + bytes(100) + whole[200:]):
        with pytest.raises(BrokenFile):
            read({"a.parquet": content})


def test_parquet_with_repeated_names(read):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(BadHeader, match="two columns named 'a'"):
        read({"a.parquet": parquet(table)})


def test_a_parquet_bomb_is_measured_before_it_unpacks(read):
    """A file of some kilobytes whose one long string, repeated, would take 64 GB."""
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 32_000, pa.int32()), pa.array(["x" * 2_000_000]))
    content = parquet({"a": long}, compression="zstd")
    assert len(content) < 100_000
    with pytest.raises(DataTooLarge, match="unpacks to 64,000,000,000 bytes"):
        read({"a.parquet": content})


def test_parquet_with_too_many_rows(read):
    with pytest.raises(DataTooLarge, match="1,000 rows"):
        read({"a.parquet": parquet({"a": pa.nulls(1000, pa.int64())})}, replace(DEFAULT_LIMITS, max_rows=999))


def test_several_parquet_files(read):
    first, second = parquet({"a": [1], "b": ["x"]}), parquet({"b": ["y"], "a": [2]})
    assert read({"1.parquet": first, "2.parquet": second}).to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    with pytest.raises(MixedColumns, match="differ in 'a'"):
        read({"1.parquet": first, "2.parquet": parquet({"a": [1.5], "b": ["x"]})})


def test_parquet_without_rows(read):
    with pytest.raises(NoRows):
        read({"a.parquet": parquet({"a": pa.array([], pa.int64())})})


# -- images


def test_a_folder_of_images(read):
    files = {"cat/1.png": png(), "train/dog & 狗/2.PNG": png(mode="RGB", color=(1, 2, 3))}
    table = read(files)
    assert table["label"].to_pylist() == ["cat", "dog & 狗"]
    assert table["path"].to_pylist() == list(files)
    assert table["image"].to_pylist() == list(files.values())


def test_corrupt_images_are_listed_or_skipped(read, opened):
    files = {"a/1.png": png(), "a/2.png": png()[:40], "b/3.jpg": b"no image", "b/4.png": png(), "b/5.png": b""}
    with pytest.raises(CorruptImages, match="3 of 5 images cannot be read") as caught:
        read(files)
    assert caught.value.details["paths"] == ["a/2.png", "b/3.jpg", "b/5.png"]
    assert read(files, skip_corrupt_images=True)["path"].to_pylist() == ["a/1.png", "b/4.png"]
    notes = opened(files, skip_corrupt_images=True).notes
    assert [note.path for note in notes] == ["a/2.png", "b/3.jpg", "b/5.png"]


def test_an_image_bomb_is_refused_by_its_header(read):
    limits = replace(DEFAULT_LIMITS, max_image_pixels=10_000)
    with pytest.raises(CorruptImages, match="200x100 pixels"):
        read({"a/bomb.png": png(200, 100)}, limits)


def test_only_corrupt_images_cannot_be_skipped(read):
    with pytest.raises(CorruptImages):
        read({"a/1.png": b"x"}, skip_corrupt_images=True)


def test_an_image_outside_a_class_folder(read):
    with pytest.raises(NotData, match=r"'1\.png' lies in no class folder"):
        read({"1.png": png()})


def test_images_in_several_batches(read):
    files = {f"{n % 3}/{n:05d}.png": png() for n in range(2500)}
    table = read(files)
    assert table.num_rows == 2500
    assert table["path"].to_pylist() == list(files)


# -- what is none of these


def test_documentation_settings_and_splits_are_not_data():
    paths = ["b.csv", "README.md", ".gitattributes", "splits/default.parquet", "LICENSE", "a/.hidden/c.csv", "a.csv"]
    assert data_files(paths) == ["a.csv", "b.csv"]


def zip_bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("data.csv", bytes(50_000_000))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bomb.zip", zip_bomb(), "opens no archives"),
        ("data.csv.gz", gzip.compress(b"a\n1\n", mtime=0), "opens no archives"),
        ("data.pkl", pickle.dumps({"a": 1}), "never opened"),
        ("data.xlsx", b"PK\x03\x04", "as CSV"),
        ("data.foo", b"1", "Push CSV"),
    ],
)
def test_unsupported_files_are_named_with_what_to_do(read, name, content, said):
    with pytest.raises(UnsupportedFile) as caught:
        read({name: content})
    assert name in caught.value.message
    assert said in caught.value.next


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zip_bomb(), "a ZIP archive"),
        (gzip.compress(bytes(10_000_000), mtime=0), "gzip-compressed"),
        (pickle.dumps([1]), "a pickle"),
        (parquet({"a": [1]}), "a Parquet file"),
        (png(), "a PNG image"),
    ],
)
@pytest.mark.parametrize("name", ["data.csv", "data.jsonl"])
def test_files_in_disguise_are_named(read, name, content, said):
    with pytest.raises(BrokenFile, match=said):
        read({name: content})


def test_mixed_formats(read):
    with pytest.raises(MixedFormats, match=r"'a\.csv' \(csv\) and 'b\.jsonl' \(jsonl\)"):
        read({"a.csv": "a\n1\n", "b.jsonl": '{"a": 1}\n'})


def test_no_files():
    with pytest.raises(NotData, match="no data files"):
        open_table([])


@contextmanager
def suppress_clear_errors():
    try:
        yield
    except TholosError as error:
        if error.status >= 500 or not error.message or not error.next:
            raise


csv_like = st.text(alphabet='ab1.,;|\t"\n\r?- 姓é\x00', max_size=60).map(str.encode)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.sampled_from(["a.csv", "a.jsonl", "a.parquet", "c/a.png"]), content=st.binary(max_size=200) | csv_like)
def test_arbitrary_bytes_give_a_table_or_a_clear_error(tmp_path, name, content):
    file = tmp_path / "arbitrary"
    file.write_bytes(content)
    with suppress_clear_errors():
        table = open_table([SourceFile(name, file)])
        for batch in table.read():
            batch.validate(full=True)
            assert batch.schema == table.schema


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8))
@example(flips=[(475, 128)])  # the name of a column is no text
def test_a_damaged_parquet_file_gives_a_table_or_a_clear_error(tmp_path, flips):
    content = bytearray(parquet({"a": list(range(50)), "b": [f"s{n % 5}" for n in range(50)]}))
    for position, value in flips:
        content[position % len(content)] = value
    file = tmp_path / "damaged"
    file.write_bytes(content)
    with suppress_clear_errors():
        for batch in open_table([SourceFile("a.parquet", file)]).read():
            assert batch.num_rows
