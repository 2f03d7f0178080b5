"""palmerpenguins: its CSV file as it is. The package itself is not imported: that would bring pandas."""

from __future__ import annotations

import shutil
from pathlib import Path

from tholos.data.samples.sample import Export, Sample, folder_of, not_installed

_DESCRIPTION = """\
Size measurements of 344 adult foraging Adélie, Chinstrap and Gentoo penguins observed on islands in the Palmer
Archipelago near Palmer Station, Antarctica. Collected and made available by Dr. Kristen Gorman and the Palmer Station
Long Term Ecological Research (LTER) Program. Eleven sexes and two birds' measurements are missing.

A usual task is to tell the species from the measurements.
"""
_CITATION = """\
Gorman KB, Williams TD, Fraser WR (2014) Ecological Sexual Dimorphism and Environmental Variability within a Community
of Antarctic Penguins (Genus Pygoscelis). PLoS ONE 9(3): e90081. https://doi.org/10.1371/journal.pone.0090081
"""


def _export(folder: Path) -> Export:
    package = folder_of("palmerpenguins")
    if package is None:
        raise not_installed("penguins", "palmerpenguins")
    shutil.copyfile(package / "data" / "penguins.csv", folder / "penguins.csv")
    return Export(
        "Palmer penguins",
        _DESCRIPTION,
        licence="cc0-1.0",
        citation=_CITATION,
        metadata={"task_categories": ["tabular-classification"], "tholos": {"target": "species"}},
    )


PENGUINS = Sample(
    "penguins", "palmerpenguins", "palmerpenguins", "Palmer penguins", _export, 344, 8, default_name="penguins"
)
