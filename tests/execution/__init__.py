"""Tests of what carries the effects of the core out."""
