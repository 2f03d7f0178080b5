from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from tholos.data.errors import (
    BadHeader,
    BrokenFile,
    BrokenText,
    DataTooLarge,
    MixedColumns,
    NoRows,
    RaggedRow,
)
from tholos.data.formats import DEFAULT_LIMITS


def _naive(*parts):
    return dt.datetime(*parts)  # noqa: DTZ001 - the data names no zone


def types(table):
    return {field.name: str(field.type) for field in table.schema}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiters_and_newlines(read, delimiter, newline):
    rows = [["name", "age"], ["Ada", "36"], ["Alan", "41"]]
    table = read({"a.csv": newline.join(delimiter.join(row) for row in rows)})
    assert table.to_pylist() == [{"name": "Ada", "age": 36}, {"name": "Alan", "age": 41}]


def test_a_comma_inside_values_does_not_mislead_the_sniffer(read):
    table = read({"a.csv": "text;label\nhello, world;1\none, two, three;2\nplain;3\n"})
    assert table.column_names == ["text", "label"]


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff姓名,年龄\n张伟,30\n李娜,28\n".encode(),
        "姓名,年龄\n张伟,30\n李娜,28\n".encode(),
        "姓名,年龄\n张伟,30\n李娜,28\n".encode("gb18030"),
        "姓名,年龄\n张伟,30\n李娜,28\n".encode("utf-16"),
        "\ufeff姓名,年龄\n张伟,30\n李娜,28\n".encode("utf-16-be"),
    ],
    ids=["utf-8 with bom", "utf-8", "gb18030", "utf-16 little endian", "utf-16 big endian"],
)
def test_encodings_and_chinese_headers(read, content):
    assert read({"a.csv": content}).to_pylist() == [{"姓名": "张伟", "年龄": 30}, {"姓名": "李娜", "年龄": 28}]


def test_gb18030_is_stated(opened):
    notes = opened({"a.csv": "城市,人口\n北京,21\n上海,24\n".encode("gb18030")}).notes
    assert [note.code for note in notes] == ["encoding"]
    assert "GB 18030" in notes[0].message


@pytest.mark.parametrize(
    ("content", "offset", "line"),
    [
        (b"name,age\nAda,36\nJos\xe9,41\n", 19, 3),
        (b"name\n" + "逻辑".encode() + b"\xff\n", 11, 2),
        ("name\n逻辑逻辑逻辑\n".encode()[:-2], 20, 2),
        ("ville,années\nBesançon,3\nÉvian,4\n".encode("latin-1"), 9, 1),
        ("größe,weight\n180,75\n".encode("latin-1"), 2, 1),
    ],
    ids=["latin-1", "stray byte", "cut off", "french latin-1", "german latin-1"],
)
def test_broken_utf8_is_named_with_its_place(read, content, offset, line):
    with pytest.raises(BrokenText) as caught:
        read({"a.csv": content})
    assert caught.value.details["offset"] == offset
    assert caught.value.details["line"] == line


def test_broken_utf8_far_into_a_file_is_named_with_its_place(read):
    content = b"name,age\n" + b"Ada,36\n" * 1_000_000 + b"Jos\xe9,1\n"
    with pytest.raises(BrokenText) as caught:
        read({"a.csv": content})
    assert caught.value.details["offset"] == content.index(b"\xe9")
    assert caught.value.details["line"] == 1_000_002


@pytest.mark.parametrize("content", [b"a,b\n1,\x00\n", "a,b\n1,2\n".encode("utf-16-le"), bytes(512)])
def test_binary_content_is_no_text(read, content):
    with pytest.raises(BrokenText, match="NUL"):
        read({"a.csv": content})


def test_quoted_delimiters_newlines_and_quotes(read):
    table = read({"a.csv": 'text,"two\nlines"\n"a, ""b""\nc",1\n'})
    assert table.to_pylist() == [{"text": 'a, "b"\nc', "two\nlines": 1}]


def test_empty_lines_are_skipped(read):
    assert read({"a.csv": "\n\r\na,b\n\n1,2\n\n\n3,4\n\n"}).to_pylist() == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


