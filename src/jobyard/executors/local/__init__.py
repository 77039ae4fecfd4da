"""Runs work on this host."""
