"""Datasets: file formats, the typed view of a revision, profiles, splits, and the sets that Python packages carry."""
