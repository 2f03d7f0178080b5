"""Registered models of MLflow stores, as mlflow itself keeps them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tholos.sdk.errors import InvalidInput
from tholos.sdk.mlflow_registry import registered_folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "artifacts" / "m"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    return folder


def test_a_version_of_a_file_store_is_found(tmp_path, model):
    version = tmp_path / "mlruns" / "models" / "churn" / "version-3"
    version.mkdir(parents=True)
    (version / "meta.yaml").write_text(f"name: churn\nsource: models:/m-1\nstorage_location: file://{model}\n")
    assert registered_folder(f"mlflow:{tmp_path / 'mlruns'}#churn/3") == model


def test_a_version_of_a_database_store_is_found(tmp_path, model):
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("create table model_versions (name text, version int, source text, storage_location text)")
        connection.execute("insert into model_versions values ('churn', 3, 'models:/m-1', ?)", [str(model)])
        connection.execute("insert into model_versions values ('churn', 4, 's3://bucket/m', '')")
    connection.close()
    assert registered_folder(f"mlflow:{tmp_path / 'mlflow.db'}#churn/3") == model
    with pytest.raises(InvalidInput, match="not on this machine"):
        registered_folder(f"mlflow:{tmp_path / 'mlflow.db'}#churn/4")


@pytest.mark.parametrize("address", ["#churn/9", "#../../etc/1", "#churn", "", "#churn/x", "#/1"])
def test_what_is_not_registered_is_refused(tmp_path, address):
    (tmp_path / "mlruns").mkdir()
    with pytest.raises(InvalidInput):
        registered_folder(f"mlflow:{tmp_path / 'mlruns'}{address}")
