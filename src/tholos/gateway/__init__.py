"""The front: one way in for every prediction."""
