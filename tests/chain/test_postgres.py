"""The same platform on PostgreSQL, with two gateway processes, killed and started again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import tholos

if TYPE_CHECKING:
    from conftest import Platform

CSV = "x,y,label\n" + "\n".join(f"{i % 50},{i * 7 % 13},{'ab'[(i * 7 % 13) > 6]}" for i in range(300)) + "\n"


def test_the_chain_survives_a_kill_on_postgresql(postgres_platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(CSV)
    with tholos.Client(postgres_platform.url, postgres_platform.token) as client:
        data = client.dataset("admin/table")
        data.push(tmp_path / "table.csv")
        data.split(method="stratified", column="label").result(timeout=120)
        training = client.train("admin/table", target="label", algorithm="decision_tree")
        postgres_platform.kill()
    postgres_platform.start()
    with tholos.Client(postgres_platform.url, postgres_platform.token) as client:
        client.jobs.get(training.id).result(timeout=180)
        client.model("admin/table").compile().result(timeout=120)
        assert client.model("admin/table").evaluate("admin/table").result(timeout=120)["metrics"]["accuracy"] == 1.0
        client.model("admin/table").deploy()
        answers = {client.model("admin/table").predict({"x": 1, "y": 12}).output for _ in range(20)}
        assert answers == {"b"}
