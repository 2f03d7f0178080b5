from __future__ import annotations

import subprocess
import sys


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()


def test_a_server_process_pages_rows_without_pandas(tmp_path):
    path = tmp_path / "view.parquet"
    code = f"""
import sys
from pathlib import Path
import numpy as np
from tholos.data.arrow import leave_pandas_out
leave_pandas_out()
import pyarrow as pa, pyarrow.parquet as pq
pq.write_table(pa.table({{"a": [1, 2, 3], "b": ["x", None, "z"]}}), {str(path)!r})
from tholos.data.rows import page_of_rows
page = page_of_rows(Path({str(path)!r}), np.array([0, 2]), 0, 10, lambda row: None)
print(page.total, page.rows[1]["b"], "pandas" in sys.modules)
"""
    assert run(code) == ["2", "z", "False"]


def test_pandas_is_still_there_for_what_needs_it():
    code = """
import sys
from tholos.data.arrow import leave_pandas_out
leave_pandas_out()
import pyarrow as pa
table = pa.table({"a": [1, 2]})
print("pandas" in sys.modules)
frame = table.to_pandas()
print(type(frame).__name__, pa.Table.from_pandas(frame).num_rows, pa.array(frame["a"]).type)
"""
    assert run(code) == ["False", "DataFrame", "2", "int64"]
