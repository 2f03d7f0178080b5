"""Durable jobs: a queue in the database, and heavy work in child processes. Knows kinds of work only by name."""
