"""Pages for people: server-rendered over the same services as the REST API; they work without scripts."""