@pytest.mark.parametrize(
    ("content", "line", "expected", "actual"),
    [
        ("a,b\n1,2\n3,4,5\n", 3, 2, 3),
        ("a,b\n1,2\n\n3\n", 4, 2, 1),
        ('a,b\n"x\ny",2\n3,4,5\n', 4, 2, 3),
        ("a;b\n1;2\n3\n", 3, 2, 1),
        ("\ufeffa,b\r\n1,2\r\n3,4,5\r\n", 3, 2, 3),
    ],
)
def test_ragged_rows_are_named(read, content, line, expected, actual):
    with pytest.raises(RaggedRow, match=f"line {line}: the row has {actual} fields") as caught:
        read({"data/a.csv": content})
    assert caught.value.details == {"path": "data/a.csv", "line": line, "expected": expected, "actual": actual}


def test_a_ragged_row_beyond_the_first_block(read):
    limits = replace(DEFAULT_LIMITS, max_record_bytes=4096)
    with pytest.raises(RaggedRow, match="line 5002"):
        read({"a.csv": "a,b\n" + "1,2\n" * 5000 + "1\n"}, limits)


def test_an_unclosed_quote_is_named(read):
    with pytest.raises(BrokenFile, match="line 3: a double quote is opened"):
        read({"a.csv": 'a,b\n1,2\n3,"4\n5,6\n'})


def test_a_stray_quote_is_part_of_the_value(read):
    assert read({"a.csv": 'size,n\n5" disk,1\n'}).to_pylist() == [{"size": '5" disk', "n": 1}]


def test_a_huge_value_is_refused_and_a_large_one_read(read):
    limits = replace(DEFAULT_LIMITS, max_record_bytes=100_000)
    assert read({"a.csv": f"a,b\n{'x' * 90_000},1\n"}, limits).num_rows == 1
    with pytest.raises(DataTooLarge, match="more than 100,000 bytes"):
        read({"a.csv": f"a,b\n{'x' * 300_000},1\n"}, limits)
    with pytest.raises((DataTooLarge, BrokenFile)):
        read({"a.csv": f'a,b\n"{"x" * 300_000},1\n'}, limits)


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", "a,b\n", "a,b"])
def test_no_rows(read, content):
    with pytest.raises(NoRows):
        read({"a.csv": content})


def test_repeated_names_are_refused(read):
    with pytest.raises(BadHeader, match="'b' more than once \\(columns 2, 4\\)"):
        read({"a.csv": "a,b,c, b\n1,2,3,4\n"})


def test_a_blank_name_becomes_the_position(opened, read):
    files = {"a.csv": '"","x"\n"1","2"\n'}
    assert read(files).column_names == ["column_1", "x"]
    assert [note.code for note in opened(files).notes] == ["blank_header"]


def test_too_many_columns(read):
    limits = replace(DEFAULT_LIMITS, max_columns=3)
    with pytest.raises(BadHeader, match="4 columns"):
        read({"a.csv": "a,b,c,d\n1,2,3,4\n"}, limits)


def test_too_many_rows(read):
    with pytest.raises(DataTooLarge, match="more than 2 rows"):
        read({"a.csv": "a\n1\n2\n3\n"}, replace(DEFAULT_LIMITS, max_rows=2))


def test_too_many_bytes(read):
    with pytest.raises(DataTooLarge, match="larger than 10 bytes"):
        read({"a.csv": "a\nabcdefghijkl\n"}, replace(DEFAULT_LIMITS, max_table_bytes=10))


