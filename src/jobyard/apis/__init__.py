"""Adapters: one folder a protocol, and what HTTP protocols share in `http`."""
