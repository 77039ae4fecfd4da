"""Contracts and doubles for plug-in authors."""
