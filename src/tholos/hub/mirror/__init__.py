"""Mirrors: repos that follow a repo of another hub, and fetch the content of large files when it is asked for."""
