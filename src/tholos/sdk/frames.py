"""pandas at the edges of the client; imported only when a frame is asked for or given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tholos.sdk.errors import InvalidInput, MissingLibrary
from tholos.sdk.results import Column

if TYPE_CHECKING:
    import pandas as pd


def write_frame(frame: pd.DataFrame, folder: Path, path: str) -> Path:
    """Writes a frame without its index into ``folder``, in the format that the name of ``path`` says.

    Raises InvalidInput for a format that is not Parquet, CSV or JSON Lines; MissingLibrary without pyarrow for Parquet.
    """
    if not hasattr(frame, "to_parquet"):
        raise InvalidInput(f"A {type(frame).__name__} cannot be pushed.", next="Push a path or a pandas DataFrame.")
    target = folder / Path(path).name
    match target.suffix.lower():
        case ".parquet":
            try:
                frame.to_parquet(target, index=False, engine="pyarrow")
            except ImportError:
                raise MissingLibrary(
                    "Parquet needs pyarrow.", next="Run `pip install pyarrow`, or push with into='data.csv'."
                ) from None
        case ".csv":
            frame.to_csv(target, index=False)
        case ".jsonl":
            frame.to_json(target, orient="records", lines=True)
        case _:
            raise InvalidInput(
                f"A table cannot be written as {Path(path).name!r}.",
                next="Use a name that ends in .parquet, .csv or .jsonl.",
            )
    return target


def frame_of(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame from rows as the server sends them, with the types that its columns have.

    Numbers become float64, whole numbers int64 (Int64 where some are missing), days and moments datetime64.
    Raises MissingLibrary without pandas.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingLibrary("A DataFrame needs pandas.", next="Run: pip install pandas") from None
    frame = pd.DataFrame.from_records(list(rows), columns=[column.name for column in columns])
    for column in columns:
        values = frame[column.name]
        match column.type:
            case "number":
                frame[column.name] = pd.to_numeric(values).astype("float64")
            case "integer":
                frame[column.name] = values.astype("Int64" if values.isna().any() else "int64")
            case "boolean":
                frame[column.name] = values.astype("boolean" if values.isna().any() else "bool")
            case "datetime":
                frame[column.name] = pd.to_datetime(values, format="ISO8601")
            case _:
                pass
    return frame
