"""Runs that a Temporal server hands out to workers."""
