"""Search over repos: the index, how it is kept, and how it is asked (docs/decisions/0005)."""
