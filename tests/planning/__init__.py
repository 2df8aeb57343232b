"""Preflight: what is described, and what cannot be."""
