"""``tholos import``, ``tholos models`` and queries, against a whole platform."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "imports"))

import foreign_models as foreign

pytestmark = [pytest.mark.usefixtures("signed_in"), pytest.mark.long]


def test_an_mlflow_model_is_imported_deployed_evaluated_and_compiled(tholos, tmp_path):
    data = foreign.IRIS.assign(species=foreign.NAMES)
    data.to_csv(tmp_path / "iris.csv", index=False)
    assert tholos("data", "push", "imported-iris", tmp_path / "iris.csv").code == 0
    folder = foreign.mlflow_folder(tmp_path / "flowers", foreign.named())
    result = tholos("import", folder, "--output-name", "species", "--data", "imported-iris", "--json")
    assert result.code == 0, result.err
    assert result.json["result"]["deployable"]
    told = tholos("models", "describe", "flowers")
    assert "LogisticRegression" in told.out
    assert tholos("deploy", "flowers").code == 0
    row = foreign.IRIS[:1].to_json(orient="records")[1:-1]
    assert tholos("predict", "flowers", row, "--json").json["output"] == "setosa"
    result = tholos("evaluate", "flowers", "imported-iris", "--split", "all", "--json")
    assert result.code == 0, result.err
    result = tholos("compile", "flowers", "--json")
    assert result.code == 0, result.err
    assert not result.json["result"]["already_compiled"]
    assert tholos("deploy", "flowers").code == 0
    assert tholos("predict", "flowers", row, "--json").json["output"] == "setosa"


def test_an_onnx_file_is_imported_with_what_the_user_says(tholos, tmp_path):
    (tmp_path / "network.onnx").write_bytes(foreign.network_onnx())
    result = tholos("import", tmp_path / "network.onnx", "imported-net", "--label-names", "a,b,c")
    assert result.code == 0, result.err
    assert "guessed" in result.out
    assert tholos("deploy", "imported-net").code == 0
    assert tholos("predict", "imported-net", '{"x0": 1, "x1": 2, "x2": 3, "x3": 4}', "--json").json["output"] == "c"
    result = tholos("models", "correct", "imported-net", "--label-names", "a,b", "--json")
    assert result.code == 6
    assert "2 label names" in result.err


def test_a_shared_folder_is_listed_imported_and_taken_up_again(tholos, tmp_path):
    shared = tmp_path / "shared"
    (shared / "team").mkdir(parents=True)
    (shared / "team" / "network.onnx").write_bytes(foreign.network_onnx())
    (shared / "team" / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    (shared / "old.pkl").write_bytes(b"\x80\x04N.")
    (shared / "outside.csv").symlink_to("/etc/passwd")
    planned = tholos("import", shared, "--dry-run", "--json").json
    assert [(item["kind"], item["name"]) for item in planned["things"]] == [
        ("model", "team-network"),
        ("dataset", "team-rows"),
    ]
    assert {Path(item["path"]).name for item in planned["skipped"]} == {"old.pkl", "outside.csv"}
    first = tholos("import", shared, "--json")
    assert [line["state"] for line in first.json] == ["imported", "imported"], first.err
    assert [line["state"] for line in tholos("import", shared, "--json").json] == ["unchanged", "unchanged"]


def test_a_query_becomes_a_dataset_and_is_repeated(tholos, tmp_path):
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("create table sales as select 1 as id, 2.5 as price")
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    result = tholos("data", "import", url, "queried", "--query", "select * from sales", "--json")
    assert result.code == 0, result.err
    assert result.json["profile"]["rows"] == 1
    assert tholos("data", "refresh", "queried", "--json").json["id"] == result.json["id"]
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("insert into sales values (2, null)")
    connection.close()
    again = tholos("data", "refresh", "queried", "--json")
    assert again.json["id"] != result.json["id"]
    assert tholos("data", "profile", "queried", "--json").json["rows"] == 2
    assert tholos("data", "refresh", "imported-none").code == 5
