"""The form of the id of a run: when it was made, and something random, such as ``r-20260102T030405Z-4f2a``."""

RUN_ID = r"r-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}"
"""A regular expression for it."""
