"""Rows of real databases, streamed into a Parquet file."""

from __future__ import annotations

import datetime as dt
import decimal
import socket
import sqlite3
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tholos.sdk import sql
from tholos.sdk.errors import InvalidInput, MissingLibrary, ServerUnreachable, WaitTimedOut


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("create table sales (id integer, price real, name text, day text, note blob)")
        connection.executemany(
            "insert into sales values (?, ?, ?, ?, null)",
            [(number, number / 4 if number % 5 else None, f"n{number}", "2026-01-02") for number in range(100)],
        )
    connection.close()
    return f"sqlite:///{tmp_path / 'shop.db'}"


@pytest.fixture
def postgres_url(postgres: str) -> str:
    return postgres


@pytest.fixture
def fetch(tmp_path: Path):
    def call(url: str, query: str = "", **options) -> tuple[sql.Fetched, pa.Table]:
        folder = tmp_path / "fetched"
        folder.mkdir(exist_ok=True)
        fetched = sql.fetch(url, query, folder, **options)
        assert [path.name for path in folder.iterdir()] == ["data.parquet"]
        return fetched, pq.read_table(fetched.file)

    return call


def test_sqlite_rows_keep_their_types_and_gaps(fetch, sqlite_url):
    fetched, table = fetch(sqlite_url, "select id, price, name from sales;")
    assert table.schema.types == [pa.int64(), pa.float64(), pa.string()]
    assert table.column("price").null_count == 20
    assert fetched.record["rows"] == 100
    assert fetched.record["query"] == "select id, price, name from sales"


def test_a_whole_table_is_named_safely(fetch, sqlite_url, tmp_path):
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute('create table "odd ""name" as select 1 as a')
    connection.close()
    fetched, table = fetch(sqlite_url, table='odd "name')
    assert (fetched.record["query"], table.to_pylist()) == ('select * from "odd ""name"', [{"a": 1}])


def test_postgres_types_arrive_as_they_are(fetch, postgres_url):
    query = """
      select * from (values
        (1::bigint, 1.5::float8, 12.340::numeric, 'é'::text, true, date '2026-01-02',
         timestamp '2026-01-02 03:04:05.000006', timestamptz '2026-01-02 03:04:05+02', time '03:04',
         'b1a7b2f4-0000-4000-8000-000000000000'::uuid),
        (null, 'nan', 'NaN', null, null, null, null, null, null, null),
        (3, 2, 100, '100%', false, date '1900-01-01', timestamp '1900-01-01', timestamptz '1900-01-01+00', null, null)
      ) as t(i, f, d, s, b, day, moment, instant, clock, id)"""
    fetched, table = fetch(postgres_url, query)
    assert table.schema.types == [
        pa.int64(),
        pa.float64(),
        pa.decimal128(6, 3),
        pa.string(),
        pa.bool_(),
        pa.date32(),
        pa.timestamp("us"),
        pa.timestamp("us", "UTC"),
        pa.string(),
        pa.string(),
    ]
    first = table.to_pylist()[0]
    assert first["d"] == decimal.Decimal("12.340")
    assert first["instant"] == dt.datetime(2026, 1, 2, 1, 4, 5, tzinfo=dt.UTC)
    assert first["moment"] == dt.datetime.fromisoformat("2026-01-02T03:04:05.000006")
    assert (first["clock"], first["id"]) == ("03:04:00", "b1a7b2f4-0000-4000-8000-000000000000")
    assert table.column("d").null_count == 1  # NaN is no decimal
    assert fetched.rows == 3


def test_many_rows_come_in_batches_with_types_unified(fetch, postgres_url):
    seen: list[int] = []
    query = "select g as id, case when g < 30000 then null else g * 0.01 end as price from generate_series(1, 50000) g"
    _, table = fetch(postgres_url, query, progress=seen.append)
    assert seen == [20_000, 40_000, 50_000]
    assert table.num_rows == 50_000
    assert table.schema.field("price").type == pa.decimal128(6, 2) or pa.types.is_decimal(
        table.schema.field("price").type
    )
    assert table.column("price")[49_999].as_py() == decimal.Decimal("500.00")


