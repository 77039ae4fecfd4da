"""Serves the web app."""
