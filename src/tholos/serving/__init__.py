"""Deployments and the replicas that serve them."""