def test_postgres_is_only_read(fetch, postgres_url):
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("create table if not exists sales (id int)")
    with pytest.raises(InvalidInput, match="refuses the query"):
        fetch(postgres_url, "insert into sales values (1) returning id")


def test_a_slow_query_is_given_up(fetch, postgres_url):
    with pytest.raises(WaitTimedOut, match=r"0\.2 seconds"):
        fetch(postgres_url, "select pg_sleep(30)", timeout_s=0.2)


def test_duckdb_files_and_files_by_name(fetch, tmp_path):
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t as select 1::utinyint as a, 1.25::decimal(5,2) as d, 'x'::varchar as s")
        connection.execute(f"copy t to '{tmp_path / 't.parquet'}' (format parquet)")
    for url, query, options in (
        (f"duckdb:///{path}", "", {"table": "t"}),
        ("duckdb:", f"select * from '{tmp_path / 't.parquet'}'", {}),
    ):
        fetched, table = fetch(url, query, **options)
        assert table.schema.types == [pa.int64(), pa.decimal128(5, 2), pa.string()]
        assert fetched.source.url == url


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("select note from (select x'00ff' as note)", "holds bytes"),
        ("select 1 as a, 2 as a", "two columns called 'a'"),
        ("select id from sales where id < 0", "no rows"),
        ("selekt", "refuses the query"),
        ("select * from absent", "no such table"),
        ("create table t (a)", "refuses|no table"),
        ("select case id when 1 then 'x' else id end as a from sales", "mixes int and str"),
        ("select * from x where url = 'postgres://me:secret@host/db'", "holds a password"),
        ("", "a query or a table"),
    ],
)
def test_what_a_dataset_cannot_hold_is_refused(fetch, sqlite_url, query, why):
    with pytest.raises(InvalidInput, match=why) as caught:
        fetch(sqlite_url, query)
    assert caught.value.next


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("select 'a'::blob as b", "holds binary"),
        ("select [1, 2] as l", "holds list"),
        ("select 1; select 2", "several statements"),
        ("select * from 'absent.parquet'", "refuses the query"),
        ("selekt", "refuses the query"),
        ("select 1 as a where false", "no rows"),
    ],
)
def test_duckdb_refusals_are_worded(fetch, query, why):
    with pytest.raises(InvalidInput, match=why):
        fetch("duckdb:", query)


def test_places_that_are_not_there(fetch, tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with pytest.raises(ServerUnreachable) as caught:
        fetch(f"postgresql://me:hunter22@127.0.0.1:{port}/db", "select 1")
    assert "hunter22" not in str(caught.value)
    for url in (f"sqlite:///{tmp_path / 'absent.db'}", f"duckdb:///{tmp_path / 'absent.duckdb'}"):
        with pytest.raises(InvalidInput, match="no file"):
            fetch(url, "select 1")
        assert not list(tmp_path.glob("absent*"))
    with pytest.raises(MissingLibrary):
        fetch("nosuchdatabase://h/d", "select 1")
    with pytest.raises(InvalidInput, match="not a database's URL"):
        fetch("sqlite", "select 1")
    with pytest.raises(InvalidInput, match="is not set"):
        fetch("env:TEST_NO_SUCH_URL", "select 1")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("postgresql://me:hunter2@host:5432/shop?sslpassword=x", "postgresql://me@host:5432/shop"),
        ("sqlite:////var/shop.db", "sqlite:////var/shop.db"),
        ("duckdb:///w.duckdb?token=abc", "duckdb:///w.duckdb"),
        ("duckdb:", "duckdb:"),
        ("snowflake://me:p%40ss@account/db", "snowflake://me@account/db"),
    ],
)
def test_no_secret_is_kept(url, kept):
    assert sql.without_secrets(url) == kept
