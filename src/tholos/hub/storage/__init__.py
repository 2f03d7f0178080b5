"""Keeping the store in order: collecting what nobody names any more, and checking that all the rest is whole."""
