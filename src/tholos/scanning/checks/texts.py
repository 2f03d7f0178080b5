"""Texts: secrets in all of them; scripts in cards and pictures, code in notebooks, YAML and configurations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from tholos.scanning.checks.personal import check_personal, check_texts
from tholos.scanning.checks.secrets import check_secrets
from tholos.scanning.checks.templates import check_template
from tholos.scanning.findings import Severity
from tholos.scanning.inspection import Inspection, Source, printable

DATA_SUFFIXES: Final = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt", ".xml", ".sql"})
"""Texts that hold the rows of a data set."""
_MARKUP: Final = frozenset({".svg", ".html", ".htm", ".xhtml", ".md", ".markdown"})
_CHUNK: Final = 8 << 20
_OVERLAP: Final = 8 << 10
_MAX_PARSED: Final = 32 << 20
_SCRIPT = re.compile(
    rb"(?i)<script\b|<iframe\b|<object\b|<embed\b|<foreignObject\b|\son[a-z]{3,20}\s*=\s*[\"']|javascript:|data:text/html"
)
_CODE_BLOCK = re.compile(rb"(?s)```.*?```|`[^`\n]*`")
_YAML_OBJECT = re.compile(rb"!!python/(?:object|name|module|apply)[\w/:.]{0,80}")
_EICAR: Final = b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE"


def is_text(head: bytes) -> bool:
    """Whether the beginning of a file is text in UTF-8, or in an older encoding of Western languages."""
    if b"\0" in head:
        return False
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return control * 200 <= len(head)


def check(found: Inspection, source: Source) -> None:
    """Looks through a text."""
    line = 1
    for chunk, is_whole in _chunks(found, source):
        check_secrets(found, chunk, source.where, first_line=line)
        line += chunk.count(b"\n", 0, len(chunk) if is_whole else len(chunk) - _OVERLAP)
        if source.suffix in (".yaml", ".yml") and (match := _YAML_OBJECT.search(chunk)):
            message = f"The file has {printable(match[0].decode(), 80)} built by loaders that trust it."
            step = "Read it with a safe loader only (yaml.safe_load), or remove that tag."
            found.find("yaml.object", Severity.UNSAFE, message, step, source.where)
    if source.suffix in _MARKUP:
        _check_markup(found, source)
    if source.suffix in (".json", ".ipynb", ".jinja") and source.size <= _MAX_PARSED:
        _check_parsed(found, source)
    if source.data and source.suffix in DATA_SUFFIXES:
        check_personal(found, source)


def _check_markup(found: Inspection, source: Source) -> None:
    source.file.seek(0)
    text = source.file.read(_MAX_PARSED)
    if source.suffix in (".md", ".markdown"):
        text = _CODE_BLOCK.sub(lambda match: b"\n" * match[0].count(b"\n"), text)
    match = _SCRIPT.search(text)
    if match is None:
        return
    severity = Severity.NOTE if source.suffix in (".html", ".htm", ".xhtml") else Severity.SUSPICIOUS
    message = f"The file holds a script ({printable(match[0].decode('latin-1').strip(), 30)}) that a browser would run."
    step = "This server never runs it; programs that show the file as it is do. Remove the script."
    found.find("markup.script", severity, message, step, source.at(f"line {1 + text.count(10, 0, match.start())}"))


def _check_parsed(found: Inspection, source: Source) -> None:
    source.file.seek(0)
    data = source.file.read(_MAX_PARSED)
    if source.suffix == ".jinja":
        check_template(found, data.decode("utf-8", "replace"), source.where)
        return
    if source.suffix == ".json" and not (b"chat_template" in data or b"auto_map" in data):
        return
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        if source.suffix == ".ipynb":
            message = "The notebook is no JSON that can be read."
            found.find("notebook.malformed", Severity.NOTE, message, "Save it again.", source.where)
        return
    if not isinstance(value, dict):
        return
    if source.suffix == ".ipynb":
        _check_notebook(found, source, value)
        return
    for template in _templates(value.get("chat_template")):
        check_template(found, template, source.at("chat_template"))
    if isinstance(value.get("auto_map"), dict):
        message = "The configuration names Python code of this repo, which `trust_remote_code=True` runs."
        step = "Read that code before you allow it; without that option nothing of it runs."
        found.find("config.remote_code", Severity.NOTE, message, step, source.at("auto_map"))


def _templates(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and isinstance(item.get("template"), str):
                yield item["template"]
    elif isinstance(value, dict):
        yield from (item for item in value.values() if isinstance(item, str))


def _check_notebook(found: Inspection, source: Source, notebook: dict[str, Any]) -> None:
    cells = notebook.get("cells")
    for number, cell in enumerate(cells if isinstance(cells, list) else [], start=1):
        if not isinstance(cell, dict):
            continue
        check_secrets(found, _joined(cell.get("source")), source.at(f"cell {number}"))
        for output in cell.get("outputs") or () if isinstance(cell.get("outputs"), list) else ():
            if not isinstance(output, dict):
                continue
            shown = output.get("data")
            texts = [output.get("text"), *(shown.values() if isinstance(shown, dict) else ())]
            joined = b"\n".join(_joined(text) for text in texts)
            check_secrets(found, joined, source.at(f"output of cell {number}"))
            if source.data:
                check_texts(found, [joined], source.at(f"output of cell {number}"))


def _joined(value: Any) -> bytes:
    parts = value if isinstance(value, list) else [value]
    return "".join(part for part in parts if isinstance(part, str)).encode("utf-8", "replace")


def check_malware_test(found: Inspection, source: Source) -> None:
    """The harmless file by which one sees that scanners work."""
    if source.size < 512 and _EICAR in source.head:
        message = "This is the standard test file for virus scanners."
        found.find("malware.test", Severity.UNSAFE, message, "It is harmless; delete it after the test.", source.where)


def _chunks(found: Inspection, source: Source) -> Iterator[tuple[bytes, bool]]:
    """Overlapping pieces of a text, with whether it is the last; a text in UTF-16 comes as UTF-8."""
    limit = found.bounds.text_bytes
    if source.size > limit:
        found.read_only(limit / source.size)
    source.file.seek(0)
    tail, read = b"", 0
    while read < limit and (data := source.file.read(min(_CHUNK, limit - read))):
        read += len(data)
        whole = read >= min(source.size, limit)
        yield tail + data, whole
        tail = data[-_OVERLAP:]
