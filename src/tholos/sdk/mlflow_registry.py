"""A registered model of an MLflow store that is a folder or an SQLite file: where its files lie."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tholos.sdk.errors import InvalidInput

PREFIX = "mlflow:"
_LINE = re.compile(r"^(\w+):\s*(.*?)\s*$")
_MAX_META_BYTES = 1 << 20
_PLAIN = re.compile(r"[^/\\\0]+")


def registered_folder(address: str) -> Path:
    """The folder of ``mlflow:STORE#model/version``; STORE is a folder (mlruns) or an SQLite file (mlflow.db).

    Raises InvalidInput when the store has no such version, or its files lie elsewhere than on this machine.
    """
    store_text, _, version_text = address.removeprefix(PREFIX).partition("#")
    name, _, version = version_text.rpartition("/")
    if not store_text or not version.isdigit() or not _PLAIN.fullmatch(name) or name in (".", ".."):
        raise InvalidInput(
            f"{address!r} names no registered model.", next="Write it as mlflow:PATH/TO/mlruns#model/version."
        )
    store = Path(store_text).expanduser()
    where = _from_database(store, name, version) if store.is_file() else _from_folder(store, name, version)
    folder = _local(where, store)
    if not (folder / "MLmodel").is_file():
        raise InvalidInput(
            f"{name}/{version} is registered, but {str(folder)!r} holds no MLmodel file.",
            next="Fetch it with `mlflow artifacts download`, and import that folder.",
        )
    return folder


def _from_folder(store: Path, name: str, version: str) -> str:
    meta = store / "models" / name / f"version-{version}" / "meta.yaml"
    if not meta.is_file() or meta.stat().st_size > _MAX_META_BYTES:
        raise _absent(store, name, version)
    # Flat "key: value" lines, as MLflow's file store writes them: no YAML library is needed to read two of them.
    told: dict[str, str] = {}
    for line in meta.read_text("utf-8", errors="replace").splitlines():
        if match := _LINE.match(line):
            told[match[1]] = match[2]
    return str(told.get("storage_location") or told.get("source") or "").strip("'\"")


def _from_database(store: Path, name: str, version: str) -> str:
    query = "select coalesce(nullif(storage_location, ''), source) from model_versions where name = ? and version = ?"
    try:
        with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute(query, (name, int(version))).fetchone()
    except sqlite3.Error as error:
        raise InvalidInput(
            f"{str(store)!r} is not an MLflow store: {error}.", next="Name mlflow.db or mlruns."
        ) from None
    if row is None:
        raise _absent(store, name, version)
    return str(row[0] or "")


def _local(where: str, store: Path) -> Path:
    parts = urlsplit(where)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.scheme == "" and where:
        path = Path(where)
        return path if path.is_absolute() else store.parent / path
    raise InvalidInput(
        f"The model's files lie at {where[:200] or 'an unknown place'!r}, not on this machine.",
        next="Fetch them with `mlflow artifacts download`, and import that folder.",
    )


def _absent(store: Path, name: str, version: str) -> InvalidInput:
    return InvalidInput(
        f"The MLflow store {str(store)!r} has no version {version} of a model {name!r}.",
        next="Check the path, the name and the version.",
    )
