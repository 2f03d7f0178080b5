"""Task definitions, signatures, metrics."""
