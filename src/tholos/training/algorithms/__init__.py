"""The algorithms, one file per family; each names what it offers in `ALGORITHMS`."""
