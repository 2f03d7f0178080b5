"""The client, synchronous: generated from ``tholos.sdk._async``, apart from ``concurrency.py``."""
