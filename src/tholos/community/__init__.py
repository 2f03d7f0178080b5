"""The community: discussions and pull requests of repos, and webhooks that tell other programs of both."""
