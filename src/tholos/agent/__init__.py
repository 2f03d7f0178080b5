"""The node agent (``python -m tholos.agent``): owns everything long-lived on one machine."""
