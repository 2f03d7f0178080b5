"""The client, asynchronous: the source from which ``scripts/generate_sync_client.py`` makes the synchronous one."""