@pytest.mark.parametrize(
    ("values", "arrow", "expected"),
    [
        (["1", "-2", "+3", " 4 "], "int64", [1, -2, 3, 4]),
        (["9223372036854775807", "1"], "int64", [9223372036854775807, 1]),
        (["9223372036854775808", "1"], "string", ["9223372036854775808", "1"]),
        (["9223372036854775807", "1.5"], "string", ["9223372036854775807", "1.5"]),
        (["007", "123"], "string", ["007", "123"]),
        (["00.5", "1"], "string", ["00.5", "1"]),
        (["1", "2.5", ".5", "3.", "-1e-3"], "double", [1.0, 2.5, 0.5, 3.0, -0.001]),
        (["1.5", "inf", "-Infinity"], "double", [1.5, float("inf"), float("-inf")]),
        (["true", "FALSE", "True"], "bool", [True, False, True]),
        (["0", "1"], "int64", [0, 1]),
        (["yes", "no"], "string", ["yes", "no"]),
        (["2024-02-29", "1900-01-01"], "date32[day]", [dt.date(2024, 2, 29), dt.date(1900, 1, 1)]),
        (["2024-02-30", "2024-01-01"], "string", ["2024-02-30", "2024-01-01"]),
        (["1/2/2024", "2/1/2024"], "string", ["1/2/2024", "2/1/2024"]),
        (
            ["2024-01-02 10:00", "2024-01-02", "2024-01-02T10:00:01.5"],
            "timestamp[us]",
            [
                _naive(2024, 1, 2, 10),
                _naive(2024, 1, 2),
                _naive(2024, 1, 2, 10, 0, 1, 500_000),
            ],
        ),
        (
            ["2024-01-02T10:00Z", "2024-01-02T10:00:00+08:00"],
            "timestamp[us, tz=UTC]",
            [
                dt.datetime(2024, 1, 2, 10, tzinfo=dt.UTC),
                dt.datetime(2024, 1, 2, 2, tzinfo=dt.UTC),
            ],
        ),
        (["2024-01-02T10:00Z", "2024-01-02T10:00"], "string", ["2024-01-02T10:00Z", "2024-01-02T10:00"]),
        (["a", " b "], "string", ["a", "b"]),
    ],
)
def test_types(read, values, arrow, expected):
    table = read({"a.csv": "x,n\n" + "".join(f"{value},1\n" for value in values)})
    assert types(table)["x"] == arrow
    assert table["x"].to_pylist() == expected


@pytest.mark.parametrize("marker", ["", "NA", "NaN", "null", "N/A", "?", " ?", '"NA"', '""'])
@pytest.mark.parametrize(("value", "arrow"), [("1", "int64"), ("1.5", "double"), ("true", "bool")])
def test_missing_markers(read, marker, value, arrow):
    table = read({"a.csv": f"x,n\n{value},1\n{marker},2\n"})
    assert types(table)["x"] == arrow
    assert table["x"].null_count == 1


def test_a_quoted_marker_is_a_value_among_strings(read):
    table = read({"a.csv": 'country\n"NA"\nNA\n"DE"\n""\n ?\n'})
    assert table["country"].to_pylist() == ["NA", None, "DE", None, None]


def test_an_all_missing_column_is_of_strings(read):
    table = read({"a.csv": "a,b\n1,NA\n2,\n"})
    assert types(table)["b"] == "string"
    assert table["b"].null_count == 2


def test_decimal_commas_where_unambiguous(read, opened):
    table = read({"a.csv": "a;b;c\n1,5;1.000;0,125\n2;2.500;3,125\n"})
    assert table["a"].to_pylist() == [1.5, 2.0]
    assert table["b"].to_pylist() == [1.0, 2.5]
    assert table["c"].to_pylist() == [0.125, 3.125]


def test_an_ambiguous_comma_stays_a_string_and_is_noted(read, opened):
    files = {"a.csv": "a;b\n1,500;1\n12,125;2\n"}
    assert types(read(files))["a"] == "string"
    assert [note.code for note in opened(files).notes] == ["delimiter", "ambiguous_comma"]


def test_decimal_commas_never_in_files_separated_by_commas(read):
    assert types(read({"a.csv": 'a,b\n"1,5",1\n'}))["a"] == "string"


def test_types_are_found_from_all_values_of_all_files(read):
    files = {"a.csv": "x,y\n" + "1,2\n" * 70_000, "b.csv": "y;x\n3;4\n", "c.csv": "x,y\n1,2.5\n"}
    table = read(files)
    assert types(table) == {"x": "int64", "y": "double"}
    assert table.slice(70_000).to_pylist() == [{"x": 4, "y": 3.0}, {"x": 1, "y": 2.5}]


def test_files_with_other_columns_are_refused(read):
    with pytest.raises(MixedColumns, match=r"'b\.csv' lacks 'y' and adds 'z' compared with 'a\.csv'"):
        read({"a.csv": "x,y\n1,2\n", "b.csv": "x,z\n1,2\n"})


def test_one_column(read):
    assert read({"a.csv": "word\nalpha\nbeta\n"})["word"].to_pylist() == ["alpha", "beta"]


def test_a_table_is_read_again_with_the_same_result(opened):
    table = opened({"a.csv": "x;y\n1,5;a\n2;b\n"})
    assert [batch.to_pylist() for batch in table.read()] == [batch.to_pylist() for batch in table.read()]
