"""Bytes by URL; the promises are in `base`."""
