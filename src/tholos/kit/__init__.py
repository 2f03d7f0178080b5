"""Domain-free foundations: settings, database, ids, clock, errors, paging, blobs, outbox. Imports no domain."""
