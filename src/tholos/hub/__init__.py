"""The hub: repos, immutable revisions that are git commits, content-addressed files, cards, lineage and facts."""
