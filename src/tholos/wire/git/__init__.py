"""Git's smart HTTP: clone, fetch and push with any git client, protocol versions 0 and 2.

Read with ``gitprotocol-http``, ``gitprotocol-pack`` and ``gitprotocol-v2`` (git's own manual pages) at hand.
"""
