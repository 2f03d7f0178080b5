"""pyarrow without pandas."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder


def leave_pandas_out() -> None:
    """Keeps pyarrow from importing pandas where nothing needs it; call before pyarrow converts the first Python value.

    At its first conversion pyarrow imports pandas, if it is installed, only to recognise pandas objects: a second of
    start-up in every job, and 40 MB in a server process, which must not import it at all. Told once that there is none,
    pyarrow asks again only when something needs pandas, such as ``to_pandas``; that still works.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(hidden)


class _Hidden(MetaPathFinder):
    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname, name=fullname)
