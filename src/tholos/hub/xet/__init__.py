"""The Xet protocol's store: chunks come in xorbs, files as shards that say which chunks they are.

Nothing that a client says is believed: every hash is recomputed before anything is linked to a repo.
"""
