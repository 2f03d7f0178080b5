"""The README.md of a dataset that was made from a sample."""

from __future__ import annotations

from typing import Any

import yaml

from tholos.data.samples.sample import Export, Sample


def card_of(sample: Sample, export: Export) -> str:
    """Markdown with Hugging Face's metadata names in its YAML header."""
    header: dict[str, Any] = {"pretty_name": export.title, "license": export.licence, **export.metadata}
    if sample.rows is not None:
        header["size_categories"] = [_size_category(sample.rows)]
    front = yaml.safe_dump(header, allow_unicode=True, sort_keys=False)
    citation = f"## Citation\n\n{export.citation}\n" if export.citation else ""
    return (
        f"---\n{front}---\n\n# {export.title}\n\n{export.description}\n{citation}"
        f"## Source\n\nImported as `{sample.source}` from the Python package {sample.package} {sample.version}.\n"
    )


def _size_category(rows: int) -> str:
    for limit, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if rows < limit:
            return name
    return "n>1M"
