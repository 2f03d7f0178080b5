"""Evaluations: how well a model revision answers on a data revision, with what certainty."""
