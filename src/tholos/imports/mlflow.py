"""An MLflow model folder: its MLmodel file read with suspicion, and what it points at handed to the right reader.

mlflow itself is not needed: the file is YAML, of which tags and anchors are refused, and no path in it is followed out
of the revision.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tholos.hub.cards import MAX_METADATA_BYTES, parse_metadata
from tholos.imports.errors import NotImportable
from tholos.imports.files import Files, broken
from tholos.imports.findings import Detected, Findings, Hints, unserved
from tholos.imports.graphs import read_onnx
from tholos.imports.recognition import MLMODEL
from tholos.imports.report import Obstacle
from tholos.imports.scikit import read_skops
from tholos.imports.transformers import read_transformers
from tholos.runtimes.pickles import SUFFIXES
from tholos.tasks.fields import Dtype, Field

_DTYPES: Mapping[str, Dtype] = {
    "boolean": "boolean",
    "integer": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "string": "string",
}
_TENSOR_DTYPES: Mapping[str, Dtype] = {"bool": "boolean", "str": "string", "object": "string"}
_PROVENANCE = ("run_id", "model_id", "model_uuid", "utc_time_created", "mlflow_version", "registered_model_name")
RESAVE = (
    'Save it again from the Python that made it: mlflow.sklearn.save_model(model, path, serialization_format="skops"), '
    "or as ONNX: mlflow.onnx.save_model(skl2onnx.to_onnx(model, X[:1]), path); then import that folder."
)
_MAX_EXAMPLE_BYTES = 4 << 20


def read_mlflow(files: Files, path: str, found: Findings) -> Detected:
    """Describe the folder whose MLmodel file is at ``path``. Raises as the reader of its flavor, and NotImportable."""
    described = _described(files, path)
    for key in _PROVENANCE:
        if isinstance(described.get(key), str | int):
            found.provenance[f"mlflow.{key}"] = str(described[key])[:200]
    _registered(files, found)
    flavors = {name: value for name, value in _mapping(described.get("flavors")).items() if isinstance(value, dict)}
    found.read("flavors", sorted(flavors)[:20], path)
    if "sklearn" in flavors:
        return _sklearn(files, flavors["sklearn"], described, found)
    if "onnx" in flavors:
        found.library = "onnx"
        return read_onnx(files, _pointed(files, flavors["onnx"].get("data"), "onnx"), found, _hints(files, described))
    if "transformers" in flavors:
        folder = str(flavors["transformers"].get("model_binary") or "model")
        found.library = "transformers"
        return read_transformers(files, _pointed(files, f"{folder}/config.json", "transformers"), found)
    others = [name for name in sorted(flavors) if name != "python_function"] or ["python_function"]
    found.library = others[0][:50]
    obstacle = unserved(f"The MLflow flavor {others[0][:50]!r}")
    return found.blocked(
        replace(obstacle, next="Log the model as ONNX (mlflow.onnx.log_model) or, for scikit-learn, as skops.")
    )


def _described(files: Files, path: str) -> dict[str, Any]:
    if files.size(path) > MAX_METADATA_BYTES:
        raise broken(path, f"it has {files.size(path):,} bytes; at most {MAX_METADATA_BYTES:,} are read")
    try:
        return parse_metadata(files.head(path, MAX_METADATA_BYTES).decode())
    except ValueError as error:  # UnicodeDecodeError is one too
        raise broken(path, str(error)) from error


def _sklearn(files: Files, flavor: dict[str, Any], described: dict[str, Any], found: Findings) -> Detected:
    found.library = "sklearn"
    if isinstance(flavor.get("sklearn_version"), str):
        found.provenance["sklearn_version"] = flavor["sklearn_version"][:40]
    path = _pointed(files, flavor.get("pickled_model"), "sklearn")
    form = str(flavor.get("serialization_format") or "cloudpickle")[:40]
    found.read("serialization", form, MLMODEL)
    if form != "skops" or any(path.lower().endswith(suffix) for suffix in SUFFIXES):
        return found.blocked(
            Obstacle(
                code="pickle_refused",
                message=f"{path} is a pickle ({form}). Loading a pickle can run any code, so it was not opened.",
                next=RESAVE,
            )
        )
    return read_skops(files, path, found, _hints(files, described))


def _pointed(files: Files, path: Any, flavor: str) -> str:
    """The file of the revision that MLmodel names: never one outside of it."""
    if not isinstance(path, str) or not path:
        raise broken(MLMODEL, f"its flavor {flavor} names no file")
    if path not in files:
        raise NotImportable(
            f"{MLMODEL} names {path[:200]!r}, which is not a file of the revision.",
            next="Import the whole model folder, as MLflow wrote it.",
        )
    return path


def _hints(files: Files, described: dict[str, Any]) -> Hints:
    """The inputs of MLflow's signature, where each is of a type that a signature here has."""
    inputs = _columns(_mapping(described.get("signature")).get("inputs"))
    fields = tuple(item for item in map(_field, inputs) if item is not None)
    if len(fields) != len(inputs):
        fields = ()
    example = _input_example(files, described, fields) if fields else None
    return Hints(fields=fields, example=example, source=f"{MLMODEL}'s signature" if fields else "")


def _columns(text: Any) -> list[Any]:
    if not isinstance(text, str):
        return []
    try:
        columns = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise broken(MLMODEL, "the inputs of its signature are not JSON") from error
    return columns if isinstance(columns, list) else []


def _field(column: Any) -> Field | None:
    if not isinstance(column, dict) or not isinstance(column.get("name"), str) or not column["name"]:
        return None
    kind = column.get("type")
    if kind == "tensor":
        spec = _mapping(column.get("tensor-spec"))
        shape = spec.get("shape")
        if shape not in ([-1], [-1, 1]):
            return None
        name = str(spec.get("dtype"))
        dtype = _TENSOR_DTYPES.get(name) or ("integer" if "int" in name else "number" if "float" in name else None)
    else:
        dtype = _DTYPES.get(str(kind))
    return None if dtype is None else Field(name=column["name"], dtype=dtype, missing=column.get("required") is False)


def _input_example(files: Files, described: dict[str, Any], fields: tuple[Field, ...]) -> Any:
    """The first row of the folder's input example, as an object; None where there is none that can be read."""
    path = _mapping(described.get("saved_input_example_info")).get("artifact_path")
    if not isinstance(path, str) or path not in files or files.size(path) > _MAX_EXAMPLE_BYTES:
        return None
    try:
        value = files.json(path)
        row = dict(zip(value["columns"], value["data"][0], strict=True))
    except (NotImportable, LookupError, TypeError, ValueError):
        return None  # an example is a courtesy: without one, one is made up and marked as made up
    return row if set(row) == {item.name for item in fields} else None


def _registered(files: Files, found: Findings) -> None:
    """Name and version in the registry, where the folder carries the file that says so."""
    if "registered_model_meta" not in files or files.size("registered_model_meta") > MAX_METADATA_BYTES:
        return
    try:
        kept = parse_metadata(files.head("registered_model_meta", MAX_METADATA_BYTES).decode())
    except ValueError:
        return  # it only says where the folder is from
    for key in ("model_name", "model_version"):
        if isinstance(kept.get(key), str | int):
            found.provenance[f"mlflow.{key}"] = str(kept[key])[:200]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
