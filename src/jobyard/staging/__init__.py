"""Brings inputs to a job and takes outputs from it."""
