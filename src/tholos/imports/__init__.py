"""Models that were made elsewhere: recognised by their files, described, and made deployable."""
