"""Who may do what: users, API keys, web sessions, the audit log, and the one ``authorize()``."""
